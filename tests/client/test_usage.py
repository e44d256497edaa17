"""How usage looks in a terminal, and in a file for a spreadsheet."""

from __future__ import annotations

import pytest
from rich.console import Console

from client import cli, usage

SUMS = {
    **{"jobs_finished": 3, "jobs_failed": 1, "attempts": 5, "good_core_seconds": 7200, "lost_core_seconds": 3600},
    **{"cpu_seconds": 5400, "output_bytes": 2_500_000_000},
}
FOUND = {
    **{"first": "2026-11-20", "last": "2026-11-21", "by": "user", "names": ["ada", ""]},
    "totals": {name: 3 * value for name, value in SUMS.items()},
    "days": [
        {"day": "2026-11-20", "user": "ada", **SUMS},
        {"day": "2026-11-21", "user": "ada", **SUMS},
        {"day": "2026-11-21", "user": "", **SUMS},
    ],
    "failures": [{"source": "pilot", "code": 1305, "name": "PAYLOAD_FAILED", "n": 2}],
}


def text_of(found) -> str:
    console = Console(width=160)
    with console.capture() as text:
        console.print(usage.shown(found))
    return text.get()


def test_each_name_has_a_line_and_the_last_is_the_sum():
    lines = [line.split() for line in text_of(FOUND).splitlines()]
    assert ["ada", "6", "2", "10", "6.0", "2.0", "3.0", "5.0"] in lines
    assert ["none", "3", "1", "5", "3.0", "1.0", "1.5", "2.5"] in lines
    assert ["all", "9", "3", "15", "9.0", "3.0", "4.5", "7.5"] in lines
    assert ["2", "by", "pilot", "1305", "PAYLOAD_FAILED"] in lines


def test_a_single_name_needs_no_sum():
    text = text_of({**FOUND, "names": ["ada"], "days": FOUND["days"][:2], "failures": []})
    assert "all" not in text
    assert "failed:" not in text


def test_that_nothing_was_used_is_said():
    assert "nothing of this kind has ended from 2026-11-20 to 2026-11-21" in text_of({**FOUND, "days": []})


def test_a_spreadsheet_gets_a_line_for_each_day_and_name_and_no_formula(capsys):
    usage.write_csv([{**FOUND, "days": [{"day": "2026-11-20", "user": "=cmd()", **SUMS}]}])
    head, line = capsys.readouterr().out.splitlines()
    assert (
        head
        == "day,user,jobs_finished,jobs_failed,attempts,good_core_seconds,lost_core_seconds,cpu_seconds,output_bytes"
    )
    assert line == "2026-11-20,'=cmd(),3,1,5,7200,3600,5400,2500000000"


def test_names_that_are_left_out_are_told_and_in_the_sum():
    text = text_of({**FOUND, "names": ["ada"], "days": FOUND["days"][:2], "left_out": 1234})
    assert "and 1,234 more: --offset, --limit" in text
    assert ["all", "9", "3", "15", "9.0", "3.0", "4.5", "7.5"] in [line.split() for line in text.splitlines()]


def test_a_spreadsheet_has_the_names_of_all_pages_below_one_head(capsys):
    parts = {
        0: {**FOUND, "names": ["ada", "bob"], "days": FOUND["days"][:1], "left_out": 1},
        2: {**FOUND, "names": [""], "days": FOUND["days"][2:], "left_out": 0},
    }
    usage.write_csv(usage.pages(parts.pop))
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("day,user,")
    assert [line.split(",")[1] for line in lines] == ["ada", ""]
    assert not parts


def test_a_page_without_names_is_the_last_one():
    assert len(list(usage.pages(lambda offset: {**FOUND, "names": [], "left_out": 7}))) == 1


FIRST, LAST = {"limit": 100, "offset": 0}, "2026-11-21"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], {"by": "label", "days": 14, **FIRST}),
        (["--by", "site", "--days", "3", "--task", "mc"], {"by": "site", "days": 3, "task": "mc", **FIRST}),
        (["--user", "ada", "--last", "2026-11-21"], {"by": "label", "days": 14, "user": "ada", "last": LAST, **FIRST}),
        (["--limit", "5", "--offset", "10"], {"by": "label", "days": 14, "limit": 5, "offset": 10}),
        (["--csv", "--limit", "5"], {"by": "label", "days": 14, "limit": 1000}),
    ],
)
def test_the_server_is_asked_for_what_was_said(words, asked):
    arguments = cli.parser().parse_args(["usage", *words])
    assert arguments.action is usage.show_usage
    assert usage.wishes(arguments) == asked
