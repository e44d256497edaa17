"""The local batch system against real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time

import psutil
import pytest

from server.batch import runner
from server.batch.base import BatchFailed, BatchState, Template
from server.batch.local import LocalBatch
from tests.kits.batch import ENVIRONMENT, BatchSystemKit, alive, assert_still, script

SLEEP = script("import time; time.sleep(600)")


def runner_of(system, job):
    return json.loads((system.directory(job) / "identity.json").read_text())["pid"]


class TestLocalBatch(BatchSystemKit):
    @pytest.fixture
    def system(self, tmp_path):
        return LocalBatch(tmp_path / "batch", slots=4)

    def test_no_more_run_than_there_are_slots_and_the_others_follow_in_order(self, tmp_path, system):
        narrow = LocalBatch(tmp_path / "batch", slots=1)
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        first = self.submit(narrow, "a", script(f"open({str(gate)!r}).read()"))
        second = self.submit(narrow, "b", script("pass"), count=2)
        states = [job.state for job in narrow.status([*first, *second]).values()]
        assert states == [BatchState.RUNNING, BatchState.QUEUED, BatchState.QUEUED]
        gate.open("w").close()
        found = self.wait_for(narrow, [*first, *second], BatchState.DONE)
        assert found[first[0]].ended <= found[second[0]].started <= found[second[1]].started

    def test_a_job_that_waits_is_cancelled_and_never_starts(self, tmp_path, system):
        narrow = LocalBatch(tmp_path / "batch", slots=1)
        first = self.submit(narrow, "a", SLEEP)
        second = self.submit(narrow, "b", script("print('started')"))
        narrow.cancel(second)
        narrow.cancel(first)
        self.wait_for(narrow, first, BatchState.DONE)
        (job,) = narrow.status(second).values()
        assert (job.state, job.exit_status, job.words) == (BatchState.DONE, None, "cancelled before it started")
        assert not (narrow.directory(second[0]) / "stdout").exists()

    def test_a_server_that_starts_again_finds_what_runs_and_how_it_ended(self, tmp_path, system):
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        ids = self.submit(system, "adopted", script(f"import sys; sys.exit(len(open({str(gate)!r}).read()))"))
        again = LocalBatch(tmp_path / "batch", slots=4)
        assert again.status(ids)[ids[0]].state is BatchState.RUNNING
        with gate.open("w") as door:
            door.write("12345")
        (job,) = self.wait_for(again, ids, BatchState.DONE).values()
        assert job.exit_status == 5

    def test_a_job_is_no_child_of_the_server(self, system):
        ids = self.submit(system, "orphan", SLEEP)
        assert os.getpid() not in [process.pid for process in psutil.Process(runner_of(system, ids[0])).parents()]

    def test_a_job_whose_runner_was_killed_is_lost_and_cancelling_it_ends_what_it_left(self, system, tmp_path):
        heart = tmp_path / "heart"
        beat = f"import time\nwhile True: open({str(heart)!r}, 'a').write('x'); time.sleep(0.05)"
        ids = self.submit(system, "lost", script(beat))
        self.wait(system, ids, lambda found: heart.exists())
        os.kill(runner_of(system, ids[0]), signal.SIGKILL)
        (job,) = self.wait_for(system, ids, BatchState.LOST).values()
        assert "no exit status" in job.words
        system.cancel(ids)
        deadline = time.monotonic() + 5
        while any(
            str(heart) in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
        ):
            assert time.monotonic() < deadline
        assert_still(heart)

    def test_a_runner_that_is_stuck_is_ended_by_the_next_order_after_its_grace(self, system):
        ids = self.submit(system, "stuck", SLEEP, grace=0.0)
        os.kill(runner_of(system, ids[0]), signal.SIGSTOP)
        system.cancel(ids)
        assert system.status(ids)[ids[0]].state is BatchState.RUNNING
        long_ago = time.time() - 60
        os.utime(system.directory(ids[0]) / "stop", (long_ago, long_ago))
        system.cancel(ids)
        self.wait_for(system, ids, BatchState.LOST)

    def test_another_process_under_the_same_pid_is_not_the_job_and_is_not_signalled(self, system):
        ids = self.submit(system, "impostor", SLEEP)
        identity = system.directory(ids[0]) / "identity.json"
        true = json.loads(identity.read_text())
        identity.write_text(json.dumps({**true, "pid": os.getpid()}))
        assert system.status(ids)[ids[0]].state is BatchState.LOST
        identity.write_text(json.dumps(true))
        assert system.status(ids)[ids[0]].state is BatchState.RUNNING

    def test_a_job_is_claimed_once_even_when_it_is_started_twice(self, system):
        ids = self.submit(system, "twice", script("print('ran')"))
        system._start(ids[0])
        self.wait_for(system, ids, BatchState.DONE)
        assert (system.directory(ids[0]) / "stdout").read_text() == "ran\n"

    def test_a_submission_that_broke_in_the_middle_shows_only_what_will_run(self, system):
        self.submit(system, "whole", script("pass"))
        half = system.directory("whole/1")
        half.mkdir()
        (half / "job.json").write_text("{}")
        assert system.find("whole") == {0: "whole/0"}
        assert system.status(["whole/1"])["whole/1"].state is BatchState.LOST

    def test_a_program_that_does_not_exist_is_status_127_with_words(self, system):
        ids = self.submit(system, "missing", ("/no/such/program",))
        (job,) = self.wait_for(system, ids, BatchState.DONE).values()
        assert job.exit_status == 127
        assert "No such file" in job.words

    def test_what_a_job_leaves_running_is_ended_when_it_ends(self, system, tmp_path):
        heart = tmp_path / "heart"
        child = f"import os, time\nos.setsid()\nwhile True: open({str(heart)!r}, 'a').write('x'); time.sleep(0.05)"
        started = f"""
