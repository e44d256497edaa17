"""Which tasks have raw files on tape, what of them waits, and how much is on its way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from server.dataservice.lookups import is_on_disk, tape_endpoints
from server.dataservice.models import Transfer
from server.dataservice.states import LIVING
from server.dataservice.states import values as words_of
from server.production.chains import chain_of
from server.production.models import Chunk, RawFile, Run, Task, TaskEvent
from server.production.reference.known import Known, read_known
from server.production.staging.models import Prestage, StagedFile, TaskStaging
from server.production.staging.rules import LONGEST, Room
from server.production.staging.states import NEEDED, StagedState
from server.production.states import ChunkState, TaskState, values

#: What comes from tape, or has come and waits for its job.
COMING = (ChunkState.STAGING, ChunkState.STAGED)
#: Such files come, or are kept on disk.
HOLDING = (StagedState.ASKED, StagedState.ON_DISK)
#: Nothing of such a task is made any more.
OVER = (
    TaskState.CANCELLED,
    TaskState.FINISHED,
    TaskState.DONE,
    TaskState.ARCHIVE,
    TaskState.ARCHIVING,
    TaskState.ARCHIVED,
)


def from_tape(tasks: Iterable[Task], known: Known | None = None) -> dict[int, frozenset[str]]:
    """Answer which of these tasks have raw files on storages with tapes, by key, and on which.

    Those of sites that keep their inputs on their own disks have none. Four queries at most, however many tasks.
    """
    raw = [task for task in tasks if chain_of(task.type).raw]
    tapes = tape_endpoints() if raw else frozenset()
    if not tapes:
        return {}
    sites = known or read_known()
    raw = [task for task in raw if not _has_own_disk(task, sites)]
    endpoints = _endpoints_of(raw)
    return {task.pk: there for task in raw if (there := tapes & endpoints.get(task.pk, frozenset()))}


def _has_own_disk(task: Task, known: Known) -> bool:
    site = known.site_of(task)
    return site is not None and site.hpc


def _endpoints_of(tasks: Collection[Task]) -> dict[int, frozenset[str]]:
    """Answer where the raw files of tasks lie; that is looked for once for each task, since it never changes."""
    keys = {task.pk for task in tasks}
    found = dict(TaskStaging.objects.filter(task__in=keys).values_list("task_id", "endpoints"))
    if new := keys - found.keys():
        rows = RawFile.objects.filter(chunk__task__in=new).order_by()
        for task, endpoint in rows.values_list("chunk__task", "endpoint").distinct():
            found.setdefault(task, []).append(endpoint)
        made = [TaskStaging(task_id=key, endpoints=sorted(found[key])) for key in sorted(new & found.keys())]
        TaskStaging.objects.bulk_create(made, ignore_conflicts=True)
    return {key: frozenset(endpoints) for key, endpoints in found.items()}


def with_waiting(tasks: Collection[int]) -> set[int]:
    """Answer which of these tasks have chunks that wait for their input."""
    waiting = Chunk.objects.filter(task=OuterRef("pk"), state=ChunkState.DEFINED)
    return set(Task.objects.filter(Exists(waiting), pk__in=tasks).order_by().values_list("pk", flat=True))


def room_now(cap: int, cap_per_storage: int) -> Room:
    """Say how many chunks come from tape or wait on disk for their jobs, by storage: one query over those alone.

    What was paused, and what goes on since, holds its place as long as its file is kept or still coming.
    """
    kept = Q(chunk__state__in=values((ChunkState.PAUSED, ChunkState.DEFINED))) & Q(_is_kept())
    held = StagedFile.objects.filter(Q(chunk__state__in=values(COMING)) | kept, state__in=HOLDING)
    rows = held.order_by().values_list("endpoint").annotate(n=Count("pk"))
    return Room(cap, cap_per_storage, dict(rows))


def _is_kept() -> Exists:
    """Say of a `StagedFile` that its request has the file still: it comes, or is kept on disk."""
    mine = Transfer.objects.filter(request=OuterRef("prestage__request"), file=OuterRef("file"))
    return Exists(mine.filter(state__in=words_of(LIVING)))


def going_on(task: Task, most: int) -> QuerySet[Chunk]:
    """Select what of a task goes on after a pause, and has its place in the room: not more than so many at a time."""
    rows = StagedFile.objects.filter(_is_kept(), state__in=HOLDING, chunk__task=task, chunk__state=ChunkState.DEFINED)
    # Read first: not every database takes a bound in a subquery.
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:most])
    return _with_ways(Chunk.objects.filter(pk__in=keys))


def brought_by(files: Collection[int], endpoint: str) -> dict[int, Prestage]:
    """Answer which of these files are coming from tape already, with the requests that bring them."""
    rows = StagedFile.objects.filter(
        _is_kept(), file__in=files, endpoint=endpoint, state=StagedState.ASKED, chunk__state=ChunkState.STAGING
    )
    found = rows.select_related("prestage__task").defer("prestage__task__filelist").order_by("pk")
    return {row.file: row.prestage for row in found if row.file is not None and row.prestage is not None}


def _is_due(now: datetime) -> Q:
    """Say of a chunk that nothing forbids to ask for its file; a pause longer than any was set by a wrong clock."""
    free = Q(staged=None) | ~Q(staged__state=StagedState.WAITING) | Q(staged__due=None)
    return free | Q(staged__due__lte=now) | Q(staged__due__gt=now + timedelta(seconds=2 * LONGEST))


def waiting_runs(task: Task, most: int, now: datetime) -> list[Run]:
    """Answer the first runs of a task of which something waits for its input, by their numbers."""
    waits = Chunk.objects.filter(_is_due(now), run=OuterRef("pk"), task=task.pk, state=ChunkState.DEFINED)
    return list(Run.objects.filter(Exists(waits), task=task).order_by("number")[:most])


def waiting_chunks(task: Task, runs: Collection[Run], now: datetime) -> QuerySet[Chunk]:
    """Select what of runs waits for its input, with raw files and what is known of their way, in order."""
    due = _is_due(now)
    chunks = Chunk.objects.filter(due, task=task, run__in=runs, state=ChunkState.DEFINED, raw__isnull=False)
    return _with_ways(chunks)


def _with_ways(chunks: QuerySet[Chunk]) -> QuerySet[Chunk]:
    # By the order of events, which no clock that is wrong changes.
    came = TaskEvent.objects.filter(chunk=OuterRef(OuterRef("pk")), after__in=values(COMING)).order_by("-pk")
    sent = TaskEvent.objects.filter(chunk=OuterRef("pk"), after=ChunkState.SENT, pk__gt=Subquery(came.values("pk")[:1]))
    chunks = chunks.annotate(sent_since=Exists(sent))
    return chunks.select_related("raw", "run", "staged__prestage").order_by("run__number", "number")


def left_the_disk() -> QuerySet[StagedFile]:
    """Select the files of chunks without a job that were on disk, and are not any more."""
    rows = StagedFile.objects.filter(state=StagedState.ON_DISK, chunk__state=ChunkState.STAGED)
    return rows.exclude(is_on_disk("file", "endpoint"))


def arriving() -> QuerySet[StagedFile]:
    """Select the files of chunks in staging. After a resend that was undone they may have come, or failed, already."""
    # By these words, of which there is an index: what was let go are millions.
    return StagedFile.objects.filter(state__in=(*NEEDED, StagedState.FAILED), chunk__state=ChunkState.STAGING)


def not_needed() -> QuerySet[StagedFile]:
    """Select the files that nobody needs on disk any more: neither their chunk, nor one of another task."""
    over = Q(chunk__state__in=values((ChunkState.FINISHED, ChunkState.CANCELLED))) | Q(
        chunk__task__state__in=values(OVER)
    )
    needed = StagedFile.objects.filter(file=OuterRef("file")).exclude(state=StagedState.LET_GO).exclude(over)
    rows = StagedFile.objects.filter(over).exclude(state=StagedState.LET_GO)
    return rows.exclude(Exists(needed.filter(endpoint=OuterRef("endpoint"))))


def shared(keys: Collection[int]) -> set[int]:
    """Answer which of some hundred chunks have files whose requests bring these for other chunks, too."""
    others = StagedFile.objects.filter(prestage=OuterRef("prestage"), file=OuterRef("file"), state__in=HOLDING)
    rows = StagedFile.objects.filter(Exists(others.exclude(pk=OuterRef("pk"))), pk__in=keys, prestage__isnull=False)
    return set(rows.values_list("pk", flat=True))


def reasons(tasks: Mapping[int, str]) -> None:
    """Write down why no more files of tasks are asked for; what stands there already is left."""
    for row in TaskStaging.objects.filter(task__in=tasks):
        if row.words != (words := tasks[row.task_id][:500]):
            TaskStaging.objects.filter(pk=row.pk).update(words=words)
