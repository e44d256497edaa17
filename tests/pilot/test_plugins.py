from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from pilot import plugins
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.errors import ConfigError, JobFailed, PluginFailed
from pilot.hookspecs import hookimpl

SPEC = JobSpec(id=1, attempt=1, transformation="x")
OUT = Path("out")


def plugin(**hooks):
    module = types.ModuleType("made")
    vars(module).update({name: hookimpl(function) for name, function in hooks.items()})
    return module


class Point:
    """An installed entry point."""

    def __init__(self, name, loads):
        self.name, self._loads = name, loads

    def load(self):
        if isinstance(self._loads, Exception):
            raise self._loads
        return self._loads


@pytest.fixture
def installed(monkeypatch):
    def install(**named):
        points = {name: Point(name, loads) for name, loads in named.items()}
        monkeypatch.setattr(plugins, "_installed", lambda: points)

    return install


def test_built_in_experiments_are_entry_points_of_the_group_too():
    found = plugins._installed()
    assert {name: found[name].value for name in plugins.BUILT_IN} == plugins.BUILT_IN


@pytest.mark.parametrize("user", sorted(plugins.BUILT_IN))
def test_every_built_in_experiment_fits_the_hooks(user):
    manager = plugins.load(user)
    assert plugins.call(manager, "register_copytools")


def test_the_users_plugin_answers_before_the_others(installed):
    installed(mine=plugin(payload_progress=lambda: (1, 2)), other=plugin(payload_progress=lambda: (3, 4)))
    manager = plugins.load("mine", ["other"])
    assert plugins.call(manager, "payload_progress", spec=SPEC, stdout=OUT) == (1, 2)


@pytest.mark.parametrize(
    ("hooks", "complaint"),
    [({"payload_progres": lambda spec: None}, "unknown hook"), ({"payload_progress": lambda spek: None}, "spek")],
)
def test_a_misspelt_hook_or_argument_stops_the_pilot_at_start(installed, hooks, complaint):
    installed(mine=plugin(**hooks))
    with pytest.raises(ConfigError, match=f"plugin 'mine'.*{complaint}"):
        plugins.load("mine")


def test_a_user_there_is_no_plugin_for_is_told_which_there_are(installed):
    installed(other=plugin())
    with pytest.raises(ConfigError, match="no plugin 'atlantis'; there are compass, generic, other"):
        plugins.load("atlantis")


def test_a_plugin_that_cannot_be_imported_is_named(installed):
    installed(mine=ImportError("no module named uproot"))
    with pytest.raises(ConfigError, match="plugin 'mine' cannot be imported: no module named uproot"):
        plugins.load("mine")
    with pytest.raises(ConfigError, match="'no.such.module' cannot be imported"):
        plugins.load("generic", always=["no.such.module"])


def test_what_a_plugin_raises_names_it_and_the_hook(installed):
    def broken(spec):
        return {}["missing"]

    installed(mine=plugin(payload_progress=broken))
    with pytest.raises(PluginFailed, match="plugin 'mine' broke in payload_progress: KeyError: 'missing'") as caught:
        plugins.call(plugins.load("mine"), "payload_progress", spec=SPEC, stdout=OUT)
    assert caught.value.code is ErrorCode.PLUGIN_FAILED


def test_a_plugin_may_fail_a_job_with_a_code_of_its_own(installed):
    def refuse(spec):
        raise JobFailed(ErrorCode.SETUP_FAILURE, "no software here")

    installed(mine=plugin(payload_progress=refuse))
    with pytest.raises(JobFailed, match="no software here"):
        plugins.call(plugins.load("mine"), "payload_progress", spec=SPEC, stdout=OUT)


def test_a_user_that_is_built_in_costs_no_look_at_installed_packages():
    script = (
        "import sys; from pilot import plugins; plugins.load('compass'); print('importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
