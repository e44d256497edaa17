"""Why a job waits, in words for a person: what it lacks, and what is being done about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from server.dataservice.bounds import Bound, given_up_when
from server.dataservice.models import Contact, DatasetFile, Replica, Transfer, Wait, WaitingJob
from server.dataservice.states import (
    LIVING,
    FileState,
    ReplicaState,
    RequestState,
    TransferKind,
    TransferState,
    values,
)

if TYPE_CHECKING:
    from server.dataservice.queries import RequestLine

#: Files that are told one by one.
MOST = 20


def why_waiting(job: int, *, now: datetime) -> list[str]:
    """Say why a job waits for files, the most telling words first; nothing when it does not.

    A fixed number of queries, however many files those are.
    """
    waiting = WaitingJob.objects.filter(pk=job).first()
    if waiting is None:
        return []
    lacking = Wait.objects.filter(job=waiting, ready=False).select_related("file__dataset").order_by("pk")
    waits = list(lacking[:MOST])
    if not waits:
        return ["all its inputs are ready: it enters the queue at the next turn of dataservice.activate"]
    found = [waiting.hopeless] if waiting.hopeless else []
    found += _told(waits, now)
    more = waiting.missing - len(waits)
    return [*found, f"and {more} more files"] if more > 0 else found


def _told(waits: Sequence[Wait], now: datetime) -> list[str]:
    """Tell of each file what is being done about it; what many wait for, a storage that is silent, is told once."""
    files = [wait.file_id for wait in waits]
    replicas, coming = list(Replica.objects.filter(file__in=files).order_by("pk")), _coming(files)
    told = [
        f"{wait.file.lfn}: "
        + _one(wait, [row for row in replicas if row.file_id == wait.file_id], coming.get(wait.file_id), now)
        for wait in waits
    ]
    silent = Contact.objects.filter(silent_since__isnull=False, endpoint__in={row.endpoint for row in coming.values()})
    return [
        f"{row.endpoint} has not answered for {age(now - row.silent_since)}: {row.words}"
        for row in silent
        if row.silent_since is not None
    ] + told


def _coming(files: Sequence[int]) -> dict[int, Transfer]:
    """Answer what was last asked for to bring each file."""
    living = Transfer.objects.filter(file__in=files, state__in=values(LIVING)).exclude(kind=TransferKind.DELETE)
    return {row.file_id: row for row in living.order_by("pk")}


def _one(wait: Wait, replicas: Sequence[Replica], coming: Transfer | None, now: datetime) -> str:
    if coming is not None:
        return _under_way(coming, now)
    readable = [row.endpoint for row in replicas if row.state == ReplicaState.AVAILABLE]
    if readable:
        return f"it lies at {readable[0]}, and the job wants it at {wait.endpoint}; nobody has asked for a copy"
    on_tape = [row.endpoint for row in replicas if row.state == ReplicaState.ON_TAPE]
    if on_tape:
        return f"it lies on tape at {on_tape[0]}, and nobody has asked for it"
    return _nowhere(wait.file)


def _under_way(transfer: Transfer, now: datetime) -> str:
    state = TransferState(transfer.state).label
    words = f"{transfer.kind} {transfer.request_id} at {transfer.endpoint}: {state} for {age(now - transfer.since)}"
    words += f", try {max(transfer.tries, 1)} of {transfer.allowed}"
    return f"{words}; last: {transfer.words}" if transfer.words else words


def explain_request(line: RequestLine, bound: Bound, now: datetime) -> list[str]:
    """Say in words where a request stands: its files, what its storage says, when it is given up, what was done."""
    request = line.request
    files = ", ".join(f"{n} {TransferState(state).label}" for state, n in line.states.items())
    found = [f"{request.kind} of {request.files} files at {request.endpoint}, asked for by {request.by}: {files}"]
    if line.oldest is not None:
        found.append(f"what has stood still longest does so for {age(now - line.oldest)}; tries so far: {line.tries}")
    if line.words and request.given_up_at is None:
        found.append(f"of most files was said last: {line.words}")
    if line.silent_since is not None:
        found.append(f"{request.endpoint} has not answered for {age(now - line.silent_since)}")
    if request.given_up_at is not None:
        why = f"{request.given_up_by} {age(now - request.given_up_at)} ago: {request.given_up_why}"
        return [*found, f"it was given up by {why}"]
    if request.state == RequestState.OPEN and (when := given_up_when(request, bound)) is not None:
        found.append(f"if it is not at its end by {when:%Y-%m-%d %H:%M} it is given up; who says so: {bound.told_by}")
    return found


def _nowhere(file: DatasetFile) -> str:
    if file.state == FileState.EXPECTED and file.job is not None:
        return f"job {file.job} is to write it"
    if file.state == FileState.ABSENT:
        return f"job {file.job} was to write it and has ended without it"
    if file.state == FileState.EXPECTED:
        return f"nobody has registered it in dataset {file.dataset}"
    return f"it is {FileState(file.state).label}: no storage has it"


def age(duration: timedelta) -> str:
    """Write a duration in its largest unit; the days count, too."""
    seconds = max(duration.total_seconds(), 0.0)
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
