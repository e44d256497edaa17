"""How the factory looks in a terminal, and what the server is asked for."""

from __future__ import annotations

import pytest
from rich.console import Console

from client import cli, factory

TRACE = [
    {"rule": "ready", "number": 20, "reason": "20 jobs activated, 0 pilots on their way"},
    {"rule": "max_running", "number": 3, "reason": "3 slots [of all]"},
]
QUEUE = {
    "queue": "LOCAL", "enabled": True, "batch_system": "local", "slots": 3, "change_to_confirm": 0,
    "decision": {"at": None, "number": 3, "reason": "3 slots [of all]"},
    "pilots": {"waiting": 1, "running": 2, "retiring": 0},
    "cost": {"ended": 4, "jobless": 1, "idle_hours": 0.5, "jobless_percent": 25},
}  # fmt: skip
SYSTEM = {
    "name": "local", "kind": "local", "health": "well", "queues": 1, "pilots": 3, "max_pilots": None, "words": "",
}  # fmt: skip


def text_of(shown) -> str:
    console = Console(width=160)
    with console.capture() as text:
        console.print(shown)
    return text.get()


def test_systems_and_queues_have_a_line_each():
    text = text_of(factory.overview_shown({"systems": [SYSTEM], "queues": [QUEUE, {**QUEUE, "enabled": False}]}))
    assert "3 slots [of all]" in text
    assert "25 %" in text
    assert " off " in text


def test_a_factory_without_queues_says_what_to_do():
    assert "the admin's page Factory queues" in text_of(factory.overview_shown({"systems": [], "queues": []}))


def test_an_explanation_has_every_rule_and_what_waits_for_somebody():
    text = text_of(factory.explained({**QUEUE, "trace": TRACE, "change_to_confirm": -90}))
    assert "LOCAL (on, local): 3 pilots, because 3 slots [of all]" in text
    assert "'compass factory confirm LOCAL'" in text
    assert "1 of 4 pilots that ended since yesterday had no job (25 %); 0.5 hours without one" in text
    assert "20 jobs activated" in text


def test_a_replay_tells_what_was_and_what_would_be():
    found = {"cycle": 7, "was": {"number": 3}, "number": 20, "settings": {"slots": "90"}, "trace": TRACE}
    assert "cycle 7 decided 3; with slots = 90 it would be 20" in text_of(factory.replayed(found))
    assert "with the present settings" in text_of(factory.replayed({**found, "settings": {}}))


@pytest.mark.parametrize(
    ("words", "called"),
    [
        (["show"], ("get", "factory/get_overview", {})),
        (["explain", "Q"], ("get", "factory/explain", {"queue": "Q"})),
        (["replay", "Q", "--set", "a=1", "--set", "b=2", "--cycle", "7"],
         ("get", "factory/replay", {"queue": "Q", "settings": ["a=1", "b=2"], "cycle": 7})),
        (["on", "Q"], ("post", "factory/switch", {"queue": "Q", "on": True})),
        (["off", "Q"], ("post", "factory/switch", {"queue": "Q", "on": False})),
        (["confirm", "Q"], ("post", "factory/confirm", {"queue": "Q"})),
    ],
)  # fmt: skip
def test_each_verb_asks_the_server_for_its_thing(monkeypatch, capsys, words, called):
    calls = []

    class Heard:
        def get(self, method, **query):
            calls.append(("get", method, query))
            return {}

        def post(self, method, body):
            calls.append(("post", method, body))
            return {}

    monkeypatch.setattr(factory, "connect", lambda arguments: Heard())
    assert cli.main(["factory", *words, "--json"]) == 0
    assert calls == [called]
    assert capsys.readouterr().out == "{}\n"


def test_answers_to_orders_are_one_line(monkeypatch, capsys):
    class Answers:
        def post(self, method, body):
            return {"queue": "Q", "enabled": body.get("on"), "change": -90}

    monkeypatch.setattr(factory, "connect", lambda arguments: Answers())
    cli.main(["factory", "off", "Q"])
    cli.main(["factory", "confirm", "Q"])
    assert capsys.readouterr().out.split("\n")[0] == "Q is off"
