"""How pilots look in a terminal, what the server is asked for, and how a log is followed."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from client import cli, pilots

ONE = {
    **{"id": 7, "name": "s/0", "queue": "LOCAL", "batch_system": "condor", "batch_id": "12.0", "state": "done"},
    **{"exit_code": 82, "exit_words": "there was no work for it", "words": "there was no work for it", "node": "wn[1]"},
    **{
        "jobs": 0,
        "submitted_at": "2026-11-22T12:00:00+00:00",
        "started_at": None,
        "ended_at": None,
        "reported_at": None,
    },
    **{"cancelled_at": None, "cancelled_for": ""},
    **{"attempts": [], "files": [{"name": "stdout", "size": 2048}]},
}
TRY = {
    **{"job": 4711, "attempt": 2, "state": "failed", "ended_at": "2026-11-22T12:05:00+00:00"},
    **{"pilot_error_words": "it crashed", "payload_error_words": "", "server_error_words": "was lost"},
}


def text_of(shown) -> str:
    console = Console(width=200, file=StringIO())
    console.print(shown)
    return console.file.getvalue()


def test_each_pilot_has_a_line_below_the_counts():
    text = text_of(pilots.shown({"states": {"done": 1200, "lost": 0}, "pilots": [ONE], "older": 7}))
    assert text.startswith("1,200 done, 0 lost\n")
    line = next(line for line in text.splitlines() if "s/0" in line).split()
    assert line[:7] == ["7", "s/0", "done", "LOCAL", "wn[1]", "0", "82"]
    assert "more: --before 7" in text


def test_that_there_are_none_is_said():
    assert "there are no such pilots" in text_of(pilots.shown({"states": {"done": 0}, "pilots": [], "older": None}))


def test_a_pilot_is_shown_with_its_end_in_words_and_its_jobs():
    text = text_of(pilots.pilot({**ONE, "attempts": [TRY]}))
    assert "82: there was no work for it" in text
    assert text.count("there was no work for it") == 1
    assert "stdout (2.05 kB)" in text
    assert ["4711", "2", "failed", "2026-11-22", "12:05:00", "it", "crashed", "was", "lost"] in [
        line.split() for line in text.splitlines()
    ]
    assert "over its memory" in text_of(pilots.pilot({**ONE, "words": "over its memory"}))
    assert "no work is left" in text_of(pilots.pilot({**ONE, "cancelled_for": "no work is left"}))


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], {"count": 50}),
        (
            ["--queue", "Q", "--state", "lost", "--since", "6h", "--limit", "5"],
            {"queue": "Q", "state": "lost", "since": "6h", "count": 5},
        ),
        (["--jobless", "--before", "9", "--exit", "82"], {"jobless": 1, "before": 9, "exit": "82", "count": 50}),
    ],
)
def test_the_server_is_asked_for_what_was_said(words, asked):
    arguments = cli.parser().parse_args(["pilot", "list", *words])
    assert arguments.action is pilots.list_pilots
    assert pilots.wishes(arguments) == asked


class Server:
    """A text that grows by what is given, each time that it is asked for beyond its end."""

    def __init__(self, text: str, *grows: str) -> None:
        self.text, self.grows = text, list(grows)
        self.asked = []

    def get(self, method, **query):
        if method == "pilot/get_pilot":
            return {"state": "running" if self.grows else "done"}
        self.asked.append(query)
        size = len(self.text)
        start = query.get("start", max(0, size - query["length"]))
        if start == size and self.grows:
            self.text += self.grows.pop(0)
        text = self.text[start : start + min(query["length"], 10)]
        return {"text": text, "start": start, "end": start + len(text), "size": len(self.text)}


@pytest.mark.parametrize(
    ("words", "written", "calls"),
    [
        (["--tail", "3"], "789", 1),
        (["--tail", "0"], "01234567890123456789", 2),
        (["--follow", "--tail", "3"], "789 and more", 2),
        (["--file", "stderr", "--tail", "3"], "789", 1),
    ],
)
def test_a_log_is_written_as_it_is_wanted(monkeypatch, capsys, words, written, calls):
    server = Server("0123456789" * 2, *([" and more"] if "--follow" in words else []))
    monkeypatch.setattr(pilots, "connect", lambda _: server)
    monkeypatch.setattr(pilots, "WATCH", 0.0)
    assert cli.main(["pilot", "log", "7", *words]) == 0
    assert capsys.readouterr().out == written
    assert len(server.asked) == calls
    assert {(query["pilot_id"], query["file"]) for query in server.asked} == {
        (7, "stderr" if "stderr" in words else "stdout")
    }


def test_a_terminal_is_not_told_what_to_do_by_what_a_job_has_written(monkeypatch, capsys):
    monkeypatch.setattr(pilots, "connect", lambda _: Server("\x1b[2J\ta\n"))
    assert cli.main(["pilot", "log", "7", "--tail", "9"]) == 0
    assert capsys.readouterr().out == "\x1b[2J\ta\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cli.main(["pilot", "log", "7", "--tail", "9"]) == 0
    assert capsys.readouterr().out == "\\x1b[2J\ta\n"


def test_a_program_gets_the_part_as_it_is(monkeypatch, capsys):
    monkeypatch.setattr(pilots, "connect", lambda _: Server("0123456789"))
    assert cli.main(["pilot", "log", "7", "--tail", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"text": "89", "start": 8, "end": 10, "size": 10}


def test_nodes_are_shown_with_their_verdict():
    sums = {"pilots": 1200, "jobless": 9, "failed": 8, "quick": 7, "lost": 6, "jobs": 5, "jobs_failed": 4}
    line = {"node": "wn1", "queue": "LOCAL", "suspect": True, "efficiency": 0.503, **sums}
    text = text_of(
        pilots.nodes({"first": "2026-11-21", "nodes": [line, {**line, "suspect": False, "efficiency": None}]})
    )
    first, second = (line.split() for line in text.splitlines()[-2:])
    assert first == ["wn1", "LOCAL", "suspect", "1,200", "9", "8", "7", "6", "5", "4", "50", "%"]
    assert second == ["wn1", "LOCAL", "1,200", "9", "8", "7", "6", "5", "4"]
    assert "no pilot has ended" in text_of(pilots.nodes({"first": "2026-11-21", "nodes": []}))
