"""What the configuration of the gates promises and would be missed silently."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import warnings
from importlib import metadata
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


def test_the_pilot_has_four_dependencies_and_no_more_but_one_that_the_first_has_anyway():
    named = [line.partition(">")[0] for line in PROJECT["project"]["dependencies"]]
    assert named == ["requests", "urllib3", "PyYAML", "pluggy", "psutil"]
    assert any(line.startswith("urllib3") for line in metadata.requires("requests"))


def test_the_tests_run_what_the_demo_runs():
    demo, test = (
        {line.split(" ")[0] for line in (ROOT / f"requirements/{lock}.txt").read_text().splitlines() if "==" in line}
        for lock in ("demo", "test")
    )
    assert demo <= test


def test_the_documented_test_command_is_what_the_integration_runs():
    assert "make test" in (ROOT / "README.md").read_text()
    assert "make test </dev/null" in (ROOT / ".ci/run").read_text()


def test_everything_that_the_smoke_set_names_is_there_and_real_pilots_are_among_it():
    lines = (ROOT / "tests/smoke.txt").read_text().split()
    assert [line for line in lines if not (ROOT / line.removeprefix("--ignore=")).exists()] == []
    assert "tests/pilot/test_end_to_end.py" in lines


def test_make_test_runs_every_python_that_is_promised():
    assert "tests/pythons.sh others" in (ROOT / "Makefile").read_text()
    script = (ROOT / "tests/pythons.sh").read_text()
    assert "suite:3.11 suite:3.13 smoke:3.9" in script


def test_only_make_test_gives_a_test_a_second_turn():
    test, _, other = (ROOT / "Makefile").read_text().partition(".PHONY: smoke")
    assert test.count("$(TURNS)") == 3
    assert "TURNS := --reruns 1\n" in test
    assert "$(TURNS)" not in other
    assert "--reruns" not in PROJECT["tool"]["pytest"]["ini_options"]["addopts"]


def others(*words, **variables):
    return subprocess.run(
        [ROOT / "tests/pythons.sh", *words], capture_output=True, text=True, env={**os.environ, **variables}, timeout=60
    )


def test_a_python_that_is_not_present_is_said_so_and_fails_nothing():
    done = others("others", "3.11", PYTHON313="none", PYTHON39="none")
    assert done.returncode == 0, done.stderr
    assert "Python 3.11: the whole suite was run" in done.stdout
    assert "Python 3.13: NOT TESTED" in done.stdout
    assert "Python 3.9: NOT TESTED" in done.stdout


def test_environments_can_be_filled_ahead_of_time_and_what_is_not_present_is_passed_over():
    assert 'tests/pythons.sh fill "$$own"' in (ROOT / "Makefile").read_text()
    done = others("fill", "3.11", PYTHON313="none", PYTHON39="none")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_program_that_is_another_python_than_it_is_given_for_is_refused():
    done = others("find", "3.9", PYTHON39=sys.executable)
    assert done.returncode == 3
    assert f"PYTHON39={sys.executable} is no Python 3.9" in done.stderr


def test_a_shim_for_no_python_is_passed_over(tmp_path):
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = others("find", "3.13", PATH=path, HOME=str(tmp_path), PYENV_ROOT=str(tmp_path), XDG_DATA_HOME=str(tmp_path))
    assert done.stdout == ""
    assert done.returncode == 1
