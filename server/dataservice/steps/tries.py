"""What follows when a file of a request did not go well: another try after a pause, or its end and what hangs on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from server.dataservice.door import Step, batches
from server.dataservice.limits import DAY, HOUR, limits
from server.dataservice.logic.files import give_up, move_replicas
from server.dataservice.models import DatasetFile, Replica, Transfer
from server.dataservice.states import LIVING, Answer, ReplicaState, TransferKind, TransferState, values
from server.dataservice.truth import GONE, Expected


def again(transfer: Transfer, words: str, now: datetime, *, answer: Answer | None = None) -> Step:
    """Order another try of a file, or end it when it has had all of them."""
    told = {"answer": answer.value if answer else "", "answer_since": None, "submission": None, "pinned_until": None}
    if transfer.tries >= transfer.allowed:
        return Step(transfer, TransferState.FAILED, f"after {transfer.tries} tries: {words}", told)
    due = now + limits(transfer.kind).backoff(transfer.tries)
    # What was refused at once is requested still.
    after = None if transfer.state == TransferState.REQUESTED else TransferState.REQUESTED
    return Step(transfer, after, words, {**told, "due": due})


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def not_after(column: str, moment: datetime) -> Q:
    """Say that a time has come; one that lies further ahead than anything is put off was set by a wrong clock."""
    farthest = seconds(max(DAY, limits().look_every) + HOUR)
    return Q(**{f"{column}__lte": moment}) | Q(**{f"{column}__gt": moment + farthest})


def paths_of(transfers: Iterable[Transfer]) -> dict[int, str]:
    """Answer where the files of transfers lie at their storages, by the number of the transfer."""
    rows = list(transfers)
    found: dict[tuple[int, str], str] = {}
    for batch in batches([row.file_id for row in rows]):
        replicas = Replica.objects.filter(file_id__in=batch).values_list("file_id", "endpoint", "path")
        found.update({(file, endpoint): path for file, endpoint, path in replicas})
    return {row.pk: found[row.file_id, row.endpoint] for row in rows if (row.file_id, row.endpoint) in found}


def expected_of(transfers: Iterable[Transfer]) -> dict[int, Expected]:
    """Answer what should lie at the storages, by the number of the transfer."""
    rows = list(transfers)
    files: dict[int, tuple[int | None, str]] = {}
    seen: set[tuple[int, str]] = set()
    for batch in batches([row.file_id for row in rows]):
        facts = DatasetFile.objects.filter(pk__in=batch).values_list("pk", "size", "checksum")
        files.update({key: (size, checksum) for key, size, checksum in facts})
        there = Replica.objects.filter(file_id__in=batch, seen__isnull=False)
        seen.update(there.values_list("file_id", "endpoint"))
    return {row.pk: Expected(*files[row.file_id], seen=(row.file_id, row.endpoint) in seen) for row in rows}


def follow_failures(steps: Sequence[Step], now: datetime) -> None:
    """Tell catalogue and waiting jobs what the end of transfers means. Belongs into the transaction that ends them."""
    for step in steps:
        if step.after is TransferState.FAILED:
            _FOLLOW[TransferKind(step.transfer.kind)](step.transfer, now)


def _prestage_failed(transfer: Transfer, now: datetime) -> None:
    if transfer.answer in GONE:
        move_replicas([transfer.file_id], transfer.endpoint, ReplicaState.LOST, now=now)
    others = Transfer.objects.filter(file=transfer.file_id, state__in=values(LIVING)).exclude(pk=transfer.pk)
    if not others.exclude(kind=TransferKind.DELETE).exists():
        give_up(
            [transfer.file_id], f"input {transfer.file.lfn} does not come from {transfer.endpoint}: {transfer.words}"
        )


def _copy_failed(transfer: Transfer, now: datetime) -> None:
    rows = Replica.objects.filter(file=transfer.file_id, endpoint=transfer.endpoint)
    if rows.filter(state=ReplicaState.COPYING).exists() or transfer.answer in GONE:
        move_replicas([transfer.file_id], transfer.endpoint, ReplicaState.LOST, now=now)


def _delete_failed(transfer: Transfer, now: datetime) -> None:
    row = Replica.objects.filter(file=transfer.file_id, endpoint=transfer.endpoint).first()
    if row is not None:
        after = ReplicaState.ON_TAPE if row.on_tape else ReplicaState.AVAILABLE
        move_replicas([transfer.file_id], transfer.endpoint, after, now=now, only=[ReplicaState.REMOVING])


_FOLLOW = {
    TransferKind.PRESTAGE: _prestage_failed,
    TransferKind.ARCHIVE: _copy_failed,
    TransferKind.REPLICATE: _copy_failed,
    TransferKind.DELETE: _delete_failed,
}
