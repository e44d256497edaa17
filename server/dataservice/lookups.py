"""What others look up of many files at once: where they lie, by name, and how far requests for them are, by number."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Exists, OuterRef

from server.dataservice.door import batches
from server.dataservice.models import DatasetFile, Replica, Transfer
from server.dataservice.states import ReplicaState, TransferState
from server.pandaconfig.queries import storages_json
from server.storage.base import StorageMisconfigured
from server.storage.registry import registry

log = logging.getLogger(__name__)


def tape_endpoints() -> frozenset[str]:
    """Answer the storages that have tapes, as they are configured now: one query, and no storage is asked."""
    return frozenset(name for name, data in storages_json().items() if _has_tapes(name, data))


def _has_tapes(name: str, data: Mapping[str, object]) -> bool:
    try:
        return registry().has_tapes(name, data)
    except StorageMisconfigured as why:
        log.debug("%s is not taken for a storage with tapes: %s", name, why)
        return False


@dataclass(frozen=True)
class Holding:
    """A file of the catalogue: its number, what is known of it, and its replicas by storage."""

    number: int
    size: int | None = None
    checksum: str = ""
    replicas: Mapping[str, ReplicaState] = field(default_factory=dict)


def holdings(scope: str, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Holding]:
    """Answer what the catalogue has of files, given as dataset and name; what it does not know is left out."""
    by_dataset: dict[str, set[str]] = defaultdict(set)
    for dataset, lfn in names:
        by_dataset[dataset].add(lfn)
    found: dict[tuple[str, str], Holding] = {}
    for dataset, lfns in sorted(by_dataset.items()):
        for batch in batches(sorted(lfns)):
            rows = DatasetFile.objects.filter(dataset__name=dataset, dataset__scope=scope, lfn__in=batch)
            known = {row.pk: row for row in rows.order_by("pk")}
            replicas: dict[int, dict[str, ReplicaState]] = defaultdict(dict)
            where = Replica.objects.filter(file__in=known).values_list("file_id", "endpoint", "state")
            for number, endpoint, state in where:
                replicas[number][endpoint] = ReplicaState(state)
            for row in known.values():
                found[dataset, row.lfn] = Holding(row.pk, row.size, row.checksum, replicas[row.pk])
    return found


def is_on_disk(file: str, endpoint: str) -> Exists:
    """Say of rows with the number of a file and a storage in these columns that the file can be read there at once."""
    there = Replica.objects.filter(state=ReplicaState.AVAILABLE, file=OuterRef(file), endpoint=OuterRef(endpoint))
    return Exists(there)


@dataclass(frozen=True)
class Standing:
    """How far a file of a request is; ``words`` are what went wrong last, times are of its stay on disk."""

    state: TransferState
    words: str = ""
    wanted_until: datetime | None = None


def standings(request: int, files: Collection[int]) -> dict[int, Standing]:
    """Answer how far files of a request are, by the number of the file."""
    found: dict[int, Standing] = {}
    for batch in batches(sorted(files)):
        rows = Transfer.objects.filter(request=request, file__in=batch)
        for file, state, words, until in rows.values_list("file_id", "state", "words", "wanted_until"):
            found[file] = Standing(TransferState(state), words, until)
    return found
