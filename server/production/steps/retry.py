"""Step: another attempt for what failed, a bounded number of times, when its time has come and its queue has room.

When that is was decided with the failure (`server.production.rules`) and stands in ``due``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from pilot.contract.states import FINAL, JobState
from server.lib.parts import do_in_parts
from server.production import jobs
from server.production.door import move
from server.production.judging import JobView
from server.production.limits import limits
from server.production.models import Chunk, MergeGroup, TaskEvent
from server.production.rules.actions import Action
from server.production.rules.deciding import Deciding, is_bound
from server.production.states import ACTIVE, PACKING, ChunkState, GroupState, values
from server.production.steps.apart import incident

SERVICE = "production.retry"
#: Rows of one transaction: short, since pilots wait for it where the database has one writer.
AT_ONCE = 50
#: What finds no room in its queue is looked at again so much later, so that it hides nothing that has room.
NO_ROOM = timedelta(seconds=60)
ENDED_BADLY = FINAL - {JobState.FINISHED}

Row = Chunk | MergeGroup


@dataclass
class Cycle:
    """What is known in one run of the step: read when something is due, and at most once."""

    now: datetime
    deciding: Deciding = field(default_factory=Deciding)

    @cached_property
    def waiting(self) -> dict[str, int]:
        return dict(jobs.queued())

    @cached_property
    def _elsewhere(self) -> set[str]:
        return {rule.name for rule in self.deciding.rules if rule.action is Action.ELSEWHERE}

    def goes_elsewhere(self, row: Row) -> bool:
        """Say whether the rule that decided sends a job to another queue; one that its task names stays its own."""
        return bool(row.rule) and not is_bound(row) and row.rule in self._elsewhere

    def has_room(self, queue: str) -> bool:
        """Say whether a queue takes one more job, and count that one; the same bound holds for new jobs."""
        there = self.waiting.get(queue, 0)
        if there >= self.deciding.known.limits_at(queue).queued_per_queue:
            return False
        self.waiting[queue] = there + 1
        return True


def retry_failed(now: datetime | None = None) -> int:
    """Try failed chunks and groups of active tasks again whose time has come; answer how many."""
    cycle, most, retried = Cycle(now or timezone.now()), limits().events_per_cycle, 0
    for model in (Chunk, MergeGroup):
        due: list[Row] = list(_due(model._default_manager.all(), cycle.now).order_by("due", "id")[:most])
        for start in range(0, len(due), AT_ONCE):
            retried += do_in_parts(due[start : start + AT_ONCE], partial(_again, cycle=cycle), _set_apart)
    return retried


def _set_apart(row: Row, why: Exception) -> None:
    incident(row.task_id, SERVICE, why)


def _due(rows: QuerySet[Any], now: datetime) -> QuerySet[Any]:
    """Select what may be tried again now; what has used its attempts stays failed until a person decides."""
    may = rows.filter(state="failed", task__state__in=values((*ACTIVE, *PACKING)), attempts__lt=F("task__max_attempts"))
    return may.filter(due__lte=now)


@transaction.atomic
def _again(rows: Sequence[Row], cycle: Cycle) -> int:
    """Order another attempt of the same jobs; where a job's end forbids that, make its row ready for a new one."""
    rows = _still_due(rows, cycle.now)
    views = jobs.views([row.job_id for row in rows if row.job_id is not None])
    # A job that lives or has finished was tried again by somebody: collect finds that, and a new job would double it.
    over = [row for row in rows if row.job_id not in views or views[row.job_id].state in ENDED_BADLY]
    elsewhere = {row.job_id for row in over if row.job_id is not None and cycle.goes_elsewhere(row)}
    full = [row for row in over if not (row.job_id in elsewhere or _has_room(views.get(row.job_id or 0), cycle))]
    _wait(full, cycle.now + NO_ROOM)
    over = [row for row in over if row not in full]
    numbers = [row.job_id for row in over if row.job_id is not None]
    refused = jobs.retry(numbers, by=SERVICE, elsewhere=elsewhere)
    return sum(_move(row, views.get(row.job_id or 0), refused) for row in over)


def _has_room(view: JobView | None, cycle: Cycle) -> bool:
    """Say whether a job's queue takes it; what gets a new job is counted when that is sent."""
    return view is None or view.state is not JobState.FAILED or cycle.has_room(view.queue)


def _wait(rows: Sequence[Row], until: datetime) -> None:
    for model in (Chunk, MergeGroup):
        if keys := [row.pk for row in rows if isinstance(row, model)]:
            model._default_manager.filter(pk__in=keys, state="failed").update(due=until)


def _move(row: Row, view: JobView | None, refused: Mapping[int, str]) -> bool:
    """Move a row on: to its job's next attempt, or to where it gets another job."""
    words = f"attempt {row.attempts + 1}" + (f", by rule '{row.rule}'" if row.rule else "")
    if view is not None and row.job_id not in refused:
        after = ChunkState.SENT if isinstance(row, Chunk) else GroupState.SENT
        # Its job may have had attempts of which nothing was counted here, when a person tried it again.
        counted = {"attempts": row.attempts + 1, "ahead": row.attempts - view.attempt}
        return move(row, after, by=SERVICE, words=words, **counted)
    ready = ChunkState.STAGED if isinstance(row, Chunk) else GroupState.READY
    why = refused.get(row.job_id or 0, "its former one is not known any more")
    return move(row, ready, by=SERVICE, words=f"{words}, as a new job: {why}", job_id=None)


def _still_due(rows: Sequence[Row], now: datetime) -> list[Row]:
    """Read rows again inside the transaction: their task may have been cancelled since, and their jobs are not ours."""
    mine = type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows]).order_by("pk")
    # By themselves: who sends them again has their task, and waits for them.
    list(mine.select_for_update().only("pk"))
    return list(_due(mine, now).select_related("task").defer("task__filelist"))


def replaced(tasks: Mapping[int, int | None]) -> dict[int, str]:
    """Answer those of these jobs, given with their tasks, whose chunks or groups went on, or will, with other jobs."""
    owned = {number for owners in (Chunk, MergeGroup) for number in _jobs_of(owners, tasks)}
    rest = {number: task for number, task in tasks.items() if task is not None and number not in owned}
    if not rest:
        return {}
    had = set(
        TaskEvent.objects.filter(task__in=set(rest.values()), job_id__in=rest)
        .order_by()
        .values_list("job_id", flat=True)
    )
    return {number: "its production has given it up for another job" for number in rest if number in had}


def _jobs_of(owners: type[Chunk] | type[MergeGroup], numbers: Mapping[int, int | None]) -> set[int | None]:
    return set(owners._default_manager.filter(job_id__in=numbers).values_list("job_id", flat=True))
