"""What of a task has failed, and what rules do with it when; and merges that are ready and are not sent, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Count, F, Min, Q

from pilot.contract.queue import ONLINE
from server.pandaconfig.queries import UnknownQueue, queue_status
from server.production import jobs
from server.production.frames import NoStorage, merging_frame_of
from server.production.models import Chunk, MergeGroup, Task
from server.production.reference.known import Known
from server.production.states import ACTIVE, ChunkState, GroupState, MergeKind, TaskState, values
from server.production.steps.merge import ripe


@dataclass(frozen=True)
class Failed:
    """How many chunks, or merges, one rule (empty: none) has decided about.

    ``again`` are tried again, ``first`` is when the first of them is; ``last`` have used their attempts; ``no_more``
    get none by the rule; ``look`` wait for a person.
    """

    what: str
    rule: str
    again: int = 0
    first: datetime | None = None
    last: int = 0
    no_more: int = 0
    look: int = 0


def failure_waits(task: Task, now: datetime) -> list[str]:
    """Say of what has failed, or waits for a person, what comes next; two statements."""
    found = [*_failed("chunks", Chunk, task), *_failed("merges", MergeGroup, task)]
    return told_of_failures(found, TaskState(task.state), now)


def _failed(what: str, model: type[Chunk] | type[MergeGroup], task: Task) -> Iterable[Failed]:
    used = Q(attempts__gte=F("task__max_attempts"))
    failed, again = Q(state=ChunkState.FAILED), Q(state=ChunkState.FAILED, due__isnull=False) & ~used
    bad = model._default_manager.filter(task=task, state__in=values((ChunkState.FAILED, ChunkState.MANUAL_CHECK)))
    rows = bad.order_by("rule").values("rule")
    counted = rows.annotate(
        again=Count("pk", filter=again),
        first=Min("due", filter=again),
        last=Count("pk", filter=failed & used),
        no_more=Count("pk", filter=failed & Q(due__isnull=True) & ~used),
        look=Count("pk", filter=Q(state=ChunkState.MANUAL_CHECK)),
    )
    return [Failed(what, **row) for row in counted]


def told_of_failures(found: Iterable[Failed], state: TaskState, now: datetime) -> list[str]:
    """Tell what becomes of failures, of tasks in a state; a task that is over promises nothing."""
    said = []
    for one in found:
        by = f", by rule '{one.rule}'" if one.rule else ""
        if one.again:
            said.append(f"{one.again} {one.what} that failed {_again(one, state, now)}{by}")
        if one.last:
            said.append(f"{one.last} {one.what} have failed and used their attempts{by}: send them again by hand")
        if one.no_more:
            said.append(f"{one.no_more} {one.what} have failed and are not tried again{by}: send them again by hand")
        if one.look:
            said.append(f"{one.look} {one.what} wait for a person to look at them{by}")
    return said


def _again(one: Failed, state: TaskState, now: datetime) -> str:
    if state == TaskState.PAUSED:
        return "are tried again when the task goes on"
    if state not in ACTIVE:
        return f"are not tried again: the task is {state.label}"
    if one.first is None or one.first <= now:
        return "are tried again now, as far as their queue has room"
    at = f"{one.first.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"are tried again at {at}" if one.again == 1 else f"are tried again, the first at {at}"


def merge_waits(task: Task, known: Known) -> list[str]:
    """Say why merges of an active task that are ready are not sent; some statements for each kind of them."""
    if task.state not in ACTIVE:
        return []
    ready = MergeGroup.objects.filter(task=task, state=GroupState.READY)
    counts = dict(ready.order_by().values_list("kind").annotate(n=Count("pk")))
    if not counts:
        return []
    can = {kind: ready.filter(kind=kind, run__in=ripe(MergeKind(kind))).count() for kind in counts}
    return told_of_merges(counts, can, _why_not(task, known) if any(can.values()) else "")


def told_of_merges(counts: Mapping[str, int], can: Mapping[str, int], why: str) -> list[str]:
    """Tell of ready merges, by kind, why they are not sent.

    Args:
        counts: How many are ready.
        can: Of how many of them the run is there.
        why: Why none of these can be sent now; "" when they can.
    """
    said = []
    for kind, number in sorted(counts.items()):
        name = MergeKind(kind).label
        if waiting := number - can.get(kind, 0):
            said.append(f"{waiting} {name} merges wait until all of their run is made and what comes before has passed")
        if why and can.get(kind):
            said.append(f"{can[kind]} {name} merges cannot be sent: {why}")
    return said


def _why_not(task: Task, known: Known) -> str:
    """Say why no merge of a task can be sent, or none of them would run; "" when they can."""
    try:
        queue = merging_frame_of(task).queue
        status = queue_status(queue)
    except (NoStorage, UnknownQueue) as why:
        return str(why)
    if status not in ONLINE:
        return f"their queue {queue} is {status}; set it online, or give the task another merging_queue"
    most = known.limits_at(queue).queued_per_queue
    if jobs.queued()[queue] >= most:
        return f"as many jobs wait in {queue} as may ({most}); some have to run first, or raise queued_per_queue"
    return ""
