"""Files are asked to be removed, and what has become of that is written down: one request for many files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from server.dataservice import logic as dataservice
from server.dataservice.logic import RequestRefused
from server.dataservice.models import Transfer
from server.dataservice.states import ReplicaState, TransferKind, TransferState
from server.dataservice.states import values as words_of
from server.production.archive.catalogue import known
from server.production.cleanup.models import Cleaning, Removal, RemovalState
from server.production.cleanup.rows import BATCH, due_files, facts_of
from server.production.cleanup.rules import after_failure
from server.production.door import note
from server.production.limits import Limits
from server.production.models import Output, Task
from server.production.reference.known import read_known
from server.production.states import TaskState

SERVICE = "production.clean"
#: Files whose requests have ended that are looked at in one cycle.
MOST = 5000

_ENDED = (TransferState.VERIFIED, TransferState.FAILED)


def clean_task(task: Task, bounds: Limits, *, by: str, now: datetime) -> int:
    """Ask for what may be removed of a task, one request for each of its storages; answer how many files that are."""
    chosen = due_files(task, facts_of(task), now, most=bounds.clean_files)
    by_storage: dict[str, list[int]] = defaultdict(list)
    for file in chosen:
        by_storage[file.endpoint].append(file.pk)
    return sum(_ask(task, storage, keys, bounds, by=by, now=now) for storage, keys in sorted(by_storage.items()))


@transaction.atomic
def _ask(task: Task, storage: str, keys: Collection[int], bounds: Limits, *, by: str, now: datetime) -> int:
    # Who wants the task to be kept waits for this, or is seen here.
    same = Task.objects.select_for_update().filter(pk=task.pk, state=TaskState.ARCHIVED).first()
    if same is None or Cleaning.objects.filter(task=same).exclude(kept="").exists():
        return 0
    list(Output.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    files = list(Output.objects.filter(pk__in=keys, removed__isnull=True).order_by("pk"))
    there = known(files)
    gone = [file for file in files if _at(there, file, storage) is ReplicaState.DELETED]
    _removed([file.pk for file in gone], now)
    # Where the catalogue knows it no more at this moment, there is nothing to ask for.
    left = [file for file in files if file.pk in there and file not in gone]
    if not left:
        return len(gone)
    tries = {row.pk: row.tries for row in Removal.objects.filter(pk__in=keys, job_file_id=F("output__job_file_id"))}
    try:
        request = dataservice.request_delete([there[file.pk].number for file in left], storage, by, now=now)
    except RequestRefused as why:
        _write(left, tries, storage, None, f"it cannot be asked for: {why}", bounds, now)
        return len(gone)
    _write(left, tries, storage, request.pk, "", bounds, now)
    size = sum(file.size for file in left)
    words = f"clean-up: {len(left)} files ({size} bytes) asked to be removed from {storage}: request {request.pk}"
    note(same, same.state, same.state, by=by, words=words)
    return len(files)


def _at(there: Mapping[int, object], file: Output, storage: str) -> ReplicaState | None:
    found = there.get(file.pk)
    return getattr(found, "replicas", {}).get(storage)


def _write(
    files: Sequence[Output],
    tries: Mapping[int, int],
    storage: str,
    request: int | None,
    refused: str,
    bounds: Limits,
    now: datetime,
) -> None:
    """Write down what was asked for, or why it could not be; both are a try."""
    made = []
    for file in files:
        row = Removal(output=file, job_file_id=file.job_file_id or 0, request=request, endpoint=storage, since=now)
        row.state, row.tries = RemovalState.ASKED.value, tries.get(file.pk, 0) + 1
        if refused:
            _fail(row, refused, bounds, given_up=False, now=now)
        made.append(row)
    Removal.objects.filter(pk__in=[file.pk for file in files]).delete()
    Removal.objects.bulk_create(made, batch_size=BATCH)


def _fail(row: Removal, words: str, bounds: Limits, *, given_up: bool, now: datetime) -> None:
    after = after_failure(
        row.tries,
        allowed=bounds.clean_attempts,
        delay=bounds.clean_delay,
        words=words,
        given_up=given_up,
        now=now,
    )
    row.state, row.due, row.words, row.since = RemovalState.FAILED.value, after.due, after.words[:500], now


def _removed(keys: Collection[int], now: datetime) -> int:
    said = {"state": RemovalState.REMOVED.value, "due": None, "words": "", "since": now}
    Removal.objects.filter(pk__in=keys).update(**said)
    return Output.objects.filter(pk__in=keys, removed__isnull=True).update(removed=now)


def follow(*, now: datetime) -> int:
    """Look at all files whose requests have ended; answer how many have."""
    ended = Transfer.objects.filter(
        kind=TransferKind.DELETE,
        request_id=OuterRef("request"),
        file__job_file=OuterRef("job_file_id"),
        state__in=words_of(_ENDED),
    )
    # The request, or the file in it, is forgotten; or another job is to write that name.
    asked = Transfer.objects.filter(request_id=OuterRef("request"), file__job_file=OuterRef("job_file_id"))
    unknown = ~Q(Exists(asked))
    # Somebody may have had a request tried again, at the data service, that has failed here.
    after_all = Q(state=RemovalState.FAILED) & Q(Exists(ended.filter(state=TransferState.VERIFIED)))
    over = Removal.objects.filter(Q(state=RemovalState.ASKED) & (Q(Exists(ended)) | unknown) | after_all)
    keys = list(over.order_by("pk").values_list("pk", flat=True)[:MOST])
    return sum(_settle(keys[start : start + BATCH], now) for start in range(0, len(keys), BATCH))


@dataclass(frozen=True)
class _Ended:
    removed: bool
    words: str
    given_up: bool


@transaction.atomic
def _settle(keys: Sequence[int], now: datetime) -> int:
    list(Removal.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    rows = list(Removal.objects.filter(pk__in=keys).select_related("output__task").order_by("pk"))
    # What was made again meanwhile is another file.
    other = [row.pk for row in rows if row.output.job_file_id != row.job_file_id]
    Removal.objects.filter(pk__in=other).delete()
    rows = [row for row in rows if row.pk not in set(other) and row.state != RemovalState.REMOVED]
    ends, limits = _ends(rows), read_known()
    gone = [row.pk for row in rows if row.pk in ends and ends[row.pk].removed]
    settled = _removed(gone, now)
    failed = [row for row in rows if row.state == RemovalState.ASKED and row.pk not in set(gone)]
    for row in failed:
        end = ends.get(row.pk, _Ended(False, "the data service does not know it", False))
        words = f"request {row.request}: {end.words}"
        _fail(row, words, limits.limits_for(row.output.task), given_up=end.given_up, now=now)
    Removal.objects.bulk_update(failed, ["state", "due", "words", "since"], batch_size=BATCH)
    _note_ends({row.request: row.output.task for row in rows if row.request is not None})
    return settled + len(failed)


def _ends(rows: Sequence[Removal]) -> dict[int, _Ended]:
    of = {(row.request, row.job_file_id): row.pk for row in rows}
    transfers = Transfer.objects.filter(
        kind=TransferKind.DELETE,
        request__in={request for request, _ in of if request is not None},
        file__job_file__in={number for _, number in of},
        state__in=words_of(_ENDED),
    )
    told = transfers.values_list("request_id", "file__job_file", "state", "words", "request__given_up_at")
    return {
        of[request, number]: _Ended(state == TransferState.VERIFIED, words, given_up is not None)
        for request, number, state, words, given_up in told
        if number is not None and (request, number) in of
    }


def _note_ends(requests: Mapping[int, Task]) -> None:
    """Write into the histories of tasks which of these requests are at their end, and how."""
    for number, task in requests.items():
        if Removal.objects.filter(request=number, state=RemovalState.ASKED).exists():
            continue
        ends = list(Transfer.objects.filter(request=number).order_by().values_list("state", flat=True))
        gone = sum(state == TransferState.VERIFIED for state in ends)
        words = f"clean-up: request {number}: {gone} of {len(ends)} files are removed"
        note(task, task.state, task.state, by=SERVICE, words=words)
