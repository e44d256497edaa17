"""How past failures and the rules for retries look in a terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from client import cli, retries

LINE = {"rule": 3, "words": "rule 3 (bad [node])", "again": True, "failures": 5, "were_tried_again": 2, "jobs": [9, 8]}
FOUND = {"since": "2026-11-15T12:00:00+00:00", "complete": True, "failures": 5, "lines": [LINE]}


def text_of(found) -> str:
    console = Console(width=160)
    with console.capture() as text:
        console.print(retries.shown(found))
    return text.get()


def test_each_way_to_decide_has_a_line():
    text = text_of(FOUND)
    assert "5 failures since 2026-11-15 12:00\n" in text
    (line,) = [line.split() for line in text.splitlines() if "rule 3" in line]
    assert line == ["rule", "3", "(bad", "[node])", "5", "5", "2", "9,", "8"]


def test_what_would_have_ended_was_tried_again_by_nobody():
    text = text_of({**FOUND, "complete": False, "lines": [{**LINE, "again": False}]})
    assert "and more before these" in text
    assert "5         0            2" in text


def test_that_nothing_failed_is_said():
    assert text_of({**FOUND, "lines": []}) == "nothing has failed since 2026-11-15 12:00\n"


@pytest.mark.parametrize(
    ("words", "asked"), [([], {"days": 7}), (["--days", "30", "--disabled"], {"days": 30, "disabled": 1})]
)
def test_the_server_is_asked_for_days_and_for_rules_that_are_switched_off(words, asked):
    arguments = cli.parser().parse_args(["job", "retry-rules", *words])
    assert arguments.action is retries.retry_rules
    assert retries.wishes(arguments) == asked
