"""How Harvesters look in a terminal, and what is ordered of them."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from client import cli, harvesters

INSTANCE = {
    **{"name": "H1", "heartbeat_at": "2026-11-22T12:00:00+00:00", "alive": True, "version": "0.6", "hosts": ["edge"]},
    **{"living": 3, "commands": 1},
}
COMMAND = {
    "word": "KILL_WORKERS:Q",
    "harvester": "H1",
    "by": "ada",
    "given_at": "2026-11-22T12:00:00",
    "acknowledged_at": None,
}
AT_QUEUE = {"queue": "Q", "harvester": "H1", "described": {"running": 1200}, "counted": {}}


def text_of(shown) -> str:
    console = Console(width=200, file=StringIO())
    console.print(shown)
    return console.file.getvalue()


def test_harvesters_are_shown_with_their_workers_and_commands():
    lines = [
        line.split()
        for line in text_of(
            harvesters.shown({"instances": [INSTANCE], "queues": [AT_QUEUE], "commands": [COMMAND]})
        ).splitlines()
    ]
    assert ["H1", "yes", "2026-11-22", "12:00:00", "0.6", "edge", "3", "1"] in lines
    assert ["Q", "H1", "1,200", "running"] in lines
    assert ["KILL_WORKERS:Q", "H1", "ada", "2026-11-22", "12:00:00"] in lines
    silent = {**INSTANCE, "alive": False}
    assert "no" in text_of(harvesters.shown({"instances": [silent], "queues": [], "commands": []})).split()


def test_that_there_are_none_is_said():
    assert "no Harvester has been heard of" in text_of(
        harvesters.shown({"instances": [], "queues": [], "commands": []})
    )
    assert "there are no such workers" in text_of(harvesters.workers({"workers": [], "older": None}))


def test_workers_have_a_line_each():
    worker = {
        "harvester": "H1",
        "worker_id": 7,
        "state": "running",
        "queue": "Q",
        "batch_id": "12.0",
        "node": "[wn]",
        "words": "",
    }
    text = text_of(harvesters.workers({"workers": [worker], "older": 5}))
    assert ["H1/7", "running", "Q", "12.0", "[wn]"] in [line.split() for line in text.splitlines()]
    assert "--before 5" in text


class Server:
    def __init__(self, told: int = 2) -> None:
        self.told, self.calls = told, []

    def post(self, method, body):
        self.calls.append((method, body))
        return self.told

    def get(self, method, **query):
        self.calls.append((method, query))
        return {"workers": [], "older": None}


def run(monkeypatch, *words, told=2):
    server = Server(told)
    monkeypatch.setattr(harvesters, "connect", lambda _: server)
    return cli.main(["harvester", *words]), server.calls


def test_an_order_is_given_as_it_is_said(monkeypatch, capsys):
    words = ("order", "KILL_WORKERS", "--queue", "Q", "--parameters", '{"status": "ALL"}')
    status, calls = run(monkeypatch, *words)
    assert status == 0
    assert calls == [
        ("harvester/add_command", {"kind": "KILL_WORKERS", "panda_queue": "Q", "parameters": {"status": "ALL"}})
    ]
    assert "will be told: 2" in capsys.readouterr().out
    assert run(monkeypatch, "order", "X", "--harvester", "H1")[1] == [
        ("harvester/add_command", {"kind": "X", "harvester_id": "H1"})
    ]


@pytest.mark.parametrize(("words", "said"), [("{", "--parameters: "), ("[1]", "this is no JSON object")])
def test_parameters_that_are_none_are_refused(monkeypatch, capsys, words, said):
    status, calls = run(monkeypatch, "order", "KILL_WORKERS", "--parameters", words)
    assert (status, calls) == (1, [])
    assert said in capsys.readouterr().err


def test_that_nobody_was_told_is_no_success(monkeypatch, capsys):
    assert run(monkeypatch, "order", "KILL_WORKERS", "--queue", "Q", told=0)[0] == 1
    assert "no Harvester is known to have workers at Q" in capsys.readouterr().err


def test_workers_are_asked_for_by_what_is_said(monkeypatch, capsys):
    words = ("workers", "--queue", "Q", "--state", "running", "--before", "9", "--limit", "5")
    assert run(monkeypatch, *words)[1] == [
        ("harvester/get_workers", {"queue": "Q", "state": "running", "before": 9, "count": 5})
    ]
