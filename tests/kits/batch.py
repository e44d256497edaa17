"""What every batch system promises, as tests to inherit; they run against the real system."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from server.batch.base import BatchFailed, BatchJob, BatchMisconfigured, BatchState, BatchSystem, Template

PYTHON = sys.executable
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def script(text: str) -> tuple[str, ...]:
    """Answer the words that start a Python script; all on one line, as not every system has words of several."""
    return (PYTHON, "-I", "-S", "-c", f"exec({text!r})")


def waiting(ready: Path, gate: Path, status: int) -> str:
    """Write a script that says that it is there, and ends with a status when the gate is."""
    wait = f"while not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    return f"import os, sys, time\nopen({str(ready)!r}, 'w').close()\n{wait}\nsys.exit({status})"


class BatchSystemKit:
    """Inherit, and answer a system from the fixture ``system``; all others are the contract."""

    #: Seconds within which the system shows a change.
    patience = 20.0

    @pytest.fixture
    def system(self) -> BatchSystem:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _nothing_is_left(self, system):
        self._ids: list[str] = []
        yield
        system.cancel(self._ids)
        self.wait(system, self._ids, lambda found: not alive(found))

    def restart(self, system: BatchSystem) -> None:
        """Kill the daemon that serves the batch system, if there is one, and have it start again."""

    def never(self, job: str) -> str:
        """Answer an id like this one's that no job has ever had."""
        return f"{job}7"

    def submit(self, system, key, argv, count=1, grace=10.0, **more):
        ids = system.submit(Template(key, tuple(argv), ENVIRONMENT, grace, **more), count)
        self._ids += ids
        return ids

    def wait(self, system: BatchSystem, ids, until: Callable[[Mapping[str, BatchJob]], bool]) -> Mapping[str, BatchJob]:
        deadline = time.monotonic() + self.patience
        while not until(found := system.status(ids)):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)  # batch systems are asked, they do not call
        return found

    def wait_for(self, system, ids, state):
        return self.wait(system, ids, lambda found: all(job.state is state for job in found.values()))

    def test_a_job_that_ends_well_is_done_with_status_zero_and_its_times(self, system):
        ids = self.submit(system, "well", script("print('hello')"))
        (job,) = self.wait_for(system, ids, BatchState.DONE).values()
        assert job.exit_status == 0
        assert job.node != ""
        assert job.started <= job.ended
        assert (system.directory(ids[0]) / "stdout").read_text() == "hello\n"

    @pytest.mark.parametrize("status", [1, 82, 94])
    def test_the_exit_status_is_the_jobs_own(self, system, status):
        ids = self.submit(system, f"status{status}", script(f"import sys; sys.exit({status})"))
        (job,) = self.wait_for(system, ids, BatchState.DONE).values()
        assert job.exit_status == status

    def test_a_job_that_a_signal_ended_has_128_and_the_signals_number(self, system):
        ids = self.submit(system, "signal", script("import os; os.kill(os.getpid(), 9)"))
        (job,) = self.wait_for(system, ids, BatchState.DONE).values()
        assert job.exit_status == 137

    def test_each_of_several_jobs_runs_once_and_knows_its_id_and_directory(self, system):
        told = script("import os; print(os.environ['COMPASS_BATCH_ID'], os.environ['COMPASS_BATCH_DIRECTORY'])")
        ids = self.submit(system, "several", told, count=3)
        self.wait_for(system, ids, BatchState.DONE)
        assert len(set(ids)) == 3
        for job in ids:
            assert (system.directory(job) / "stdout").read_text() == f"{job} {system.directory(job)}\n"

    def test_a_job_gets_the_environment_that_was_given_and_nothing_of_the_servers(self, system, monkeypatch):
        monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
        ids = self.submit(system, "environment", script("import os; print(sorted(os.environ))"))
        self.wait_for(system, ids, BatchState.DONE)
        names = (system.directory(ids[0]) / "stdout").read_text()
        assert "PATH" in names
        assert "SECRET_OF_THE_SERVER" not in names

    def test_what_was_submitted_is_found_by_its_key_in_order(self, system):
        ids = self.submit(system, "found", script("pass"), count=3)
        assert system.find("found") == dict(enumerate(ids))
        assert system.find("never-submitted") == {}

    def test_a_key_is_used_once(self, system):
        self.submit(system, "once", script("pass"))
        with pytest.raises(BatchFailed, match="once"):
            self.submit(system, "once", script("pass"))
        assert len(system.find("once")) == 1

    def test_an_id_that_the_system_does_not_know_is_lost(self, system):
        assert system.status(["nowhere/7"])["nowhere/7"].state is BatchState.LOST

    def test_what_has_ended_is_told_from_what_never_was(self, system):
        (ended,) = self.submit(system, "told", script("pass"))
        self.wait_for(system, [ended], BatchState.DONE)
        asked = [ended, self.never(ended)]
        found = system.status(asked)
        assert [found[job].state for job in asked] == [BatchState.DONE, BatchState.LOST]
        assert list(system.history(asked)) == [ended]

    def test_a_restart_of_the_batch_system_loses_nothing_and_says_of_nothing_that_it_is_lost(self, system, tmp_path):
        gate, ready = tmp_path / "gate", tmp_path / "ready"
        ids = self.submit(system, "outlives", script(waiting(ready, gate, 5)))
        self.wait(system, ids, lambda found: ready.exists())
        self.restart(system)
        seen = set()

        def runs(found):
            (job,) = found.values()
            seen.add(job.state)
            return job.state is BatchState.RUNNING

        self.wait(Patient(system), ids, runs)
        assert Patient(system).find("outlives") == dict(enumerate(ids))
        gate.touch()
        (job,) = self.wait_for(Patient(system), ids, BatchState.DONE).values()
        assert job.exit_status == 5
        assert BatchState.LOST not in seen

    def test_a_cancelled_job_ends_with_all_that_it_started(self, system, tmp_path):
        heart = tmp_path / "heart"
        child = f"import os, time\nos.setsid()\nwhile True: open({str(heart)!r}, 'a').write('x'); time.sleep(0.05)"
        parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]).wait()"
        ids = self.submit(system, "cancelled", script(parent), grace=1.0)
        self.wait(system, ids, lambda found: heart.exists())
        system.cancel(ids)
        (job,) = self.wait_for(system, ids, BatchState.DONE).values()
        assert job.exit_status == 143
        assert_still(heart)

    def test_a_cancelled_job_may_end_in_its_own_way(self, system, tmp_path):
        ready = tmp_path / "ready"
        kind = f"""
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(17))
pathlib.Path({str(ready)!r}).touch()
signal.pause()
"""
        ids = self.submit(system, "kind", script(kind))
        self.wait(system, ids, lambda found: ready.exists())
        system.cancel(ids)
        (job,) = self.wait_for(system, ids, BatchState.DONE).values()
        assert job.exit_status == 17

    def test_a_job_that_does_not_stop_is_killed_after_its_grace(self, system, tmp_path):
        ready = tmp_path / "ready"
        deaf = f"""
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(ready)!r}).touch()
time.sleep(600)
"""
        ids = self.submit(system, "deaf", script(deaf), grace=0.5)
        self.wait(system, ids, lambda found: ready.exists())
        system.cancel(ids)
        (job,) = self.wait_for(system, ids, BatchState.DONE).values()
        assert job.exit_status == 137

    def test_a_job_finds_its_files_in_the_directory_that_it_starts_in(self, system, tmp_path):
        (tmp_path / "token").write_text("abc")
        reads = script("print(open('the-token').read())")
        ids = self.submit(system, "files", reads, count=2, files={"the-token": tmp_path / "token"})
        self.wait_for(system, ids, BatchState.DONE)
        system.collect(ids)
        assert [(system.directory(job) / "stdout").read_text() for job in ids] == ["abc\n", "abc\n"]

    def test_history_tells_how_those_ended_that_have_and_leaves_out_the_others(self, system, tmp_path):
        ready = tmp_path / "ready"
        goes_on = script(f"import pathlib, time; pathlib.Path({str(ready)!r}).touch(); time.sleep(600)")
        (ended,) = self.submit(system, "gone", script("import sys; sys.exit(7)"))
        self.wait_for(system, [ended], BatchState.DONE)
        (lives,) = self.submit(system, "stays", goes_on)
        self.wait(system, [lives], lambda found: ready.exists())
        found = system.history([ended, lives])
        assert {job: end.exit_status for job, end in found.items()} == {ended: 7}

    def test_an_option_that_the_system_does_not_have_is_refused_by_its_name(self, system):
        with pytest.raises(BatchMisconfigured, match="no_such_option"):
            self.submit(system, "odd", script("pass"), options={"no_such_option": "1"})
        assert system.find("odd") == {}

    def test_cancelling_what_has_ended_changes_nothing(self, system):
        ids = self.submit(system, "ended", script("pass"))
        before = self.wait_for(system, ids, BatchState.DONE)
        system.cancel(ids)
        assert system.status(ids) == before


class Patient:
    """A system that is asked again as long as it does not answer, as it may while it comes back."""

    def __init__(self, system: BatchSystem) -> None:
        self._system = system

    def __getattr__(self, name):
        def ask(*given):
            for _ in range(600):
                try:
                    return getattr(self._system, name)(*given)
                except BatchFailed:
                    time.sleep(0.1)
            return getattr(self._system, name)(*given)

        return ask


def alive(found: Mapping[str, BatchJob]) -> bool:
    return any(job.state in (BatchState.QUEUED, BatchState.RUNNING) for job in found.values())


def assert_still(file: Path) -> None:
    """Hold that nobody writes to a file any longer."""
    size = file.stat().st_size
    time.sleep(0.3)
    assert file.stat().st_size == size
