"""What others have written does nothing to a terminal, and brackets and colons in it stay what they are."""

from __future__ import annotations

import pytest
from rich.text import Text

from client import actions, cli, show, terminal

EVIL = "[/data/raw] \x1b]0;owned\x07 \x9b2J :smile: \r\n\tend"
HARMLESS = "[/data/raw] \\x1b]0;owned\\x07 \\x9b2J :smile: \r\n\tend"


class Server:
    """Answers everything with the same."""

    def __init__(self, answer):
        self.answer = answer

    def get(self, method, **query):
        return self.answer


def test_controls_are_written_so_that_they_can_be_read():
    assert terminal.harmless(EVIL) == HARMLESS


def test_texts_are_made_harmless_however_deep_they_are_and_nothing_else_is_changed():
    found = {"n": 7, "\x1bname": [None, {"words": EVIL, "good": True, "share": 0.5}]}
    made = {"n": 7, "\\x1bname": [None, {"words": HARMLESS, "good": True, "share": 0.5}]}
    assert terminal.all_harmless(found) == made


@pytest.mark.parametrize(("is_terminal", "written"), [(True, HARMLESS), (False, EVIL)])
def test_a_file_of_a_jobs_log_is_harmless_on_a_terminal_and_as_it_is_elsewhere(
    monkeypatch, capsys, is_terminal, written
):
    monkeypatch.setattr(actions, "connect", lambda _: Server({"text": EVIL + "\n\n", "words": "\x1bc it is old"}))
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    assert cli.main(["job", "log", "7"]) == 0
    said = capsys.readouterr()
    assert said.out == written + "\n"
    assert said.err == "compass: \\x1bc it is old\n"


def test_a_table_shows_words_as_they_are_with_brackets_and_without_controls(monkeypatch, capsys):
    made = show.table("words")
    arguments = cli.parser().parse_args(["status"])

    def shown(found):
        made.add_row(found["words"])
        return made

    assert actions.answer(arguments, {"words": EVIL}, shown) == 0
    out = capsys.readouterr().out
    assert "[/data/raw] \\x1b]0;owned\\x07 \\x9b2J :smile:" in out
    assert "\x1b" not in out


def test_a_bar_has_its_words_as_they_are_and_what_is_bad_in_red():
    step = {"label": "[/x]", "done": 1, "total": 2, "bad": 1, "active": 1, "words": "see [bold]"}
    (label, notes) = (next(iter(show.bars([step]).columns[at].cells)) for at in (0, 3))
    assert isinstance(label, Text)
    assert label.plain == "[/x]"
    assert notes.plain == "1 under way, 1 bad, see [bold]"
    assert [notes.plain[span.start : span.end] for span in notes.spans if span.style == "red"] == ["1 bad"]
