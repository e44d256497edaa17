"""Datasets and what belongs to them, as somebody knows it: registered, filled, closed, frozen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from pilot.contract.codec import ContractError
from server.dataservice import door
from server.dataservice.door import BATCH, batches
from server.dataservice.logic.files import count, tell_waiting, weight_of
from server.dataservice.models import Dataset, DatasetFile, Replica
from server.dataservice.states import DatasetKind, DatasetState, FileState, ReplicaState
from server.dataservice.where import Places
from server.services.wake import wake

#: As much as the columns hold.
LONGEST = {"scope": 30, "name": 255, "lfn": 255, "checksum": 40, "guid": 64, "endpoint": 250}


class DatasetRefused(ValueError):
    """A dataset cannot be had, or cannot take what it was given; the message says why and what to do."""


@dataclass(frozen=True)
class NewFile:
    """A file that exists. ``size`` in bytes; ``checksum`` as ``adler32:xxxxxxxx``; unknown ones are left out."""

    lfn: str
    size: int | None = None
    checksum: str = ""
    guid: str = ""
    events: int | None = None


@transaction.atomic
def register_dataset(name: str, *, kind: DatasetKind, by: str, scope: str = "", now: datetime | None = None) -> Dataset:
    """Make a dataset, or answer the one that there is.

    Raises:
        DatasetRefused: a name is empty or too long, or the dataset is a user's.
    """
    if not name:
        raise DatasetRefused("name: a dataset has a name")
    _check_lengths(scope=scope, name=name)
    owners = {(scope, name): ""}
    (dataset,) = make_datasets([(scope, name, kind)], by=by, now=now or timezone.now(), owners=owners).values()
    if dataset.owner:
        raise DatasetRefused(f"name: dataset {dataset} is {dataset.whose}; give a name that is free")
    return dataset


def make_datasets(
    wanted: Collection[tuple[str, str, DatasetKind]],
    *,
    by: str,
    now: datetime,
    owners: Mapping[tuple[str, str], str] | None = None,
) -> dict[tuple[str, str], Dataset]:
    """Answer datasets by scope and name; those that are missing are made. Belongs into a transaction.

    Args:
        wanted: Scope, name and kind of each.
        by: Who makes them.
        now: The time.
        owners: Whose those of them become that are nobody's; the others stay nobody's. Those that are somebody's
            stay so, whoever asks.
    """
    owned = owners or {}
    kinds = {(scope, name): kind for scope, name, kind in wanted}
    found = _named(kinds)
    missing = sorted(set(kinds) - set(found))
    known = {
        key: {"kind": kinds[key].value, "owner": owned.get(key), "created": now, "changed": now} for key in missing
    }
    fresh = [Dataset(scope=scope, name=name, **known[scope, name]) for scope, name in missing]
    Dataset.objects.bulk_create(fresh, batch_size=BATCH, ignore_conflicts=True)
    made = _named(missing)
    door.note_new([made[key] for key in missing if key in made], by=by, now=now)
    found |= made
    for scope, name in sorted(set(missing) - set(made)):  # a database may take it for the same as another one
        found[scope, name] = Dataset.objects.get_or_create(scope=scope, name=name, defaults=known[scope, name])[0]
    for owner in sorted(set(owned.values())):
        nobodys = [found[key] for key in owned if owned[key] == owner and key in found and found[key].owner is None]
        _give(nobodys, owner)
    return found


def _named(keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Dataset]:
    """Answer those that there are of these scopes and names."""
    wanted, found = set(keys), dict[tuple[str, str], Dataset]()
    for batch in batches(sorted(wanted)):
        rows = Dataset.objects.filter(name__in={name for _, name in batch}).order_by("pk")
        found.update({(row.scope, row.name): row for row in rows if (row.scope, row.name) in wanted})
    return found


def _give(datasets: Sequence[Dataset], owner: str) -> None:
    """Make datasets somebody's that were nobody's; each is another's if that one was faster."""
    for batch in batches(datasets):
        rows = Dataset.objects.filter(pk__in=[dataset.pk for dataset in batch])
        all_given = rows.filter(owner=None).update(owner=owner) == len(batch)
        now = {} if all_given else dict(rows.values_list("pk", "owner"))
        for dataset in batch:
            dataset.owner = owner if all_given else now[dataset.pk]


@transaction.atomic
def add_files(
    dataset: Dataset,
    files: Iterable[NewFile],
    *,
    by: str,
    endpoint: str = "",
    on_tape: bool = False,
    now: datetime | None = None,
) -> list[int]:
    """Write down files that exist, in bulk; answer their numbers in the same order.

    A file that is known already gets what was not known of it, and the replica.

    Args:
        dataset: Where they belong.
        files: The files.
        by: Who says so.
        endpoint: The storage that has them; none when it is said later.
        on_tape: They are on tape there, and have to be asked for.
        now: The time.

    Raises:
        DatasetRefused: the dataset is closed, a text is too long, a name comes twice, or a file is known with another
            size or checksum; nothing was written.
    """
    wanted, at = list(files), now or timezone.now()
    _check_files(wanted, endpoint)
    locked = Dataset.objects.select_for_update().get(pk=dataset.pk)
    if locked.state != DatasetState.OPEN:
        raise DatasetRefused(f"dataset {locked} is {locked.state}; reopen it, or make another one")
    known = _known(dataset, [file.lfn for file in wanted])
    rows = [_merged(known.get(file.lfn), file, locked) for file in wanted]
    _save(rows, locked, has_replica=bool(endpoint), now=at)
    if endpoint:
        _add_replicas(rows, locked, endpoint, on_tape=on_tape)
    tell_waiting([row.pk for row in rows])
    transaction.on_commit(lambda: wake("dataservice.activate"))
    return [row.pk for row in rows]


