"""What follows when a file of a request did not go well: another try after a pause, or its end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q

from server.dataservice.door import Step, batches
from server.dataservice.limits import DAY, HOUR, limits
from server.dataservice.models import DatasetFile, Replica, Transfer
from server.dataservice.states import Answer, TransferState
from server.dataservice.truth import Expected


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
    return Q(**{f"{column}__lte": moment}) | Q(**{f"{column}__gt": farthest(moment)})


def farthest(moment: datetime) -> datetime:
    """Answer a time beyond which nothing is put off."""
    return moment + seconds(max(DAY, limits().look_every) + HOUR)


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
