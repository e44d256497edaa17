"""How resets are ordered, and how they look in a terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from client import cli, resets
from client.errors import ClientError


def text_of(found) -> str:
    console = Console(width=160)
    with console.capture() as text:
        console.print(resets.shown(found))
    return text.get()


def test_a_preview_says_what_would_come_back_and_what_not():
    text = text_of({"jobs": [1, 2], "by_state": {"failed": 2}, "refused": {"3": "it is running"}})
    assert text == "would be brought back: 2 failed\njob 3 is not: it is running\n"
    assert "would be brought back: none" in text_of({"jobs": [], "by_state": {}, "refused": {}})


def test_a_reset_says_how_it_is_taken_back():
    text = text_of({"reset": 4, "jobs": [1, 2], "refused": {}})
    assert text == "2 jobs are back in the queue; take it back by 'compass job undo-reset 4' before they run\n"


def test_of_very_many_refusals_some_are_shown():
    text = text_of({"reset": 4, "jobs": [1], "refused": {str(number): "no" for number in range(25)}})
    assert "job 19 is not: no\nand 5 more are not\n" in text


@pytest.mark.parametrize(
    ("words", "ids", "task"), [(["1", "2"], [1, 2], None), (["--task", "5"], [], 5)], ids=["jobs", "task"]
)
def test_jobs_or_a_task_are_named(words, ids, task):
    found = cli.parser().parse_args(["job", "reset", *words, "--why", "x", "--preview"])
    assert (found.ids, found.task, found.why, found.preview) == (ids, task, "x", True)


@pytest.mark.parametrize("words", [[], ["1", "--task", "5"]], ids=["neither", "both"])
def test_neither_and_both_are_refused(words):
    with pytest.raises(ClientError):
        cli.parser().parse_args(["job", "reset", *words])


def test_a_reset_is_undone_by_its_number():
    found = cli.parser().parse_args(["job", "undo-reset", "4"])
    assert (found.reset, found.action) == (4, resets.undo)
