"""How clean-up looks in a terminal."""

from __future__ import annotations

from rich.console import Console

from client.cleanup import shown

FOUND = {
    "task": "dvcs2016", "status": "archived", "kept_by": "", "remove": {"mdst": {"files": 2, "bytes": 20}},
    "kept": [{"kind": "rich", "why": "it is a [result]", "files": 3}], "removed": {"files": 5, "bytes": 50},
    "asked": 1, "failed": 0, "words": "",
}  # fmt: skip


def told(found):
    console = Console(width=160)
    with console.capture() as text:
        console.print(shown(found))
    return text.get()


def test_what_may_go_what_is_kept_and_how_far_it_is_are_shown():
    text = told(FOUND)
    for words in ("5 files (50 bytes) are removed, 1 are being removed", "may be removed", "kept: it is a [result]"):
        assert words in text
    assert "could not" not in text


def test_who_keeps_a_task_what_was_asked_now_and_what_failed_are_said():
    more = {"kept_by": "ada: a study", "asked_now": 2, "failed": 1, "words": "after 5 requests: no"}
    text = told({**FOUND, **more})
    for words in (
        "dvcs2016 is kept: ada: a study",
        "2 files of dvcs2016 were asked",
        "1 could not be removed: after 5",
    ):
        assert words in text
