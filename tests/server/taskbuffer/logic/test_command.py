"""A word for a job's pilot."""

from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from server.taskbuffer import logic, queries
from server.taskbuffer.models import SHOWN_MOST, Job
from server.taskbuffer.values import OtherQueue
from tests.server import jobs


@pytest.mark.parametrize(
    ("text", "kept"),
    [("softkill", "softkill"), (" debug , tail -n 5 a.log ", "debug,tail -n 5 a.log"), ("ps", "ps"), (" ", "")],
)
def test_a_command_is_kept_for_the_pilot(queue, text, kept):
    (job_id,) = jobs.submit()
    logic.command(job_id, text)
    assert Job.objects.get().command == kept


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((text, "is no command") for text in ("tobekilled", "gdb --pid 1", "debug,", "tail a\nb", "DEBUG")),
        *((text, "No closing quotation") for text in ("tail 'a", "tail 'a,b'")),
    ],
)
def test_what_no_pilot_would_understand_is_refused_and_nothing_is_changed(queue, text, words):
    (job_id,) = jobs.submit()
    logic.command(job_id, "debug")
    with pytest.raises(ContractError, match=words):
        logic.command(job_id, text)
    assert Job.objects.get().command == "debug"


def test_a_kill_is_not_replaced_and_another_attempt_begins_without_a_command(queue):
    (job_id,) = jobs.submit()
    logic.command(job_id, "debug")
    jobs.claim()
    jobs.report(job_id, "running")
    jobs.report(job_id, "failed", pilot_error=1151)
    assert (jobs.state_of(job_id), Job.objects.get().command) == ("activated", "")
    jobs.claim()
    logic.kill([job_id], by="alice")
    with pytest.raises(ContractError, match="is being killed"):
        logic.command(job_id, "debug")
    assert Job.objects.get().command == "tobekilled"


@pytest.mark.parametrize(
    ("before", "text", "after"),
    [
        ("debug", "ls", "debug,ls"),
        ("debug,ls", "ps", "debug,ps"),
        ("debug", "ls,debugoff", "ls,debugoff"),
        ("debug", "debugoff", "debugoff"),
        ("softkill", "debug", "softkill,debug"),
        ("softkill,debug", "tail a.log", "softkill,debug,tail a.log"),
        ("softkill", "softkill", "softkill"),
        ("debug", "", ""),
    ],
)
def test_a_look_goes_beside_what_is_told_and_anything_else_takes_its_place(queue, before, text, after):
    (job_id,) = jobs.submit()
    logic.command(job_id, before)
    logic.command(job_id, text)
    assert Job.objects.get().command == after


@pytest.mark.parametrize(
    ("command", "looks", "left"),
    [
        ("debug,ls -l", ["ls  -l"], "debug"),
        ("ls -l,ps", ["ls -l"], "ps"),
        ("ls -l", ["ls"], "ls -l"),
        ("debug", ["debug"], "debug"),
        ("tail 'a b'", ['tail "a b"'], ""),
        ("tail a", ["tail 'a"], "tail a"),
        ("softkill,ls,ps", ["ps", "ls"], "softkill"),
    ],
)
def test_what_was_shown_is_told_no_more(queue, command, looks, left):
    (job_id,) = jobs.submit()
    logic.command(job_id, command)
    jobs.claim()
    logic.was_shown(job_id, 1, looks)
    assert Job.objects.get().command == left


def test_no_more_is_kept_of_what_was_shown_than_there_is_room_for(queue):
    (job_id,) = jobs.submit()
    logic.command(job_id, ",".join(f"ls {letter}" for letter in "abcdef"))
    jobs.claim()
    for letter in "abcdef":
        logic.was_shown(job_id, 1, [f"ls {letter}"], letter * 2000)
    kept = queries.live_shown(job_id)
    assert len(kept) == SHOWN_MOST
    assert kept.endswith("f\n")


def test_what_is_shown_twice_or_was_not_asked_for_is_not_kept(queue):
    (job_id,) = jobs.submit()
    logic.command(job_id, "ls,ps")
    jobs.claim()
    for look in ("ls", "ls", "tail secret"):
        logic.was_shown(job_id, 1, [look], "a.log")
    assert queries.live_shown(job_id) == "$ ls\na.log\n"


def test_another_attempts_pilot_has_shown_nothing_of_this_one(queue):
    (job_id,) = jobs.submit()
    logic.command(job_id, "ls")
    logic.was_shown(job_id, 7, ["ls"])
    logic.was_shown(job_id + 1, 1, ["ls"])
    assert Job.objects.get().command == "ls"


def test_nobody_shows_anything_for_a_job_of_another_queue(queue):
    (job_id,) = jobs.submit()
    jobs.claim()
    logic.command(job_id, "ps")
    with pytest.raises(OtherQueue, match="is of the queue LOCAL, not of A"):
        logic.was_shown(job_id, 1, ["ps"], "something", {"A"})
    assert (Job.objects.get().command, queries.live_shown(job_id)) == ("ps", "")
