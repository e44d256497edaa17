"""How the steering of a task looks in a terminal."""

from __future__ import annotations

from rich.console import Console

from client.steering import explained

STEP = {"rule": "probe", "number": 0, "reason": "it is new: 10 jobs at a time [until one finishes]"}
DECISION = {
    "began": "2026-11-22T12:00:00+00:00", "latest": "2026-11-22T12:05:00+00:00", "times": 60, "number": 0, "sent": 0,
    "words": "", "trace": [STEP],
}  # fmt: skip
FOUND = {
    "task": "mc2016_gen", "status": "running", "answer": "nothing is sent", "waits": ["2 chunks wait for a person"],
    "steps": [STEP], "facts": {}, "decisions": [DECISION],
}  # fmt: skip


def shown(renderable):
    console = Console(width=160)
    with console.capture() as text:
        console.print(renderable)
    return text.get()


def test_an_explanation_shows_the_answer_the_rules_and_the_decisions():
    text = shown(explained(FOUND))
    for words in ("mc2016_gen is running: nothing is sent", "2 chunks wait", "[until one finishes]", "12:05:00"):
        assert words in text


def test_a_task_that_is_not_on_its_way_has_the_answer_alone():
    assert shown(explained({**FOUND, "waits": [], "steps": [], "decisions": []})).count("\n") == 1
