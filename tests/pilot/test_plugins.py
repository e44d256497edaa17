from __future__ import annotations

import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest

from pilot import hookspecs, plugins
from pilot.answers import ANSWERS
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.errors import ConfigError, JobFailed, PluginFailed
from pilot.hookspecs import hookimpl
from pilot.hpc.values import NodeService, Resource
from pilot.job import LogStream, PayloadCommand, Problem, Utility, When

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
        if isinstance(self._loads, BaseException):
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
    assert (
        {"generic", "compass"}
        >= {name for name, _ in manager.list_name_plugin()} - set(plugins.ALWAYS)
        >= {user} - {"generic"}
    )


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


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (SyntaxError("invalid syntax"), "SyntaxError: invalid syntax"),
        (RuntimeError("no licence"), "RuntimeError: no licence"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_a_plugin_that_breaks_when_it_is_imported_is_named_with_what_it_raised(installed, raised, words):
    installed(mine=raised)
    with pytest.raises(ConfigError, match=f"plugin 'mine' cannot be imported: {words}"):
        plugins.load("mine")


def test_a_plugin_whose_functions_are_not_marked_is_refused(installed):
    module = types.ModuleType("made")
    vars(module).update(payload_progress=lambda: (1, 2))
    installed(mine=module)
    with pytest.raises(ConfigError, match="plugin 'mine' has no hook; mark its functions with pilot.hookspecs.hook"):
        plugins.load("mine")


def test_a_plugin_that_wants_to_end_the_program_has_failed_its_job_only(installed):
    installed(mine=plugin(payload_progress=lambda: sys.exit(3)))
    with pytest.raises(PluginFailed, match="plugin 'mine' broke in payload_progress: SystemExit: 3"):
        plugins.call(plugins.load("mine"), "payload_progress", spec=SPEC, stdout=OUT)


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


#: What no hook may answer, with one that is right.
WRONG = {
    "register_copytools": (["rucio"], [str]),
    "verify_job": (False, "no"),
    "payload_environment": ({"THREADS": 8}, {"THREADS": "8"}),
    "payload_command": ("run.sh --all", ["run.sh", "--all"]),
    "wrap_command": (["apptainer"], PayloadCommand((), {}, OUT)),
    "utility_commands": ([["watch"]], [Utility("watch", ("watch",), When.BESIDE)]),
    "diagnose_payload": ("no beam", Problem(ErrorCode.PAYLOAD_FAILED, "no beam")),
    "job_metrics": ([("nEvents", 3)], {"nEvents": 3, "beam": "mu+"}),
    "payload_progress": (3, (3, None)),
    "realtime_logging": ("logstash;tls://logs:5000", LogStream("logstash;tls://logs:5000")),
    "node_services": ([["mysqld"]], [NodeService("calibrations", ("mysqld",))]),
    "hpc_resource": (["srun"], Resource(("srun",))),
    "quiet_files": ("*.log", ["*.log"]),
    "monitor_checks": (True, Problem(ErrorCode.PAYLOAD_FAILED, "no beam")),
    "redundant_files": ([3], ("*.pool",)),
}


def test_the_answers_of_all_hooks_that_answer_anything_are_looked_at():
    every = {name for name, made in vars(hookspecs).items() if hasattr(made, "compass-pilot_spec")}
    assert set(ANSWERS) == set(WRONG) == every - {"settle_outputs", "job_moved"}


@pytest.mark.parametrize("hook", sorted(WRONG))
def test_an_answer_of_another_type_names_the_plugin_and_the_hook(installed, hook):
    wrong, right = WRONG[hook]
    arguments = dict.fromkeys(inspect.signature(getattr(hookspecs, hook)).parameters)
    installed(bad=plugin(**{hook: lambda: wrong}), good=plugin(**{hook: lambda: right}))
    found = plugins.call(plugins.load("good", always=[]), hook, **arguments)
    assert found in (right, [right])
    with pytest.raises(PluginFailed, match=f"plugin 'bad' answered {hook} with .*; .* is expected") as caught:
        plugins.call(plugins.load("bad", ["good"], always=[]), hook, **arguments)
    assert caught.value.code is ErrorCode.PLUGIN_FAILED


def test_a_plugin_that_has_no_answer_and_one_that_wraps_others_are_not_in_the_way(installed):
    @hookimpl(wrapper=True)
    def redundant_files():
        return [*(yield), ["more"]]

    wrapping = types.ModuleType("wrapping")
    wrapping.redundant_files = redundant_files
    installed(silent=plugin(redundant_files=lambda: None), wrapping=wrapping)
    manager = plugins.load("wrapping", ["silent"], always=[])
    assert plugins.call(manager, "redundant_files", spec=SPEC) == [["more"]]


def test_a_wrong_number_of_events_is_no_progress(installed):
    for wrong in ((1,), (None, 3), ("1", 2), (1, "2"), (1, 2, 3)):
        installed(bad=plugin(payload_progress=lambda wrong=wrong: wrong))
        with pytest.raises(PluginFailed):
            plugins.call(plugins.load("bad", always=[]), "payload_progress", spec=SPEC, stdout=OUT)
