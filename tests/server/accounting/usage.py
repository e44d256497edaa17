"""Ended jobs for the tests of accounting, and what their sums are."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from pilot.contract.job import FileSpec, Role
from server.accounting import logic, queries
from server.accounting.models import Failure, Usage
from server.taskbuffer.queries import newest_event
from tests.server import jobs

NOW = jobs.NOW
HOUR = timedelta(hours=1)
INPUTS = (FileSpec("a.raw", Role.INPUT, dataset="raw", size=7), FileSpec("b.raw", Role.INPUT, dataset="raw", size=5))


def keep() -> None:
    """Nobody waits for a sign of life."""


def fold(now: datetime = NOW) -> logic.Folded:
    """Count what has ended, also where a note of the newest event has to grow old first."""
    first = logic.fold(now=now, keep=keep)
    second = logic.fold(now=now + timedelta(seconds=20), keep=keep)
    return logic.Folded(first.events + second.events, first.days + second.days)


def fold_all(now: datetime = NOW) -> logic.Folded:
    """Count all that has ended, however long the database's own transactions are under way."""
    found, end = fold(now), time.monotonic() + 30
    while queries.position() < newest_event():
        assert time.monotonic() < end, "what was under way is not over after 30 s"
        more = fold(now)
        found = logic.Folded(found.events + more.events, found.days + more.days)
    return found


def submit(**fields: Any) -> int:
    (job_id,) = jobs.submit(**{"user": "ada", "working_group": "hadron", "task_id": 5, "cores": 4, **fields})
    return job_id


def run(job_id: int, state: str, attempt: int = 1, *, at: datetime = NOW, hours: float = 1.0, **said: Any) -> None:
    """Run one attempt of the job that is queued: it begins at a time, and ends so many hours later."""
    jobs.claim()
    jobs.report(job_id, "running", attempt, now=at)
    log = "job.log.tgz" if attempt == 1 else f"job.log.tgz.{attempt}"
    files = jobs.stored(*(("out.root", log) if state == "finished" else (log,)))
    jobs.report(job_id, state, attempt, now=at + hours * HOUR, files=files, **said)


def sums(**wanted: Any) -> list[dict[str, Any]]:
    """Answer the rows of usage, without what is 0 in them."""
    rows = Usage.objects.filter(**wanted).order_by("day", "queue", "user", "label", "group", "pk").values()
    return [{name: value for name, value in row.items() if value and name != "id"} for row in rows]


def everything() -> tuple[list[dict[str, Any]], list[Any]]:
    """Answer all sums and failures, whatever their numbers."""
    names = ("usage__day", "usage__user", "usage__queue", "usage__label", "source", "code", "attempts")
    return sums(), list(Failure.objects.order_by(*names).values_list(*names))
