"""What the end of a transfer means to the catalogue and to waiting jobs: some statements, however many end at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.db.models import QuerySet

from server.dataservice.door import Step, batches
from server.dataservice.logic.files import move_replicas, tell_hopeless
from server.dataservice.models import DatasetFile, Replica, Transfer, Wait
from server.dataservice.states import LIVING, ReplicaState, TransferKind, TransferState, values
from server.dataservice.truth import GONE


def follow_failures(steps: Iterable[Step], now: datetime) -> None:
    """Tell catalogue and waiting jobs what the failure of transfers means. Belongs into the transaction that ends them.

    The transfers have been moved already.
    """
    failed: dict[tuple[TransferKind, str], list[Transfer]] = defaultdict(list)
    for step in steps:
        if step.after is TransferState.FAILED:
            failed[TransferKind(step.transfer.kind), step.transfer.endpoint].append(step.transfer)
    for (kind, endpoint), transfers in sorted(failed.items()):
        _FOLLOW[kind](transfers, endpoint, now)


def _prestages_failed(transfers: Sequence[Transfer], endpoint: str, now: datetime) -> None:
    gone = [one.file_id for one in transfers if one.answer in GONE]
    move_replicas(gone, endpoint, ReplicaState.LOST, now=now)
    words = {one.file_id: one.words for one in transfers}
    for batch in batches(sorted(words)):
        waited = set(Wait.objects.filter(file_id__in=batch, ready=False).values_list("file_id", flat=True))
        others = Transfer.objects.filter(file_id__in=waited, state__in=values(LIVING))
        coming = set(others.exclude(kind=TransferKind.DELETE).values_list("file_id", flat=True))
        names = DatasetFile.objects.filter(pk__in=waited - coming).values_list("pk", "lfn")
        for file, lfn in names:
            tell_hopeless([file], f"input {lfn} does not come from {endpoint}: {words[file]}")


def _copies_failed(transfers: Sequence[Transfer], endpoint: str, now: datetime) -> None:
    files = [one.file_id for one in transfers]
    copying = _files_at(endpoint, files, Replica.objects.filter(state=ReplicaState.COPYING))
    lost = [one.file_id for one in transfers if one.file_id in copying or one.answer in GONE]
    move_replicas(lost, endpoint, ReplicaState.LOST, now=now)


def _deletes_failed(transfers: Sequence[Transfer], endpoint: str, now: datetime) -> None:
    files = {one.file_id for one in transfers}
    on_tape = _files_at(endpoint, files, Replica.objects.filter(on_tape=True))
    removing = [ReplicaState.REMOVING]
    move_replicas(on_tape, endpoint, ReplicaState.ON_TAPE, now=now, only=removing)
    move_replicas(files - on_tape, endpoint, ReplicaState.AVAILABLE, now=now, only=removing)


def _files_at(endpoint: str, files: Collection[int], rows: QuerySet[Replica]) -> set[int]:
    return {
        file
        for batch in batches(sorted(files))
        for file in rows.filter(endpoint=endpoint, file_id__in=batch).values_list("file_id", flat=True)
    }


_FOLLOW = {
    TransferKind.PRESTAGE: _prestages_failed,
    TransferKind.ARCHIVE: _copies_failed,
    TransferKind.REPLICATE: _copies_failed,
    TransferKind.DELETE: _deletes_failed,
}


def unpin(rows: Sequence[Transfer], now: datetime) -> None:
    """Say of files of prestages that nothing keeps them on disk any more, unless another request does."""
    for endpoint in sorted({row.endpoint for row in rows}):
        files = {row.file_id for row in rows if row.endpoint == endpoint}
        kept: set[int] = set()
        pinned = Transfer.objects.filter(kind=TransferKind.PRESTAGE, endpoint=endpoint, state=TransferState.PINNED)
        for batch in batches(sorted(files)):
            kept.update(pinned.filter(file_id__in=batch).values_list("file_id", flat=True))
        readable = [ReplicaState.AVAILABLE]
        move_replicas(files - kept, endpoint, ReplicaState.ON_TAPE, now=now, on_tape=True, only=readable)
