"""What a person sees of tasks, as text."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from client import show

STEP = {"label": "reconstruction", "done": 1, "total": 4, "active": 2, "bad": 0, "state": "active", "words": ""}
MOVE = {
    "what": "run 278473 chunk 2",
    "before": "sent",
    "after": "failed",
    "job": 7,
    "words": "the disk was full",
    "at": "2016-09-01T12:00:00.5+00:00",
}


def task(**fields):
    found = {
        "name": "first",
        "type": "mc_reconstruction",
        "status": "running",
        "production": "first",
        "year": 2016,
        "period": "P07",
        "slot": 0,
        "soft": "first-mc",
        "runs": 2,
        "events": {"ordered": 0, "done": 1734, "merged": 0},
        "steps": [STEP],
        "matrix": [],
        "checks": [],
        "outputs": [],
        "events_log": [],
    }
    return {**found, **fields}


def text_of(renderable) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(renderable)
    return console.file.getvalue()


def test_each_limit_of_a_task_is_shown_with_where_it_comes_from():
    limits = [
        {"name": "max_attempts", "value": 7, "from": "task"},
        {"name": "jobs_per_task", "value": 50, "from": "default"},
    ]
    lines = [line.split() for line in text_of(show.limits(task(limits=limits))).splitlines()]
    assert ["max_attempts", "7", "task"] in lines
    assert ["jobs_per_task", "50", "default"] in lines


def test_a_task_shows_the_jobs_behind_its_latest_moves():
    (line,) = [line for line in text_of(show.task(task(events_log=[MOVE]))).splitlines() if "278473" in line]
    assert line.split() == [
        "2016-09-01T12:00:00",
        "run",
        "278473",
        "chunk",
        "2",
        "7",
        "sent",
        "failed",
        "the",
        "disk",
        "was",
        "full",
    ]


def test_a_users_task_is_of_no_production_but_of_its_owner():
    said = text_of(show.task(task(production="", type="user_analysis", year=0, period="", soft="", owner="alice")))
    assert "owner" in said
    assert "alice" in said
    assert "slot" not in said
    assert "slot" in text_of(show.task(task()))


def test_a_move_of_the_task_itself_has_no_job():
    paused = {**MOVE, "what": "", "job": None, "before": "running", "after": "paused", "words": "lunch"}
    assert "the task running paused lunch" in " ".join(text_of(show.task(task(events_log=[paused]))).split())


def test_only_the_latest_moves_are_shown():
    assert text_of(show.task(task(events_log=[MOVE] * 20))).count("278473") == show.MOVES


@pytest.mark.parametrize(("ordered", "shown"), [(4000, "1734/4000 done"), (0, "1734 done")])
def test_a_task_that_orders_no_events_says_only_what_is_done(ordered, shown):
    events = {"ordered": ordered, "done": 1734, "merged": 0}
    assert f"  {shown}, 0 merged" in text_of(show.task(task(events=events)))


def test_a_list_without_tasks_says_how_to_get_one():
    assert "compass task create" in text_of(show.tasks([]))


@pytest.mark.parametrize(
    ("count", "shown"), [(None, ""), (496, "496 B"), (41_355, "41.4 kB"), (4 * 10**9, "4 GB"), (10**16, "1e+04 TB")]
)
def test_a_size_has_three_digits_and_a_unit(count, shown):
    assert show.size(count) == shown


def test_a_task_tells_what_is_on_tape_what_waits_and_its_requests():
    request = {"id": 7, "kind": "archive", "state": "queued", "files_of_task": 3, "age": 5400.0, "words": "no drive"}
    files = {"merged_mdst": {"sent": 3, "finished": 1}}
    tape = {"storage": "CTA", "files": files, "waits": ["3 files are on their way to CTA"], "requests": [request]}
    said = text_of(show.task(task(tape=tape)))
    assert "on tape at CTA: merged mdst: 3 sent, 1 finished" in said
    assert "3 files are on their way to CTA" in said
    assert " ".join(said.split()).endswith("7 archive queued 3 1.5 no drive")
    assert "on tape" not in text_of(show.task(task(tape=None)))
