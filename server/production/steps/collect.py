"""Step: what became of jobs, from the task buffer's events; bulk, and never one job at a time.

The events only say which jobs to look at; what they became is read from the jobs themselves, so that the same
event twice, or two in the wrong order, harms nothing. Event numbers are given before a transaction ends: on a database
with several writers a smaller number may appear after a larger one. `sweep` finds what `collect` passed by so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from pilot.contract.states import FINAL, WITH_PILOT, JobState
from server.lib.parts import do_in_parts
from server.production import jobs, remaking
from server.production.chains import MAY_BE_MISSING, chain_of
from server.production.door import Step, move_all, move_each
from server.production.judging import Finding, JobView, ended_badly, judge_chunk, judge_group
from server.production.keeping import Made, Owner, keep, wanted_of
from server.production.limits import limits
from server.production.models import Chunk, Cursor, MergeGroup, Task
from server.production.rules.deciding import Deciding, attempts_of
from server.production.states import (
    CHUNK_MOVES,
    GROUP_MOVES,
    PACKING,
    ChunkState,
    GroupState,
    OutputKind,
    TaskState,
    TaskType,
    values,
)
from server.production.steps.apart import by_itself, incident
from server.production.stopping import UNSENT, cancel_all, hold_chunks
from server.taskbuffer.models import Job

SERVICE = "production.collect"

#: Events, and jobs, of one transaction: short, since pilots wait for it where the database has one writer.
AT_ONCE = 100

#: Tasks in these may have jobs: of merges, and of logs that are packed, too.
_LIVING = (TaskState.SEND, TaskState.RUNNING, TaskState.PAUSED, TaskState.FINISHING, *PACKING)

#: Where rules lead.
_DECIDED = (ChunkState.FAILED, ChunkState.MANUAL_CHECK, ChunkState.CANCELLED)


def collect() -> int:
    """Look at the jobs that moved since the last time; answer how many chunks and groups moved."""
    moved, most, deciding = 0, limits().events_per_cycle, Deciding()
    for start in range(0, most, AT_ONCE):
        some = _collect_some(min(AT_ONCE, most - start), deciding)
        if some is None:
            break
        moved += some
    return moved


def position() -> int:
    """Answer the number of the last event that was looked at."""
    return int(Cursor.objects.filter(name=SERVICE).values_list("position", flat=True).first() or 0)


@transaction.atomic
def _collect_some(most: int, deciding: Deciding) -> int | None:
    """Look at the next events; answer how many chunks and groups moved, or nothing when there are no events."""
    cursor, _ = Cursor.objects.select_for_update().get_or_create(name=SERVICE)
    numbers, position = jobs.moved_after(cursor.position, most)
    if not numbers:
        return None
    moved = settle(numbers, deciding)
    Cursor.objects.filter(pk=cursor.pk).update(position=position)
    return moved


def sweep() -> int:
    """Look at the jobs of all that is not where its job stands, whatever the events say; answer how many moved."""
    return settle([number for number in _astray() if number is not None]) + _end_what_was_left()


def _end_what_was_left() -> int:
    """Cancel what is open of tasks that are cancelled, and what was not sent of those that were ended early.

    Nothing is, unless somebody has moved it at the same moment: then nobody else would ever look at it.
    """
    chunks, groups = Chunk.objects.filter(task=OuterRef("pk")), MergeGroup.objects.filter(task=OuterRef("pk"))
    at_end = values((ChunkState.FINISHED, ChunkState.CANCELLED))
    # By the words that are looked for: the index knows these, and tasks have very many rows that are at their end.
    open_chunks = chunks.filter(state__in=[word for word in ChunkState.values if word not in at_end])
    open_groups = groups.filter(state__in=[word for word in GroupState.values if word not in at_end])
    cancelled = Task.objects.filter(Exists(open_chunks) | Exists(open_groups), state=TaskState.CANCELLED)
    unsent = chunks.filter(state__in=values(UNSENT))
    ended = Task.objects.filter(Exists(unsent), state__in=values((TaskState.FINISHED, *PACKING, TaskState.ARCHIVED)))
    left = [*cancelled.defer("filelist"), *ended.defer("filelist")]
    return sum(by_itself(task, SERVICE, partial(_end, task.pk), 0) for task in left)


@transaction.atomic
def _end(key: int) -> int:
    task = Task.objects.select_for_update().defer("filelist").get(pk=key)
    words = f"its task is {TaskState(task.state).label}"
    if task.state == TaskState.CANCELLED:
        return cancel_all(task, by=SERVICE, words=words)
    if task.state not in values((TaskState.FINISHED, *PACKING, TaskState.ARCHIVED)):
        return 0
    chunks = Chunk.objects.filter(task=task)
    return sum(move_all(chunks, state, ChunkState.CANCELLED, by=SERVICE, words=words) for state in UNSENT)


def _astray() -> Iterator[int | None]:
    """Give the jobs of chunks and merges that are not where these jobs stand, asked in the words of the database.

    A job that is in the archive stands nowhere: it is looked at, too.
    """
    job = Job.objects.filter(pk=OuterRef("job_id"))
    waits, with_pilot = job.exclude(state__in=_words(FINAL | WITH_PILOT)), job.filter(state__in=_words(WITH_PILOT))
    held = Q(task__type=TaskType.USER_ANALYSIS, task__state=TaskState.PAUSED)
    astray = Q(state=ChunkState.SENT) & (~Exists(waits) | held) | Q(state=ChunkState.RUNNING) & ~Exists(with_pilot)
    chunks = Chunk.objects.filter(astray, task__state__in=values(_LIVING), job_id__isnull=False)
    yield from chunks.order_by().values_list("job_id", flat=True)
    ended = ~Exists(job.exclude(state__in=_words(FINAL)))
    groups = MergeGroup.objects.filter(ended, state=GroupState.SENT, task__state__in=values(_LIVING))
    yield from groups.filter(job_id__isnull=False).order_by().values_list("job_id", flat=True)


def _words(states: Iterable[JobState]) -> list[str]:
    return sorted(state.value for state in states)


def settle(numbers: Collection[int], deciding: Deciding | None = None) -> int:
    """Bring the chunks and groups of these jobs to where their jobs stand; answer how many moved."""
    ordered, decides = sorted(set(numbers)), deciding or Deciding()
    some = (ordered[start : start + AT_ONCE] for start in range(0, len(ordered), AT_ONCE))
    return sum(do_in_parts(part, partial(_settle_batch, deciding=decides), _set_apart) for part in some)


def _set_apart(number: int, why: Exception) -> None:
    """Leave a job's chunk or group where it is: what is wrong with it holds up no other."""
    for model in (Chunk, MergeGroup):
        for task in model._default_manager.filter(job_id=number).values_list("task", flat=True):
            incident(task, SERVICE, why)


