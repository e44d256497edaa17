"""Step: what became of jobs, from the task buffer's events; bulk, and never one job at a time.

The events only say which jobs to look at; what they became is read from the jobs themselves, so that the same
event twice, or two in the wrong order, harms nothing. Event numbers are given before a transaction ends: on a database
with several writers a smaller number may appear after a larger one. `sweep` finds what `collect` passed by so.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from server.production import jobs, remaking
from server.production.archive.door import made_anew
from server.production.chains import MAY_BE_MISSING, chain_of
from server.production.door import move
from server.production.files import RESULT_OF
from server.production.frames import names_of
from server.production.judging import Finding, JobView, ended_badly, judge_chunk, judge_group
from server.production.limits import limits
from server.production.models import Chunk, Cursor, MergeGroup, MergeInput, Output
from server.production.rules.deciding import Deciding, attempts_of
from server.production.states import (
    CHUNK_MOVES,
    GROUP_MOVES,
    ChunkState,
    GroupState,
    MergeKind,
    OutputKind,
    TaskState,
    TaskType,
    values,
)
from server.production.stopping import hold_chunks

SERVICE = "production.collect"

#: Events, and jobs, of one transaction: short, since pilots wait for it where the database has one writer.
AT_ONCE = 50

Owner = Chunk | MergeGroup

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
    """Look at the jobs of everything that is still open, whatever the events say; answer how many moved."""
    chunks = Chunk.objects.filter(state__in=values((ChunkState.SENT, ChunkState.RUNNING)), job_id__isnull=False)
    groups = MergeGroup.objects.filter(state=GroupState.SENT, job_id__isnull=False)
    numbers = [*chunks.values_list("job_id", flat=True), *groups.values_list("job_id", flat=True)]
    return settle({number for number in numbers if number is not None})


def settle(numbers: Collection[int], deciding: Deciding | None = None) -> int:
    """Bring the chunks and groups of these jobs to where their jobs stand; answer how many moved."""
    ordered, decides = sorted(numbers), deciding or Deciding()
    return sum(_settle_batch(ordered[start : start + AT_ONCE], decides) for start in range(0, len(ordered), AT_ONCE))


@transaction.atomic
def _settle_batch(numbers: Collection[int], deciding: Deciding) -> int:
    chunks = list(Chunk.objects.filter(job_id__in=numbers).select_related("run", "task"))
    groups = list(MergeGroup.objects.filter(job_id__in=numbers).select_related("run", "task"))
    owners: list[Owner] = [*chunks, *groups]
    mine = {owner.job_id for owner in owners if owner.job_id}
    views, stored = jobs.views(mine), jobs.stored(mine)
    moved = 0
    for owner in owners:
        view = views.get(owner.job_id or 0)
        if view is not None:
            moved += _settle(owner, view, stored.get(view.id, []), deciding)
    return moved


def _settle(owner: Owner, view: JobView, stored: list[jobs.Stored], deciding: Deciding) -> bool:
    """Move one chunk or group, with what its job has made; False when it is there already."""
    # What was decided stands until the job has had another attempt, whatever has become of the rules since.
    if ended_badly(view) and owner.state in _DECIDED and view.attempt + owner.ahead <= owner.attempts:
        return False
    decision = deciding.decide(owner, view) if ended_badly(view) else None
    if isinstance(owner, Chunk):
        ordered = owner.events_ordered if chain_of(owner.task.type).exact else None
        finding, wanted = judge_chunk(view, ordered=ordered, decision=decision), _wanted_of_chunk(owner)
    else:
        finding, wanted = judge_group(view, decision=decision), _wanted_of_group(owner)
    if finding.state == owner.state:
        return _hold_back(owner)
    files = {file.lfn: file for file in stored}
    missing = [lfn for kind, lfn in wanted.items() if lfn not in files and kind not in MAY_BE_MISSING]
    if finding.state == ChunkState.FINISHED and missing:
        finding = Finding(ChunkState.MANUAL_CHECK, f"its job {view.id} finished, but stored no {', '.join(missing)}")
    if not _go(owner, finding, {**_made(owner, view, files, wanted), **_next(finding)}):
        return False
    if finding.state == ChunkState.FINISHED and wanted:
        _keep_outputs(owner, view, files, wanted)
    if isinstance(owner, MergeGroup):
        remaking.remake_vanished(owner, view, by=SERVICE)
    _hold_back(owner)
    return True


def _hold_back(owner: Owner) -> bool:
    """Take a job out of the queue again that came back to it after its user's task was paused: its pilot was lost."""
    if not isinstance(owner, Chunk) or owner.state != ChunkState.SENT:
        return False
    if owner.task.type != TaskType.USER_ANALYSIS or owner.task.state != TaskState.PAUSED:
        return False
    return bool(hold_chunks([owner], by=SERVICE, words="its pilot was lost while the task is paused"))


def _made(
    owner: Owner, view: JobView, files: dict[str, jobs.Stored], wanted: dict[OutputKind, str]
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


def _go(owner: Owner, finding: Finding, made: dict[str, object]) -> bool:
    """Move in one step, or by way of ``sent`` where the moves between were not seen."""
    kind, table = (ChunkState, CHUNK_MOVES) if isinstance(owner, Chunk) else (GroupState, GROUP_MOVES)
    before, after = kind(owner.state), kind(finding.state)
    if (before, after) not in table:
        if (before, kind.SENT) not in table or (kind.SENT, after) not in table:
            return False
        if not move(owner, kind.SENT, by=SERVICE):
            return False
    return move(owner, after, by=SERVICE, words=finding.words, **made)


def _wanted_of_chunk(chunk: Chunk) -> dict[OutputKind, str]:
    if not chain_of(chunk.task.type).outputs:
        return {}  # its pilot has seen to it that all were stored
    return names_of(chunk.task).chunk_files(chunk.run.number, chunk.number)


def _wanted_of_group(group: MergeGroup) -> dict[OutputKind, str]:
    kind = MergeKind(group.kind)
    return {RESULT_OF[kind]: names_of(group.task).merged_file(kind, group.run.number, group.number)}


def _keep_outputs(owner: Owner, view: JobView, files: dict[str, jobs.Stored], wanted: dict[OutputKind, str]) -> None:
    """Write the rows of the files; for one that is there already (a person ran the job again) write it anew."""
    kinds = {lfn: kind for kind, lfn in wanted.items()}
    _take_from_others(owner, files)
    made_anew(files.values(), by=SERVICE)
    link = {"chunk": owner} if isinstance(owner, Chunk) else {"group": owner}
    for file in files.values():
        kind = kinds.get(file.lfn, OutputKind.LOG)
        counted = kind in (OutputKind.GENERATED, OutputKind.MDST, OutputKind.MERGED_MDST)
        Output.objects.update_or_create(
            dataset=file.dataset,
            lfn=file.lfn,
            defaults={
                "task_id": owner.task_id,
                "run_id": owner.run_id,
                **link,
                "kind": kind.value,
                "endpoint": file.endpoint,
                "url": file.url,
                "size": file.size,
                "checksum": file.checksum,
                "events": view.events if counted else None,
                "job_file_id": file.id,
            },
        )


def _take_from_others(owner: Owner, files: dict[str, jobs.Stored]) -> None:
    """Take files out of the merges of a cancelled task that had the same names: it is this task's file now."""
    same = MergeInput.objects.filter(
        output__lfn__in=files, output__dataset__in={file.dataset for file in files.values()}
    )
    same.exclude(output__task_id=owner.task_id).delete()
