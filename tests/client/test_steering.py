"""How the steering of a task looks in a terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from client.errors import ClientError
from client.steering import explained, listed, read_limits, resent

STEP = {"rule": "probe", "number": 0, "reason": "it is new: 10 jobs at a time [until one finishes]"}
DECISION = {
    "began": "2026-11-22T12:00:00+00:00", "latest": "2026-11-22T12:05:00+00:00", "times": 60, "number": 0, "sent": 0,
    "words": "", "trace": [STEP],
}  # fmt: skip
FOUND = {
    "task": "mc2016_gen", "status": "running", "answer": "nothing is sent", "waits": ["2 chunks wait for a person"],
    "steps": [STEP], "facts": {}, "decisions": [DECISION],
}  # fmt: skip


def shown(renderable):
    console = Console(width=160)
    with console.capture() as text:
        console.print(renderable)
    return text.get()


def test_an_explanation_shows_the_answer_the_rules_and_the_decisions():
    text = shown(explained(FOUND))
    for words in ("mc2016_gen is running: nothing is sent", "2 chunks wait", "[until one finishes]", "12:05:00"):
        assert words in text


def test_a_task_that_is_not_on_its_way_has_the_answer_alone():
    assert shown(explained({**FOUND, "waits": [], "steps": [], "decisions": []})).count("\n") == 1


RECORD = {
    "resend": 7, "task": "mc2016_gen", "wish": {}, "words": "failed of run 5", "by": "ada", "why": "the [disk]",
    "at": "2026-11-22T12:00:00", "counts": {"chunks": 3, "jobs_ended": 0}, "undone_by": "", "undone_at": None,
}  # fmt: skip
LINE = {
    "task": "mc2016_gen",
    "status": "done",
    "chunks": {"finished": 3},
    "merges": {},
    "checks": {},
    "files": {},
    "runs": [5],
}
PREVIEW = {
    "task": "mc2016_gen", "words": "chunks", "wish": {}, "outputs": 4, "size": 99, "jobs_ended": 2, "tasks": [LINE],
    "refused": ["files of run 5 are merged already"],
}  # fmt: skip


def test_a_resend_says_how_it_is_taken_back():
    text = shown(resent(RECORD))
    assert "3 chunks, 0 jobs ended; take it back by 'compass task undo-resend 7'" in " ".join(text.split())


def test_a_resend_that_has_ended_jobs_is_not_said_to_be_taken_back():
    text = " ".join(shown(resent({**RECORD, "counts": {"chunks": 3, "jobs_ended": 2}})).split())
    assert "jobs were ended for it, so it cannot be taken back" in text
    assert "undo-resend" not in text


def test_a_preview_shows_rows_refusals_and_jobs_that_are_ended():
    text = shown(resent(PREVIEW))
    for words in ("3 finished", "are merged already", "4 files are made anew (99 bytes); 2 living jobs are ended"):
        assert words in text


def test_resends_are_listed_with_their_reasons():
    assert "the [disk]" in shown(listed([RECORD]))
    assert "nothing of it was sent again" in shown(listed([]))


def test_limits_are_names_with_numbers():
    assert read_limits(["jobs_per_task=200", "retry_delay=0"]) == {"jobs_per_task": 200, "retry_delay": 0}
    assert read_limits(["none"]) == {}


@pytest.mark.parametrize("word", ["jobs_per_task", "jobs_per_task=", "a=-1", "a=1.5", "a=²", "none=x", ""])
def test_what_is_no_limit_is_told_with_a_right_one(word):
    with pytest.raises(ClientError, match="write for example jobs_per_task=200"):
        read_limits([word])
