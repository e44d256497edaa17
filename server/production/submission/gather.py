"""What the decision is made from, read from the tables: as many statements for one task as for a thousand."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Window
from django.db.models.functions import RowNumber

from server.brokerage import queries as brokerage
from server.production import jobs
from server.production.limits import Limits
from server.production.models import Chunk, Task, TaskEvent
from server.production.reference.known import Known
from server.production.states import ACTIVE, ChunkState, values
from server.production.submission.facts import Bounds, QueueFacts, TaskFacts

_BAD = values((ChunkState.FAILED, ChunkState.MANUAL_CHECK))
_COUNTED = (ChunkState.DEFINED, ChunkState.STAGING, ChunkState.STAGED, ChunkState.SENT, ChunkState.RUNNING)


@dataclass(frozen=True)
class View:
    """The tasks that may have jobs, in the order in which they are served, what is known of them, and of queues.

    ``bounds`` are those of each task, by its number, and of each queue, by its name.
    """

    tasks: Sequence[Task]
    facts: Mapping[int, TaskFacts]
    queues: Mapping[str, QueueFacts]
    queued: Counter[str]
    bounds: Mapping[int | str, Bounds]


def bounds_of(limits: Limits) -> Bounds:
    """Take the numbers of the rules out of the limits."""
    return Bounds(**{name: getattr(limits, name) for name in Bounds.__dataclass_fields__})


def active_tasks() -> list[Task]:
    """Answer the tasks that may have jobs, the highest priority first."""
    return list(Task.objects.filter(state__in=values(ACTIVE)).defer("filelist").order_by("-priority", "id"))


def look(tasks: Sequence[Task], known: Known, now: datetime) -> View:
    """Read what is known of these tasks and of their queues."""
    keys, own = [task.pk for task in tasks], {task.pk: known.limits_for(task) for task in tasks}
    counts, succeeded, ends = _counts(keys), _succeeded(keys), _ends(own, now)
    queued, ahead = jobs.queued_from({task.priority for task in tasks})
    facts = {}
    for task in tasks:
        found, good = counts[task.pk], ends.get(task.pk, [])
        facts[task.pk] = TaskFacts(
            task=task.pk,
            queue=task.queue,
            priority=task.priority,
            most=own[task.pk].jobs_per_task,
            staged=found[ChunkState.STAGED],
            defined=found[ChunkState.DEFINED] + found[ChunkState.STAGING],
            sent=found[ChunkState.SENT],
            running=found[ChunkState.RUNNING],
            succeeded=task.pk in succeeded,
            finished=sum(good),
            failed=len(good) - sum(good),
            failed_since=good.index(True) if True in good else len(good),
            ahead=ahead[task.priority][task.queue],
        )
    there = {name: known.limits_at(name) for name in {task.queue for task in tasks} - {""}}
    bounds: dict[int | str, Bounds] = {key: bounds_of(one) for key, one in own.items()}
    bounds |= {name: bounds_of(one) for name, one in there.items()}
    return View(tasks, facts, _queues(there, queued), queued, bounds)


def _counts(tasks: Collection[int]) -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = defaultdict(Counter)
    rows = Chunk.objects.filter(task__in=tasks, state__in=values(_COUNTED)).order_by()
    for task, state, number in rows.values_list("task", "state").annotate(n=Count("pk")):
        found[task][state] = number
    return found


def _succeeded(tasks: Collection[int]) -> set[int]:
    """Answer the tasks of which a chunk is finished."""
    finished = Chunk.objects.filter(task=OuterRef("pk"), state=ChunkState.FINISHED)
    return set(Task.objects.filter(Exists(finished), pk__in=tasks).order_by().values_list("pk", flat=True))


def _ends(own: Mapping[int, Limits], now: datetime) -> dict[int, list[bool]]:
    """Answer of the latest ends of each task's jobs, as far back as its limits say, whether they were good.

    Latest first. All are read by the widest limits, and cut by those of each task.
    """
    window = max((one.result_window for one in own.values()), default=0)
    most = max((one.latest_results for one in own.values()), default=0)
    rows = TaskEvent.objects.filter(
        task__in=list(own),
        at__gte=now - timedelta(seconds=window),
        chunk__isnull=False,
        # What people and other steps do to chunks is no end of a job.
        before__in=values((ChunkState.SENT, ChunkState.RUNNING)),
        after__in=[*_BAD, ChunkState.FINISHED.value],
    )
    place = Window(RowNumber(), partition_by=F("task"), order_by=F("pk").desc())
    found: dict[int, list[bool]] = defaultdict(list)
    latest = rows.annotate(place=place).filter(place__lte=most).order_by("task", "-pk")
    for task, after, at in latest.values_list("task", "after", "at"):
        mine = own[task]
        if len(found[task]) < mine.latest_results and at >= now - timedelta(seconds=mine.result_window):
            found[task].append(after == ChunkState.FINISHED)
    return found


def _queues(there: Mapping[str, Limits], queued: Mapping[str, int]) -> dict[str, QueueFacts]:
    loads, failures = brokerage.loads(), brokerage.failures()
    found = {}
    for name, limits in there.items():
        load, failure = loads.get(name), failures.get(name)
        found[name] = QueueFacts(
            most=limits.queued_per_queue,
            queued=queued.get(name, 0),
            running=load.running if load else 0,
            slots=load.slots if load else 0,
            ended=failure.ended if failure else 0,
            failed=failure.failed if failure else 0,
        )
    return found
