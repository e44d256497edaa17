"""The generator of the reference pages, on small examples; ``test_docs.py`` holds its pages against the code."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.urls import include, path

sys.path.insert(0, str(Path(__file__).parents[1] / "doc"))

import reference


@dataclass(frozen=True)
class Watch:
    """Watching a payload."""

    beat: float = field(default=1800, metadata={"unit": "s", "low": 60, "help": "Time between a|b."})
    names: tuple = field(default=(), metadata={"unit": "", "low": None, "help": "Which ones."})


@dataclass(frozen=True)
class Tuning:
    """What may be tuned."""

    watch: Watch = field(default_factory=Watch)


def answer(request):
    """Answer a pilot.

    More.
    """


def test_a_cell_cannot_break_its_table():
    assert reference.table(["x"], [("a|b\nc",)]).splitlines()[-1] == r"| a\|b c |"


def test_a_setting_has_its_type_default_unit_limit_and_sentence():
    lines = reference.settings_page(Tuning).splitlines()
    assert "## watch" in lines
    assert r"| `beat` | `float` | `1800` | s | at least 60 | Time between a\|b. |" in lines
    assert "| `names` | `tuple` | `()` | — | — | Which ones. |" in lines


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "—"),
        ({"low": None, "high": None}, "—"),
        ({"low": 0}, "at least 0"),
        ({"high": 5}, "at most 5"),
        ({"low": 1, "high": 5}, "1 to 5"),
        ({"words": ("v1", "legacy")}, "`v1` or `legacy`"),
    ],
)
def test_limits_are_said_in_words(facts, words):
    assert reference.limits(facts) == words


def test_included_addresses_are_written_in_full():
    page = reference.url_table([path("api/", include([path("job/<int:job>", answer)]))], lambda view: view.__name__)
    assert "| `/api/job/<int:job>` | answer | Answer a pilot. |" in page


def test_pages_that_have_not_changed_are_not_written_again(tmp_path):
    reference.write(tmp_path)
    before = {one.name: one.stat().st_mtime_ns for one in tmp_path.iterdir()}
    reference.write(tmp_path)
    assert before == {one.name: one.stat().st_mtime_ns for one in tmp_path.iterdir()}
    assert set(before) == {f"{name}.md" for name in reference.PAGES}


def test_a_method_has_its_arguments_with_kinds_and_defaults():
    from pilot.contract.codec import INTEGER, TEXT
    from server.lib.arguments import Argument, described

    takes = (
        Argument("ids", INTEGER, "Numbers.", most=3),
        Argument("why", TEXT, "Words.", ""),
        Argument("n", INTEGER, "N.", 5),
    )
    page = reference.api_method("/api/v1/job/do", described("GET", takes=takes)(answer))
    assert page.startswith("## /api/v1/job/do\n\nAnswer a pilot.\n\nGET, for: ")
    assert page.splitlines()[-3:] == [
        "| `ids` | list of up to 3, each a whole number | required | Numbers. |",
        "| `why` | text | — | Words. |",
        "| `n` | a whole number | `5` | N. |",
    ]
    assert "It takes nothing." in reference.api_method("/x", described("POST")(answer))
