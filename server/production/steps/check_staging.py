"""Step: what has come from tape, what has not, and what has left the disk again, from the data service's rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from server.dataservice.lookups import Standing, is_on_disk, standings
from server.dataservice.models import Transfer
from server.dataservice.states import TransferState
from server.lib.parts import do_in_parts
from server.production.limits import Limits
from server.production.models import Chunk, Task
from server.production.reference.known import Known, read_known
from server.production.staging.asking import Judged, follow, move_chunks, release
from server.production.staging.models import StagedFile
from server.production.staging.rules import Told, Tries, judge_arrival, judge_loss
from server.production.staging.sources import arriving, left_the_disk, not_needed
from server.production.staging.states import StagedState
from server.production.states import ChunkState
from server.production.steps.apart import incident

SERVICE = "production.check_staging"
RELEASE = "production.release"
#: Files of one run of a service, and of one transaction: pilots wait for it where the database has one writer.
MOST, AT_ONCE = 5000, 400

#: In these nothing is new of a file.
_COMING = (TransferState.REQUESTED, TransferState.QUEUED, TransferState.ACTIVE, TransferState.ON_DISK)


def check_staging(now: datetime | None = None) -> int:
    """Bring chunks to where their files are; answer how many have moved."""
    at, known = now or timezone.now(), read_known()
    return _follow(_news(), ChunkState.STAGING, known, at) + _follow(left_the_disk(), ChunkState.STAGED, known, at)


def _news() -> QuerySet[StagedFile]:
    """Select the files in staging that have come, have failed, or that nobody brings any more."""
    mine = Transfer.objects.filter(request=OuterRef("prestage__request"), file=OuterRef("file"))
    told = arriving().annotate(told=Subquery(mine.values("state")[:1]))
    return told.filter(Q(told=None) | ~Q(told__in=[state.value for state in _COMING]))


def _follow(rows: QuerySet[StagedFile], before: ChunkState, known: Known, now: datetime) -> int:
    found = list(rows.select_related("prestage", "chunk").order_by("pk")[:MOST])
    some = (found[at : at + AT_ONCE] for at in range(0, len(found), AT_ONCE))
    settle = partial(_settle, before=before, known=known, now=now)
    return sum(do_in_parts(part, settle, _set_apart) for part in some)


def _set_apart(row: StagedFile, why: Exception) -> None:
    incident(row.chunk.task_id, SERVICE, why)


def _settle(rows: Sequence[StagedFile], before: ChunkState, known: Known, now: datetime) -> int:
    told = _told(rows)
    tasks = Task.objects.defer("filelist").in_bulk({row.chunk.task_id for row in rows})
    bounds = {key: known.limits_for(task) for key, task in tasks.items()}
    judged = (_judge(row, told.get(row.pk), before, bounds[row.chunk.task_id], now) for row in rows)
    return follow([one for one in judged if one is not None], before, by=SERVICE, now=now)


def _told(rows: Collection[StagedFile]) -> dict[int, Standing]:
    """Answer how far the files of these rows are: a query for each request."""
    # A file may be needed by more than one chunk.
    by_request: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.prestage is not None and row.file is not None:
            by_request[row.prestage.request][row.file].append(row.pk)
    return {
        key: one
        for request, keys in by_request.items()
        for file, one in standings(request, keys.keys()).items()
        for key in keys[file]
    }


def _judge(
    row: StagedFile, standing: Standing | None, before: ChunkState, bounds: Limits, now: datetime
) -> Judged | None:
    tries = Tries(row.attempts, bounds.prestage_attempts, bounds.prestage_delay)
    told = Told(standing.state, standing.words, standing.wanted_until) if standing else Told(None)
    if before is ChunkState.STAGED:
        return Judged(row, judge_loss(told, tries, endpoint=row.endpoint, now=now))
    request = row.prestage.request if row.prestage else None
    verdict = judge_arrival(told, tries, request=request, now=now)
    return Judged(row, verdict, told.wanted_until) if verdict else None


def readable(chunks: Sequence[Chunk], tapes: Collection[str], now: datetime) -> list[Chunk]:
    """Answer which staged chunks may be sent: those whose file is on disk now. The others wait for it again.

    Args:
        chunks: Some chunks that are staged.
        tapes: The storages with tapes; files elsewhere are taken to be there.
        now: The time.
    """
    ready = StagedFile.objects.filter(is_on_disk("file", "endpoint"), chunk__in=chunks, state=StagedState.ON_DISK)
    there = set(ready.values_list("pk", flat=True))
    on_tape = Chunk.objects.filter(pk__in=[chunk.pk for chunk in chunks], raw__endpoint__in=tapes)
    gone = set(on_tape.values_list("pk", flat=True)) - there
    if not gone:
        return list(chunks)
    rows = StagedFile.objects.filter(pk__in=gone, state=StagedState.ON_DISK).select_related("prestage", "chunk")
    lost = list(rows)
    _settle(lost, ChunkState.STAGED, read_known(), now)
    # What was never looked after, or was let go, is looked for as if for the first time.
    rest = gone - {row.pk for row in lost}
    move_chunks(rest, ChunkState.STAGED, ChunkState.DEFINED, by=SERVICE, words="its file may not be on disk any more")
    return [chunk for chunk in chunks if chunk.pk not in gone]


def release_unneeded(now: datetime | None = None) -> int:
    """Let go of the files that neither their chunk nor another task's needs any more; answer how many."""
    at = now or timezone.now()
    keys = list(not_needed().order_by("pk").values_list("pk", flat=True)[:MOST])
    return sum(let_go_of(keys[start : start + AT_ONCE], at) for start in range(0, len(keys), AT_ONCE))


@transaction.atomic
def let_go_of(keys: Collection[int], now: datetime) -> int:
    """Let go of the files of those of these chunks that still do not need them; answer how many.

    One that was sent again since it was looked for has its file asked for by now: that is not let go.
    """
    list(Chunk.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk", flat=True))
    return release(list(not_needed().filter(pk__in=keys).values_list("pk", flat=True)), by=RELEASE, now=now)
