"""The one door for moves of transfers and datasets: only from the state that was read, with an event for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from server.dataservice.models import Dataset, DatasetEvent, Transfer, TransferEvent, TransferRequest
from server.dataservice.states import (
    DATASET_MOVES,
    LIVING,
    REQUEST_MOVES,
    TRANSFER_MOVES,
    DatasetState,
    RequestState,
    TransferKind,
    TransferState,
    values,
)
from server.lib.moves import IllegalMove, move

#: Rows of one statement.
BATCH = 500


@dataclass(frozen=True)
class Step:
    """One transfer, where it goes (``None``: it stays), and further columns. ``words`` stand in row and event."""

    transfer: Transfer
    after: TransferState | None
    words: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)


def locked(keys: Iterable[int], states: Sequence[TransferState]) -> list[Transfer]:
    """Read transfers again, as they stand, with their files; those in other states are left out.

    Belongs into the transaction that moves them.
    """
    found: list[Transfer] = []
    for batch in batches(list(keys)):
        rows = Transfer.objects.select_for_update().filter(pk__in=batch, state__in=values(states)).order_by("pk")
        found += rows
    return found


def move_all(steps: Sequence[Step], *, by: str, now: datetime, ends: bool = True) -> None:
    """Move transfers that were read in this transaction, and end the requests of which none is left.

    ``ends`` is false where another move of the same files follows in the same transaction.

    Raises:
        IllegalMove: the table of their kind has no such line; nothing was moved.
    """
    for step in steps:
        before = TransferState(step.transfer.state)
        if step.after is not None and (before, step.after) not in TRANSFER_MOVES[TransferKind(step.transfer.kind)]:
            raise IllegalMove(before, step.after)
    with transaction.atomic():
        moved = [step for step in steps if step.after is not None]
        events = [_event(step, step.after, by, now) for step in moved if step.after is not None]
        _write(steps, now)
        TransferEvent.objects.bulk_create(events, batch_size=BATCH)
        if ends:
            end_requests({step.transfer.request_id for step in moved if step.after not in LIVING}, now)


def _event(step: Step, after: TransferState, by: str, now: datetime) -> TransferEvent:
    return TransferEvent(
        transfer_id=step.transfer.pk,
        before=step.transfer.state,
        after=after.value,
        tries=step.columns.get("tries", step.transfer.tries),
        at=now,
        by=by[:250],
        words=step.words[:500],
    )


def _write(steps: Sequence[Step], now: datetime) -> None:
    """Write what many have in common with one statement for them all."""
    alike: dict[tuple[tuple[str, Any], ...], list[int]] = defaultdict(list)
    for step in steps:
        changes = _changes(step, now)
        alike[tuple(sorted(changes.items()))].append(step.transfer.pk)
        for name, value in changes.items():
            setattr(step.transfer, name, value)
    alike.pop((), None)
    for same, keys in alike.items():
        for batch in batches(keys):
            Transfer.objects.filter(pk__in=batch).update(**dict(same))


def _changes(step: Step, now: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {**step.columns}
    if step.words or step.after is not None:
        changes["words"] = step.words[:500]
    if step.after is not None:
        changes.update(state=step.after.value, since=now)
        if step.after not in LIVING:
            changes["busy"] = None  # others may have the file now
    return changes


def note_late(said: Mapping[int, str], *, by: str, now: datetime) -> None:
    """Write down what a storage said of files that were given up meanwhile. It changes nothing.

    Args:
        said: The storage's words, by the number of the transfer; what was not given up is passed over.
        by: Who had asked.
        now: The time.
    """
    for batch in batches(sorted(said)):
        given_up = Transfer.objects.filter(pk__in=batch, request__given_up_at__isnull=False)
        over = given_up.exclude(state__in=values(LIVING)).order_by("pk")
        words = {one.pk: f"said too late, when it was given up: {said[one.pk]}" for one in over}
        notes = [_event(Step(one, None, words[one.pk]), TransferState(one.state), by, now) for one in over]
        TransferEvent.objects.bulk_create(notes, batch_size=BATCH)


def end_requests(keys: Collection[int], now: datetime) -> None:
    """End those of these requests of which every file has come to an end."""
    if not keys:
        return
    living = Transfer.objects.filter(request_id__in=keys, state__in=values(LIVING))
    open_still = set(living.order_by().values_list("request_id", flat=True).distinct())
    over = [key for key in keys if key not in open_still]
    failed = Transfer.objects.filter(request_id__in=over, state=TransferState.FAILED)
    with_failures = set(failed.order_by().values_list("request_id", flat=True).distinct())
    for key in over:
        after = RequestState.FAILED if key in with_failures else RequestState.DONE
        move(TransferRequest.objects.filter(pk=key), RequestState.OPEN, after, moves=REQUEST_MOVES, closed=now)


@transaction.atomic
def move_dataset(dataset: Dataset, after: DatasetState, *, by: str, now: datetime, words: str = "") -> bool:
    """Move a dataset from the state in which it was read; say whether it was still in it.

    Raises:
        IllegalMove: there is no such move.
    """
    before = DatasetState(dataset.state)
    rows = Dataset.objects.filter(pk=dataset.pk)
    if not move(rows, before, after, moves=DATASET_MOVES, changed=now):
        return False
    dataset.state, dataset.changed = after.value, now
    note_dataset(dataset, before.value, by=by, now=now, words=words)
    return True


def note_dataset(dataset: Dataset, before: str, *, by: str, now: datetime, words: str = "") -> None:
    """Write an event of a dataset: that of a move that has just been made, or words."""
    DatasetEvent.objects.create(
        dataset=dataset, before=before, after=dataset.state, at=now, by=by[:250], words=words[:500]
    )


def note_new(datasets: Sequence[Dataset], *, by: str, now: datetime) -> None:
    """Write the first event of those datasets of these that have none: of others, whoever made them has done it."""
    for batch in batches(datasets):
        told = set(DatasetEvent.objects.filter(dataset__in=batch).values_list("dataset", flat=True))
        new = [one for one in batch if one.pk not in told]
        rows = [DatasetEvent(dataset=one, before="", after=one.state, at=now, by=by[:250]) for one in new]
        DatasetEvent.objects.bulk_create(rows)


def batches(keys: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Cut a list into pieces of which each fits into one statement."""
    return (keys[start : start + BATCH] for start in range(0, len(keys), BATCH))
