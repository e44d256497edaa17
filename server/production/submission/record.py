"""What a cycle decided and sent, written down: the same outcome again prolongs its row, and old rows go."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TypeVar

from django.db.models import F, Max, OuterRef, Q, Subquery

from server.production.door import BATCH
from server.production.models import Task
from server.production.steering_models import SubmitDecision
from server.production.submission.facts import QueueFacts, Step, TaskFacts


class Record:
    """The outcomes of one cycle, collected and then written, some hundred in a statement."""

    def __init__(self, tasks: Collection[int], now: datetime) -> None:
        self._now = now
        self._last = last_decisions(tasks)
        self._new: list[SubmitDecision] = []
        self._again: list[int] = []

    def note(
        self, task: TaskFacts, queue: QueueFacts | None, steps: Sequence[Step], *, sent: int = 0, words: str = ""
    ) -> None:
        """Take down one task's outcome; a task of which nothing waits or changes leaves no row."""
        last = self._last.get(task.task)
        new = SubmitDecision(
            task_id=task.task,
            serial=last.serial + 1 if last else 1,
            began=self._now,
            latest=self._now,
            number=steps[-1].number,
            sent=sent,
            words=words[:500],
            trace=[step.as_json() for step in steps],
            facts={"task": asdict(task), "queue": asdict(queue) if queue else None},
        )
        if last is not None and not sent and _same(last, new):
            self._again.append(last.pk)
        elif last is not None or sent or words or task.staged or task.defined:
            self._new.append(new)

    def write(self, keep: int) -> None:
        """Write all that was taken down; of each task at most ``keep`` rows stay."""
        for again in _parts(self._again):
            SubmitDecision.objects.filter(pk__in=again).update(latest=self._now, times=F("times") + 1)
        SubmitDecision.objects.bulk_create(self._new, batch_size=500)
        for full in _parts([one for one in self._new if one.serial > keep]):
            old = (Q(task=one.task_id, serial__lte=one.serial - keep) for one in full)
            SubmitDecision.objects.filter(reduce(or_, old)).delete()


Each = TypeVar("Each")


def _parts(rows: Sequence[Each]) -> Iterator[Sequence[Each]]:
    """Part rows into what one statement takes: SQLite's expressions are at most 1000 deep."""
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _same(last: SubmitDecision, new: SubmitDecision) -> bool:
    """Say whether nothing has changed: what waits, what each rule said, and that nothing was sent."""
    return not last.sent and last.words == new.words and _numbers(last) == _numbers(new)


def _numbers(row: SubmitDecision) -> list[tuple[str, int]]:
    return [(step["rule"], step["number"]) for step in row.trace]


def last_decisions(tasks: Collection[int]) -> dict[int, SubmitDecision]:
    """Answer the last decision on each of these tasks, without its facts."""
    serials = SubmitDecision.objects.filter(task=OuterRef("task")).order_by().values("task")
    newest = serials.annotate(newest=Max("serial")).values("newest")
    rows = SubmitDecision.objects.filter(task__in=tasks, serial=Subquery(newest)).defer("facts")
    return {row.task_id: row for row in rows}


def decisions_of(task: Task, most: int = 20) -> list[SubmitDecision]:
    """Answer the latest decisions on a task, newest first."""
    return list(SubmitDecision.objects.filter(task=task).order_by("-serial")[:most])
