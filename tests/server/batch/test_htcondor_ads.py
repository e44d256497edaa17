"""What HTCondor's ClassAds mean, one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server.batch import htcondor_ads as ads
from server.batch.base import BatchState
from server.batch.htcondor_ads import JobId, exit_status, read_id, read_job, waits_to_be_fetched

NOW = 10_000.0
OURS = {"ClusterId": 7, "ProcId": 0, "CompassKey": "k", "CompassCount": 2}


def read(in_queue=True, **ad):
    return read_job({**OURS, **ad}, in_queue=in_queue, now=NOW, patience=600.0)


def at(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def test_an_id_is_read_as_it_is_written():
    assert read_id("20261122-a.b_c/17.3") == JobId("20261122-a.b_c", 17, 3)
    assert str(JobId("k", 17, 3)) == "k/17.3"
    assert JobId("k", 17, 3).at_schedd == "17.3"


@pytest.mark.parametrize(
    "text", ["", "17.3", "k/17", "k/17.3.1", "/17.3", "k/17.3 ", "../17.3", 'k" || true/1.0', "k/-1.0"]
)
def test_what_is_no_id_of_ours_is_none(text):
    assert read_id(text) is None


def test_one_question_has_all_that_live_of_however_many_submissions():
    one = [JobId("k", 7, 0), JobId("k", 7, 1)]
    assert ads.living("here", one) == "ClusterId == 7"
    many = [*one, JobId("m", 12, 0), JobId("l", 9, 4)]
    assert ads.living("here", many) == 'CompassSystem == "here" && ClusterId >= 7 && ClusterId <= 12'


def test_records_are_asked_for_exactly_these_jobs():
    asked = ads.ended("here", [JobId("m", 12, 0), JobId("k", 7, 1), JobId("k", 7, 0)])
    first = '(ClusterId == 7 && member(ProcId, {0, 1}) && CompassKey == "k")'
    assert (
        asked
        == f'CompassSystem == "here" && ({first} || (ClusterId == 12 && member(ProcId, {{0}}) && CompassKey == "m"))'
    )


def test_records_of_another_submission_whose_jobs_had_the_same_numbers_are_not_asked_for():
    classad2 = pytest.importorskip("classad2")
    asked = classad2.ExprTree(ads.ended("here", [JobId("old", 7, 0)]))
    records = [
        classad2.ClassAd({"CompassSystem": "here", "CompassKey": key, "ClusterId": 7, "ProcId": 0})
        for key in ("new", "old")
    ]
    assert [asked.eval(record) for record in records] == [False, True]


def test_a_submission_is_asked_for_by_its_key_and_one_job_of_it_tells_all():
    assert ads.of_key("here", "k") == 'CompassSystem == "here" && CompassKey == "k"'
    assert list(ads.whole_cluster({**OURS, "ProcId": 1})) == [JobId("k", 7, 0), JobId("k", 7, 1)]


def test_a_job_of_somebody_else_has_no_key():
    assert str(ads.id_of({"ClusterId": 7, "ProcId": 0})) == "/7.0"


def test_a_job_that_waits_is_queued():
    assert read(JobStatus=ads.IDLE).state is BatchState.QUEUED
    assert read().state is BatchState.QUEUED


@pytest.mark.parametrize("status", [ads.RUNNING, ads.TRANSFERRING, ads.SUSPENDED])
def test_a_job_that_was_begun_runs_somewhere_since_some_time(status):
    job = read(JobStatus=status, JobStartDate=100, JobCurrentStartDate=200, RemoteHost="slot1_3@node7.site")
    assert (job.state, job.started, job.node) == (BatchState.RUNNING, at(200), "node7.site")
    assert job.words == ("suspended" if status == ads.SUSPENDED else "")


def test_a_job_that_is_being_removed_has_not_ended_yet():
    assert read(JobStatus=ads.REMOVED, JobStartDate=100).state is BatchState.RUNNING
    job = read(JobStatus=ads.REMOVED)
    assert (job.state, job.words) == (BatchState.QUEUED, "being removed")


def test_a_job_on_hold_says_why():
    job = read(JobStatus=ads.HELD, HoldReason="no disk", HoldReasonCode=12)
    assert (job.state, job.words) == (BatchState.HELD, "no disk")
    assert read(JobStatus=ads.HELD).words == ""


def test_a_job_whose_files_are_on_their_way_waits_and_one_whose_files_never_came_is_held():
    spools = {"JobStatus": ads.HELD, "HoldReasonCode": ads.SPOOLING, "HoldReason": "Spooling input data files"}
    assert read(**spools, EnteredCurrentStatus=NOW - 599).state is BatchState.QUEUED
    job = read(**spools, EnteredCurrentStatus=NOW - 601)
    assert job.state is BatchState.HELD
    assert "never came" in job.words


@pytest.mark.parametrize("in_queue", [True, False])
def test_a_job_that_has_ended_says_how_and_when_also_while_its_files_wait_in_the_queue(in_queue):
    ad = {"JobStatus": ads.COMPLETED, "ExitBySignal": False, "ExitCode": 7, "JobStartDate": 100, "CompletionDate": 160}
    job = read(in_queue, **ad, EnteredCurrentStatus=161, LastRemoteHost="slot1@n")
    assert (job.state, job.exit_status, job.started, job.ended) == (BatchState.DONE, 7, at(100), at(160))
    assert (job.words, job.node) == ("", "n")


def test_a_job_that_was_removed_says_by_whom_and_how_it_was_held_before():
    job = read(False, JobStatus=ads.REMOVED, RemoveReason="by hand", HoldReason="no disk", EnteredCurrentStatus=50)
    assert (job.state, job.exit_status, job.ended) == (BatchState.DONE, None, at(50))
    assert job.words == "by hand; it was held before: no disk"
    assert read(False, JobStatus=ads.REMOVED).words == "it was removed before it ended by itself"


@pytest.mark.parametrize(
    ("ad", "status"),
    [
        ({}, None),
        ({"ExitBySignal": False}, None),
        ({"ExitCode": 0}, 0),
        ({"ExitBySignal": False, "ExitCode": 94}, 94),
        ({"ExitBySignal": True, "ExitSignal": 9}, 137),
        ({"ExitBySignal": True, "ExitSignal": 15, "ExitCode": 0}, 143),
        ({"ExitBySignal": True}, None),
    ],
)
def test_an_exit_status_is_the_programs_or_128_and_the_signals_number_or_unknown(ad, status):
    assert exit_status(ad) == status


def test_the_files_of_a_job_that_has_ended_are_fetched_once():
    assert waits_to_be_fetched({"JobStatus": ads.COMPLETED})
    assert waits_to_be_fetched({"JobStatus": ads.COMPLETED, "StageOutFinish": 0})
    assert not waits_to_be_fetched({"JobStatus": ads.COMPLETED, "StageOutFinish": 5})
    assert not waits_to_be_fetched({"JobStatus": ads.RUNNING})
