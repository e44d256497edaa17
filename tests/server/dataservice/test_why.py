"""Why a job waits is told in words."""

from __future__ import annotations

import pytest

from pilot.contract.job import FileSpec, Role
from server.dataservice import logic, queries
from server.dataservice.why import age
from server.storage.base import Fault, FaultKind
from server.taskbuffer import logic as taskbuffer
from tests.server import jobs
from tests.server.dataservice.conftest import DAY, filled, timedelta

pytestmark = pytest.mark.usefixtures("queue")
FIRST = "cdr00000-1.raw"


def waiting(world, *lfns, dataset="raw", endpoint=""):
    files = tuple(FileSpec(lfn, Role.INPUT, dataset=dataset, endpoint=endpoint) for lfn in lfns or (FIRST,))
    (job,) = jobs.submit(waits=True, outputs=(), log=None, inputs=files)
    world.follow()
    return job


def why(world, job):
    return queries.why_waiting(job, now=world.now)


def test_a_file_on_tape_that_nobody_asked_for(world):
    filled(world)
    assert why(world, waiting(world)) == [f"{FIRST}: it lies on tape at TAPE, and nobody has asked for it"]


def test_a_file_on_its_way_with_age_tries_and_the_last_words(world):
    request = logic.request_prestage(filled(world), "TAPE", DAY, "manager", now=world.now)
    world.tape.refuses[f"raw/{FIRST}"] = Fault(FaultKind.BUSY, "too many requests")
    job = waiting(world)
    world.submit()
    world.later(hours=30)
    told = f"{FIRST}: prestage {request.pk} at TAPE: requested for 1.2 d, try 1 of 5; last: busy: too many requests"
    assert why(world, job) == [told]


def test_a_storage_that_is_silent(world):
    logic.request_prestage(filled(world), "TAPE", DAY, "manager", now=world.now)
    job = waiting(world)
    world.tape.silent = True
    world.submit()
    told, *files = why(world.later(minutes=90), job)
    assert told == "TAPE has not answered for 1.5 h: connection refused"
    assert len(files) == 1


def test_a_storage_that_is_silent_is_told_once(world):
    logic.request_prestage(filled(world, 9), "TAPE", DAY, "manager", now=world.now)
    job = waiting(world, *[f"cdr{number:05}-1.raw" for number in range(9)])
    world.tape.silent = True
    world.submit()
    assert sum("has not answered" in words for words in why(world, job)) == 1
    assert len(why(world, job)) == 10


def test_a_file_at_another_storage(world):
    filled(world, at="DISK")
    (told,) = why(world, waiting(world, endpoint="FAR"))
    assert told == f"{FIRST}: it lies at DISK, and the job wants it at FAR; nobody has asked for a copy"


def test_a_file_that_another_job_is_to_write_or_did_not(world):
    (first,) = jobs.submit(max_attempts=1)
    job = waiting(world, "out.root", dataset="prod.out")
    assert why(world, job) == [f"out.root: job {first} is to write it"]
    taskbuffer.kill([first], by="somebody")
    world.follow()
    assert why(world, job) == [f"out.root: job {first} was to write it and has ended without it"]


def test_a_file_that_nobody_knows(world):
    assert why(world, waiting(world)) == [f"{FIRST}: nobody has registered it in dataset raw"]


def test_a_file_that_was_deleted(world):
    files = filled(world, at="DISK")
    logic.request_delete(files, "DISK", "manager", now=world.now)
    world.remove()
    assert why(world, waiting(world)) == [f"{FIRST}: it is deleted: no storage has it"]


def test_many_files_are_cut_short(world):
    job = waiting(world, *[f"{number}.raw" for number in range(25)])
    told = why(world, job)
    assert len(told) == 21
    assert told[-1] == "and 5 more files"


def test_a_job_that_does_not_wait_or_waits_for_its_turn(world):
    assert why(world, 1) == []
    filled(world, at="DISK")
    job = waiting(world)
    assert why(world, job) == ["all its inputs are ready: it enters the queue at the next turn of dataservice.activate"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (90, "1.5 min"), (7200, "2.0 h"), (36 * 3600, "1.5 d"), (-1, "0 s")],
)
def test_an_age_counts_its_days(seconds, words):
    assert age(timedelta(seconds=seconds)) == words