def _check_files(files: Sequence[NewFile], endpoint: str) -> None:
    _check_lengths(endpoint=endpoint)
    if len({file.lfn for file in files}) != len(files):
        raise DatasetRefused("files: a name comes twice")
    for file in files:
        _check_lengths(lfn=file.lfn, checksum=file.checksum, guid=file.guid)
        if not file.lfn or (file.size is not None and not 0 <= file.size < 2**63):
            raise DatasetRefused(f"files: {file.lfn!r} with size {file.size}: give a name and bytes from 0 on")


def _check_lengths(**texts: str) -> None:
    for what, text in texts.items():
        if len(text) > LONGEST[what]:
            raise DatasetRefused(f"{what}: {text[:60]!r}... has {len(text)} characters; at most {LONGEST[what]}")


def _known(dataset: Dataset, lfns: Sequence[str]) -> dict[str, DatasetFile]:
    found: dict[str, DatasetFile] = {}
    for batch in batches(lfns):
        rows = DatasetFile.objects.select_for_update().filter(dataset=dataset, lfn__in=batch).order_by("pk")
        found.update({row.lfn: row for row in rows})
    return found


def _merged(row: DatasetFile | None, file: NewFile, dataset: Dataset) -> DatasetFile:
    """Answer the row of a file with what is newly known."""
    row = row or DatasetFile(dataset=dataset, lfn=file.lfn)
    for name in ("size", "checksum"):
        before, said = getattr(row, name), getattr(file, name)
        if before not in (None, "") and said not in (None, "") and before != said:
            raise DatasetRefused(f"{file.lfn}: {name} {said}, but {before} is known; delete it first, or correct it")
    row.size = file.size if row.size is None else row.size
    row.checksum = row.checksum or file.checksum
    row.guid = row.guid or file.guid
    row.events = file.events if row.events is None else row.events
    return row


def _save(rows: Sequence[DatasetFile], dataset: Dataset, *, has_replica: bool, now: datetime) -> None:
    """Write new and changed rows, and count what that makes."""
    old = [row for row in rows if not row._state.adding]
    before = {row.pk: weight_of(row) for row in DatasetFile.objects.filter(pk__in=[row.pk for row in old])}
    for row in rows:
        if has_replica and row.state != FileState.REPLACED:
            row.state = FileState.AVAILABLE.value
    changes = [(dataset.pk, weight_of(row) - before[row.pk] if row.pk in before else weight_of(row)) for row in rows]
    DatasetFile.objects.bulk_create([row for row in rows if row._state.adding], batch_size=door.BATCH)
    DatasetFile.objects.bulk_update(old, ["state", "size", "checksum", "guid", "events"], batch_size=100)
    count(changes, now)


def _add_replicas(rows: Sequence[DatasetFile], dataset: Dataset, endpoint: str, *, on_tape: bool) -> None:
    places = Places()
    state = ReplicaState.ON_TAPE if on_tape else ReplicaState.AVAILABLE
    try:
        made = [
            Replica(
                file=row,
                endpoint=endpoint,
                state=state.value,
                path=places.path(endpoint, lfn=row.lfn, scope=dataset.scope, dataset=dataset.name),
                on_tape=on_tape,
            )
            for row in rows
        ]
    except ContractError as wrong:
        raise DatasetRefused(str(wrong)) from wrong
    known = {
        key
        for batch in batches([row.pk for row in rows])
        for key in Replica.objects.filter(file_id__in=batch, endpoint=endpoint).values_list("file_id", flat=True)
    }
    Replica.objects.bulk_create([one for one in made if one.file_id not in known], batch_size=door.BATCH)
    for batch in batches(sorted(known)):
        gone = ~Q(state__in=(ReplicaState.AVAILABLE, ReplicaState.ON_TAPE, ReplicaState.REMOVING))
        rows_there = Replica.objects.filter(gone, file_id__in=batch, endpoint=endpoint)
        rows_there.update(state=state.value, on_tape=on_tape)


def close(dataset: Dataset, *, by: str, words: str = "", now: datetime | None = None) -> bool:
    """Say that nobody writes into a dataset any more; false when it was not open."""
    if dataset.state != DatasetState.OPEN:
        return False
    return door.move_dataset(dataset, DatasetState.CLOSED, by=by, now=now or timezone.now(), words=words)


def reopen(dataset: Dataset, *, by: str, words: str = "", now: datetime | None = None) -> bool:
    """Take files into a closed dataset again; false when it is open or frozen."""
    if dataset.state != DatasetState.CLOSED:
        return False
    return door.move_dataset(dataset, DatasetState.OPEN, by=by, now=now or timezone.now(), words=words)


def freeze(dataset: Dataset, *, by: str, words: str = "", now: datetime | None = None) -> bool:
    """Say that nobody may write into a closed dataset any more; false when it is not closed."""
    if dataset.state != DatasetState.CLOSED:
        return False
    return door.move_dataset(dataset, DatasetState.FROZEN, by=by, now=now or timezone.now(), words=words)