import subprocess, sys, os, time
subprocess.Popen([sys.executable, '-c', {child!r}])
while not os.path.exists({str(heart)!r}): time.sleep(0.01)
"""
        ids = self.submit(system, "leaves", script(started))
        (job,) = self.wait_for(system, ids, BatchState.DONE).values()
        assert job.exit_status == 0
        assert_still(heart)

    @pytest.mark.parametrize("key", ["../up", "", "a/b", "-x"])
    def test_a_key_that_could_lead_elsewhere_is_refused(self, system, key):
        with pytest.raises(BatchFailed, match="key"):
            system.submit(Template(key, SLEEP, ENVIRONMENT), 1)
        assert system.find(key) == {}

    @pytest.mark.parametrize("job", ["../../etc/1", "a", "a/b/1"])
    def test_an_id_that_could_lead_elsewhere_is_no_directory(self, system, job):
        with pytest.raises(BatchFailed, match="not an id"):
            system.directory(job)
        assert not alive(system.status([job]))

    def test_orders_are_readable_by_the_owner_only(self, system):
        ids = self.submit(system, "private", script("pass"))
        folder = system.directory(ids[0])
        assert folder.stat().st_mode & 0o77 == 0
        assert (folder / "job.json").stat().st_mode & 0o77 == 0

    def test_a_disk_that_refuses_is_a_failure_of_the_batch_system(self, tmp_path, system):
        (tmp_path / "file").touch()
        with pytest.raises(BatchFailed):
            LocalBatch(tmp_path / "file", slots=1).submit(Template("key", SLEEP, ENVIRONMENT), 1)


def test_ids_of_another_batch_system_are_nobodys(tmp_path):
    batch = LocalBatch(tmp_path / "batch", slots=1)
    batch.cancel(["4711_0@cluster"])
    batch.forget(["4711_0@cluster"])
    assert batch.status(["4711_0@cluster"])["4711_0@cluster"].state is BatchState.LOST


@pytest.mark.parametrize(
    ("lost", "state"),
    [(runner.CLAIM, BatchState.LOST), (runner.EXIT, BatchState.DONE), (runner.ORDER, BatchState.DONE)],
)
def test_a_file_that_lost_its_text_when_the_power_failed_keeps_no_other_job_from_being_followed(tmp_path, lost, state):
    batch = LocalBatch(tmp_path / "batch", slots=2)
    first, second = batch.submit(Template("key", ("/bin/true",), ENVIRONMENT), 2)
    deadline = time.monotonic() + 30
    while alive(batch.status([first, second])):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (batch.directory(first) / lost).write_text("")
    if lost == runner.CLAIM:
        (batch.directory(first) / runner.EXIT).unlink()
    found = batch.status([first, second])
    assert (found[first].state, found[second].exit_status) == (state, 0)
    batch.cancel([first, second])


def test_a_folder_that_cannot_be_written_is_a_batch_system_that_fails(tmp_path):
    batch = LocalBatch(tmp_path / "batch", slots=0)
    (job,) = batch.submit(Template("key", ("/bin/true",), ENVIRONMENT), 1)
    marks = tmp_path / "batch" / "open"
    shutil.rmtree(batch.directory(job))
    batch.directory(job).parent.joinpath("0").write_text("no folder any longer")
    with pytest.raises(BatchFailed, match="batch: "):
        batch.cancel([job])
    assert list(marks.iterdir())
