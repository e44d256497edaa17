"""What a task may name is listed in a terminal, whatever its rows hold."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from client.choices import COLUMNS, listed

SITE = {
    **{"name": "CERN_COMPASS_PROD", "queue": "CERN", "merging_queue": "", "tape": "CTA", "enabled": False},
    **{"limits": {"jobs_per_task": 200}, "comment": "[red]moved[/red] in \x1b[1mMay"},
}


def text(what, rows) -> str:
    said = io.StringIO()
    Console(file=said, width=200).print(listed(what, rows))
    return said.getvalue()


def test_a_site_is_one_line_with_its_limits_and_what_is_said_of_it():
    line = text("sites", [SITE]).splitlines()[1]
    assert "CERN_COMPASS_PROD" in line
    assert "jobs_per_task 200" in line
    assert "switched off; [red]moved[/red] in " in line


def test_a_template_for_no_type_is_for_all():
    row = {"name": "plain", "file": "plain", "types": [], "enabled": True, "comment": ""}
    assert "all" in text("templates", [row])


@pytest.mark.parametrize("what", COLUMNS)
def test_an_empty_list_says_what_to_do(what):
    assert text(what, []).startswith("No ")