@transaction.atomic
def _settle_batch(numbers: Collection[int], deciding: Deciding) -> int:
    # Of a type that this version of the product does not know nothing can be said.
    owners = [owner for owner in _locked(numbers) if owner.task.type in TaskType.values]
    views = jobs.views({owner.job_id for owner in owners if owner.job_id})
    found = [(owner, view, _find(owner, view, deciding)) for owner in owners if (view := views.get(owner.job_id or 0))]
    moving = [(owner, view, finding) for owner, view, finding in found if finding and finding.state != owner.state]
    # What a job has stored is asked for only where it is to be there.
    stored = jobs.stored([view.id for _, view, finding in moving if finding.state == ChunkState.FINISHED])
    steps, made = [], []
    for owner, view, found_out in moving:
        wanted = wanted_of(owner) if found_out.state == ChunkState.FINISHED else {}
        files = {file.lfn: file for file in stored.get(view.id, [])}
        finding = _held_against(found_out, view, wanted, files)
        step = _step_to(owner, finding, {**_made(owner, view, files, wanted), **_next(finding)})
        if step is None:
            continue
        steps.append((step, view))
        if finding.state == ChunkState.FINISHED and wanted:
            made.append(Made(owner, view, wanted, files))
    move_each([step for step, _ in steps], by=SERVICE)
    keep(made, by=SERVICE)
    for step, view in steps:
        if isinstance(step.row, MergeGroup):
            remaking.remake_vanished(step.row, view, by=SERVICE)
    moved = {id(step.row) for step, _ in steps}
    held = {id(owner) for owner, _, _ in found if _hold_back(owner)}
    return len(moved | held)


