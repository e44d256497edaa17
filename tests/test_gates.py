"""What the configuration of the gates promises and would be missed silently."""

from __future__ import annotations

import tomllib
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize(
    "module", ["pilot", "pilot.control.conductor", "server.urls", "client.cli", "compass_mc.merge"]
)
def test_a_warning_from_our_own_packages_is_an_error(module):
    with pytest.raises(DeprecationWarning, match="old"):
        warnings.warn_explicit("old", DeprecationWarning, "file.py", 1, module=module)


@pytest.mark.parametrize("module", ["pilots", "serverless.urls", "requests.client"])
def test_a_warning_from_elsewhere_is_only_shown(module):
    with pytest.warns(DeprecationWarning, match="old"):
        warnings.warn_explicit("old", DeprecationWarning, "file.py", 1, module=module)


@pytest.mark.parametrize("lock", ["pilot", "demo", "test"])
def test_every_lock_holds_the_four_packages_of_the_pilot(lock):
    pinned = {line.split("==")[0] for line in (ROOT / f"requirements/{lock}.txt").read_text().splitlines()}
    assert {"requests", "pyyaml", "pluggy", "psutil"} <= pinned


def test_the_pilot_has_four_dependencies_and_no_more():
    assert len(PROJECT["project"]["dependencies"]) == 4


def test_the_tests_run_what_the_demo_runs():
    demo, test = (
        {line.split(" ")[0] for line in (ROOT / f"requirements/{lock}.txt").read_text().splitlines() if "==" in line}
        for lock in ("demo", "test")
    )
    assert demo <= test


def test_the_documented_test_command_is_what_the_integration_runs():
    assert "make test" in (ROOT / "README.md").read_text()
    assert "make test </dev/null" in (ROOT / ".ci/run").read_text()
