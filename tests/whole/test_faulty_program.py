"""The program with planned faults fails once where it is to, and works after that."""

from __future__ import annotations

import importlib.util
import subprocess

import pytest

from examples.mc.failures import PATTERNS
from tests.whole import faulty_program
from tests.whole.production_run import Productions, Size

pytestmark = pytest.mark.one_python
SIZE = Size({277001: 4}, {278473: 4})


def test_every_known_failure_is_planned_once_and_two_merges_lose_an_event():
    files = Productions.jobs_of(SIZE)
    plan = faulty_program.everything(files, seed=1)
    assert sorted(plan.values()) == sorted([*PATTERNS, faulty_program.LOSES, faulty_program.LOSES])
    assert plan.keys() <= set(files)
    assert plan["mDST-277001-1-7.root"] == plan["mDST-278473-1-7.root"] == faulty_program.LOSES
    assert plan == faulty_program.everything(files, seed=1)


def test_more_failures_than_jobs_are_refused():
    with pytest.raises(ValueError, match="2 jobs are too few for 12 failures; order more chunks"):
        faulty_program.planned(["a", "b"], seed=1)


def test_a_fault_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'melts' is no fault"):
        faulty_program.write_program(tmp_path / "faults", {"a": "melts"})


@pytest.mark.skipif(importlib.util.find_spec("pythia8mc") is None, reason="not tested: examples/mc is not installed")
def test_it_fails_in_its_first_try_and_works_in_the_second(tmp_path):
    program = faulty_program.write_program(tmp_path / "faults", {"out.root": "coral-exit"})
    words = [program, "generate", "--run", "1", "--chunk", "1", "--seed", "1", "--events", "1", "--output", "out.root"]
    assert faulty_program.done(program.parent) == {}
    first = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (first.returncode, "return code -3" in first.stdout) == (253, True)
    assert faulty_program.done(program.parent) == {"out.root": "coral-exit"}
    second = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "out.root").is_file()