def _locked(numbers: Collection[int]) -> list[Owner]:
    """Read the chunks and groups of jobs, which nobody else can move until the transaction's end."""
    found: list[Owner] = []
    for model in (Chunk, MergeGroup):
        rows = model._default_manager.filter(job_id__in=numbers).order_by("pk")
        # By themselves: their runs and tasks are nobody's here.
        keys = [row.pk for row in rows.select_for_update().only("pk")]
        rows = model._default_manager.filter(pk__in=keys).select_related("run", "task__site")
        # A list of files is megabytes, and would be read with each row of its task.
        found += rows.defer("task__filelist").order_by("pk")
    return found


def _find(owner: Owner, view: JobView, deciding: Deciding) -> Finding | None:
    """Say where a chunk or a group comes to by its job; nothing where what was decided stands."""
    # What was decided stands until the job has had another attempt, whatever has become of the rules since.
    if ended_badly(view) and owner.state in _DECIDED and view.attempt + owner.ahead <= owner.attempts:
        return None
    decision = deciding.decide(owner, view) if ended_badly(view) else None
    if isinstance(owner, Chunk):
        ordered = owner.events_ordered if chain_of(owner.task.type).exact else None
        return judge_chunk(view, ordered=ordered, decision=decision)
    return judge_group(view, decision=decision)


def _held_against(
    finding: Finding, view: JobView, wanted: Mapping[OutputKind, str], files: Mapping[str, jobs.Stored]
) -> Finding:
    """Answer the same, or that a person has to look: its job has finished without one of its files."""
    missing = [lfn for kind, lfn in wanted.items() if lfn not in files and kind not in MAY_BE_MISSING]
    if not missing:
        return finding
    return Finding(ChunkState.MANUAL_CHECK, f"its job {view.id} finished, but stored no {', '.join(missing)}")


def _hold_back(owner: Owner) -> bool:
    """Take a job out of the queue again that came back to it after its user's task was paused: its pilot was lost."""
    if not isinstance(owner, Chunk) or owner.state != ChunkState.SENT:
        return False
    if owner.task.type != TaskType.USER_ANALYSIS or owner.task.state != TaskState.PAUSED:
        return False
    return bool(hold_chunks([owner], by=SERVICE, words="its pilot was lost while the task is paused"))


def _made(
    owner: Owner, view: JobView, files: Mapping[str, jobs.Stored], wanted: Mapping[OutputKind, str]
) -> dict[str, object]:
    """What is written beside the new state."""
    attempts = attempts_of(owner, view)
    if isinstance(owner, Chunk):
        return {"attempts": attempts, "events_done": view.events}
    sizes = [files[lfn].size for lfn in wanted.values() if lfn in files]
    return {"attempts": attempts, "events_found": view.events, "size": sizes[0] if sizes else None}


def _next(finding: Finding) -> dict[str, object]:
    """What is written of what comes next: when it is tried again, if it is, and which rule said so."""
    due = None if finding.delay is None else timezone.now() + timedelta(seconds=finding.delay)
    said: dict[str, object] = {"due": due, "rule": finding.rule}
    if finding.state == ChunkState.DEFINED:
        said["job_id"] = None  # its input comes first, and then another job
    return said


def _step_to(owner: Owner, finding: Finding, values: dict[str, object]) -> Step | None:
    """Go in one step, or by way of ``sent`` where the moves between were not seen; nothing where no way leads there."""
    kind, table = (ChunkState, CHUNK_MOVES) if isinstance(owner, Chunk) else (GroupState, GROUP_MOVES)
    before, after = kind(owner.state), kind(finding.state)
    if before == after:
        return None
    if (before, after) in table:
        return Step(owner, after, finding.words, values)
    if (before, kind.SENT) in table and (kind.SENT, after) in table:
        return Step(owner, after, finding.words, values, by_way_of=kind.SENT)
    return None
