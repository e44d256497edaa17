"""What finished jobs of similar tasks tell of sizes and times: read for a few of them, whatever the tables hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from pilot.contract.states import JobState
from server.production.dryrun.values import Learnt, Rate
from server.production.files import Names
from server.production.models import Chunk, MergeGroup, Output, Task
from server.production.states import ChunkState, GroupState, OutputKind
from server.taskbuffer.models import Job

#: So many similar tasks are looked at, the latest, and so many jobs of each.
TASKS, JOBS = 5, 200
#: So many of the latest tasks of a type are looked through for those that have finished jobs.
LATEST = 200


class Past(NamedTuple):
    """A job that finished: what went in, what came out, how long it took. Bytes and seconds; ``None``: unknown."""

    size: int | None
    events: int | None
    seconds: float | None
    outputs: Mapping[OutputKind, int]


def learn(names: Names, *, besides: int = 0) -> Learnt:
    """Learn from the latest tasks of the same type and software, or else of the same type.

    Args:
        names: Of the task that is planned.
        besides: The number of the task itself.
    """
    finished = Chunk.objects.filter(task=OuterRef("pk"), state=ChunkState.FINISHED)
    alike = Task.objects.filter(type=names.type).exclude(pk=besides).order_by("-pk")
    for words, tasks in (("type and software", alike.filter(soft=names.soft)), ("type", alike)):
        latest = Task.objects.filter(pk__in=list(tasks.values_list("pk", flat=True)[:LATEST]))
        if found := list(latest.filter(Exists(finished)).defer("filelist").order_by("-pk")[:TASKS]):
            past = _past(found)
            merges = _merge_seconds(found)
            return Learnt(
                sizes=sizes_of(past),
                seconds=seconds_of(past),
                merge_seconds=sum(merges) / len(merges) if merges else None,
                jobs=len(past),
                merges=len(merges),
                tasks=tuple(task.name for task in found),
                alike=words,
            )
    return Learnt()


def sizes_of(past: Sequence[Past]) -> dict[OutputKind, Rate]:
    """Answer the bytes of each kind of file that jobs have made; a kind that only some have made counts for all."""
    kinds = sorted({kind for one in past for kind in one.outputs})
    return {kind: rate([(one.size, one.events, one.outputs.get(kind, 0)) for one in past]) for kind in kinds}


def seconds_of(past: Sequence[Past]) -> Rate:
    """Answer the seconds that jobs took."""
    return rate([(one.size, one.events, one.seconds) for one in past if one.seconds is not None])


def rate(found: Iterable[tuple[int | None, int | None, float | None]]) -> Rate:
    """Answer how much there is for each byte, event and job.

    Args:
        found: Bytes and events of a job's input, and how much it made.
    """
    rows = [(size, events, amount) for size, events, amount in found if amount is not None]

    def share(pairs: Sequence[tuple[int | None, float]]) -> float | None:
        known = [(base, amount) for base, amount in pairs if base]
        total = sum(base for base, _ in known)
        return sum(amount for _, amount in known) / total if total else None

    return Rate(
        per_byte=share([(size, amount) for size, _, amount in rows]),
        per_event=share([(events, amount) for _, events, amount in rows]),
        per_job=share([(1, amount) for _, _, amount in rows]),
    )


def _past(tasks: Sequence[Task]) -> list[Past]:
    """Read some finished chunks of these tasks."""
    columns = ("pk", "job_id", "parent", "events_ordered", "raw__size", "raw__events", "parent__events_done")
    chunks = [
        row
        for task in tasks
        for row in Chunk.objects.filter(task=task, state=ChunkState.FINISHED).order_by().values_list(*columns)[:JOBS]
    ]
    made: dict[int, dict[OutputKind, int]] = defaultdict(dict)
    outputs = Output.objects.filter(chunk__in=[row[0] for row in chunks]).exclude(kind=OutputKind.LOG).order_by()
    for chunk, kind, size in outputs.values_list("chunk", "kind", "size"):
        made[chunk][OutputKind(kind)] = size
    generated = Output.objects.filter(chunk__in=[row[2] for row in chunks if row[2]], kind=OutputKind.GENERATED)
    taken = dict(generated.order_by().values_list("chunk", "size"))
    seconds = _seconds([row[1] for row in chunks if row[1]])
    return [
        Past(
            size=raw_size if parent is None else taken.get(parent),
            events=(raw_events or ordered) if parent is None else parent_events,
            seconds=seconds.get(job),
            outputs=made[key],
        )
        for key, job, parent, ordered, raw_size, raw_events, parent_events in chunks
    ]


def _merge_seconds(tasks: Sequence[Task]) -> list[float]:
    groups: QuerySet[MergeGroup] = MergeGroup.objects.filter(task__in=tasks, state=GroupState.FINISHED)
    jobs = groups.exclude(job_id=None).order_by().values_list("job_id", flat=True)[: TASKS * JOBS]
    return list(_seconds([job for job in jobs if job is not None]).values())


def _seconds(jobs: Sequence[int]) -> dict[int, float]:
    """Answer how long jobs ran; those that went to the archive tell nothing."""
    rows = Job.objects.filter(pk__in=jobs, state=JobState.FINISHED.value, started_at__isnull=False)
    times = rows.exclude(ended_at=None).order_by().values_list("pk", "started_at", "ended_at")
    return {key: (end - start).total_seconds() for key, start, end in times if end and start and end >= start}
