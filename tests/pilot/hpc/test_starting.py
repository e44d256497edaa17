"""The two ways to have an allocation: a launcher of this pilot's own, and a batch job."""

from __future__ import annotations

import os
import threading

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.hpc import starting
from pilot.hpc.shaping import Wanted, shape
from pilot.hpc.values import BatchState, Launch, Status, Wishes

SHAPE = shape([Wanted()], Wishes()).shape


def launch(folder, *argv):
    return Launch("compass-1", argv, SHAPE, folder)


def test_a_launcher_that_ends_is_told_with_its_last_words(tmp_path):
    ended = threading.Event()
    environment = {"PATH": os.environ["PATH"], "SLURM_JOB_ID": "12"}
    found = starting.Here(launch(tmp_path, "sh", "-c", "echo no nodes >&2; exit 3"), environment, 1.0, ended.set)
    assert ended.wait(20)
    assert found.status() == Status(BatchState.ENDED, "the launcher ended with status 3: no nodes")
    assert found.number == "12"


def test_a_launcher_is_ended_with_what_it_has_started(tmp_path):
    ended = threading.Event()
    found = starting.Here(launch(tmp_path, "sleep", "600"), {"PATH": os.environ["PATH"]}, 1.0, ended.set)
    assert found.status().state is BatchState.RUNNING
    assert found.cancel()
    assert ended.wait(20)
    assert found.status().words == "the launcher ended with signal 15"


def test_a_launcher_gets_no_secret():
    own = {"PATH": "/bin", "SLURM_JOB_ID": "1", "COMPASS_PILOT_TOKEN": "t", "X509_USER_PROXY": "p", "BEARER_TOKEN": "b"}
    assert starting.environment_of(own) == {"PATH": "/bin", "SLURM_JOB_ID": "1"}


class Batch:
    """Answers as it is told to."""

    def __init__(self, *, submitted=None, found=None, status=None):
        self.submitted, self.found, self.answer, self.cancelled = submitted, found, status, []

    def submit(self, launch):
        if isinstance(self.submitted, JobFailed):
            raise self.submitted
        return self.submitted

    def find(self, name):
        return self.found

    def status(self, number):
        if isinstance(self.answer, JobFailed):
            raise self.answer
        return self.answer

    def cancel(self, number):
        self.cancelled.append(number)
        raise AWAY


AWAY = JobFailed(ErrorCode.SERVICE_NOT_AVAILABLE, "no answer")
REJECTED = JobFailed(ErrorCode.ALLOCATION_REJECTED, "no such project")


def test_a_batch_job_is_known_by_its_number(tmp_path):
    assert starting.submit(Batch(submitted="12"), launch(tmp_path, "x")).number == "12"
    assert starting.submit(Batch(submitted=AWAY, found="13"), launch(tmp_path, "x")).number == "13"


@pytest.mark.parametrize(
    ("batch", "code"), [(Batch(submitted=AWAY), 1324), (Batch(submitted=REJECTED, found="9"), 1925)]
)
def test_one_that_was_not_taken_is_told(tmp_path, batch, code):
    with pytest.raises(JobFailed) as failed:
        starting.submit(batch, launch(tmp_path, "x"))
    assert failed.value.code == code


def test_a_batch_system_that_does_not_answer_changes_nothing():
    batch = Batch(status=Status(BatchState.RUNNING))
    found = starting.Submitted(batch, "12")
    assert found.status().state is BatchState.RUNNING
    batch.answer = AWAY
    assert found.status().state is BatchState.RUNNING
    assert not found.cancel()
    assert batch.cancelled == ["12"]


def test_of_a_launcher_that_floods_its_output_only_the_end_is_read(tmp_path):
    ended = threading.Event()
    script = "truncate -s 20G launcher.err; echo the end >> launcher.err"
    found = starting.Here(launch(tmp_path, "sh", "-c", script), {"PATH": os.environ["PATH"]}, 1.0, ended.set)
    assert ended.wait(20)
    assert found.status().words.endswith("the end")


def test_a_launcher_that_hangs_is_ended_when_the_time_of_its_ranks_is_over(tmp_path, monkeypatch):
    monkeypatch.setattr(starting, "LAST_REPORTS", 0.1)
    ended, short = threading.Event(), SHAPE._replace(wall_time=0.2)
    hangs = Launch("compass-1", ("sleep", "600"), short, tmp_path)
    found = starting.Here(hangs, {"PATH": os.environ["PATH"]}, 0.1, ended.set)
    assert ended.wait(20)
    assert found.status().state is BatchState.TIMED_OUT
