"""Step: what has become of the files that were asked for on tape, as the data service has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from server.dataservice.models import Transfer
from server.dataservice.states import TransferKind, TransferState
from server.dataservice.states import values as words_of
from server.lib.parts import do_in_parts
from server.production.archive.door import BATCH, move_files, note
from server.production.archive.rules import after_failure
from server.production.models import Output, Task
from server.production.reference.known import Known, read_known
from server.production.states import TapeState, TaskState, values
from server.production.steps.apart import incident

SERVICE = "production.check_archive"
#: Files looked at in one cycle.
MOST = 5000
#: A copy is true when the data service has compared it: it is on tape, with the size and checksum of the catalogue.
ENDED = (TransferState.VERIFIED, TransferState.FAILED)


#: In these a file has failed to come to tape, and may be there after all.
_AFTER_ALL = values((TapeState.READY, TapeState.FAILED))


@dataclass(frozen=True)
class _Ended:
    """The end of one file of a request."""

    state: TransferState
    words: str
    given_up: bool


def check_archive(*, now: datetime) -> int:
    """Look at all files whose requests have ended; answer how many have moved."""
    _forget_cancelled(now)
    keys = sorted([*_over(), *_after_all()])
    known, moved = read_known(), 0
    for start in range(0, len(keys), BATCH):
        moved += do_in_parts(keys[start : start + BATCH], partial(_settle, known=known, now=now), _set_apart)
    return moved


def _set_apart(key: int, why: Exception) -> None:
    for task in Output.objects.filter(pk=key).values_list("task", flat=True):
        incident(task, SERVICE, why)


def _over() -> list[int]:
    """Answer the files that are on their way, and whose request has ended for them, or is gone."""
    mine = Transfer.objects.filter(request_id=OuterRef("tape_request"), file__job_file=OuterRef("job_file_id"))
    ended = mine.filter(state__in=words_of(ENDED))
    # The request is gone, or its file has another job since, which is to write it anew.
    over = Output.objects.filter(Q(Exists(ended)) | ~Q(Exists(mine)), tape=TapeState.SENT)
    # In no order: a database may think that it finds the first ones soonest by looking at every file there is.
    return list(over.order_by().values_list("pk", flat=True)[:MOST])


def _after_all() -> list[int]:
    """Answer the files that have failed here, and that somebody had tried again at the data service, with success."""
    mine = Transfer.objects.filter(request_id=OuterRef("tape_request"), file__job_file=OuterRef("job_file_id"))
    good = mine.filter(kind=TransferKind.ARCHIVE, state=TransferState.VERIFIED)
    failed = Output.objects.filter(Exists(good), tape__in=_AFTER_ALL, tape_attempts__gt=0)
    return list(failed.order_by().values_list("pk", flat=True)[:MOST])


def _forget_cancelled(now: datetime) -> None:
    """Let go what waits of tasks that were cancelled since."""
    waiting = Output.objects.filter(tape=TapeState.READY, task__state=TaskState.CANCELLED)
    move_files(list(waiting[:MOST]), TapeState.NONE, by=SERVICE, words="its task was cancelled", now=now)


@transaction.atomic
def _settle(keys: Sequence[int], known: Known, now: datetime) -> int:
    list(Output.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    files = list(Output.objects.filter(pk__in=keys).select_related("task").defer("task__filelist").order_by("pk"))
    sent = [file for file in files if file.tape == TapeState.SENT]
    failed = [file for file in files if file.tape in _AFTER_ALL and file.tape_attempts]
    ends = _ends([*sent, *failed])
    good = {key for key, end in ends.items() if end.state is TransferState.VERIFIED}
    moved = _finish([file for file in (*sent, *failed) if file.pk in good], now)
    for file in sent:
        end = ends.get(file.pk)
        if end is None:
            end = _Ended(TransferState.FAILED, "the data service knows nothing of it", False)
        if end.state is TransferState.FAILED:
            moved += _fail(file, end, known, now)
    _note_requests({file.tape_request: file.task for file in sent if file.tape_request is not None}, now)
    return moved


def _ends(files: Sequence[Output]) -> dict[int, _Ended]:
    """Answer how the requests of files have ended, by the output's key."""
    of = {(file.tape_request, file.job_file_id): file.pk for file in files}
    transfers = Transfer.objects.filter(
        request__in={request for request, _ in of if request is not None},
        file__job_file__in={number for _, number in of if number is not None},
        state__in=words_of(ENDED),
    )
    told = transfers.values_list("request_id", "file__job_file", "state", "words", "request__given_up_at")
    return {
        of[request, number]: _Ended(TransferState(state), words, given_up is not None)
        for request, number, state, words, given_up in told
        if (request, number) in of
    }


def _finish(files: Sequence[Output], now: datetime) -> int:
    moved = 0
    for request in sorted({file.tape_request or 0 for file in files}):
        some = [file for file in files if file.tape_request == request]
        words = f"request {request}: on tape, with its size and checksum"
        moved += move_files(some, TapeState.FINISHED, by=SERVICE, words=words, now=now)
    Output.objects.filter(pk__in=[file.pk for file in files], tape=TapeState.FINISHED).update(tape_words="")
    return moved


def _fail(file: Output, end: _Ended, known: Known, now: datetime) -> int:
    bounds = known.limits_for(file.task)
    after = after_failure(
        file.tape_attempts,
        allowed=bounds.archive_attempts,
        words=f"request {file.tape_request}: {end.words}" if end.words else f"request {file.tape_request} failed",
        delay=bounds.archive_delay,
        given_up=end.given_up,
    )
    return move_files([file], after.state, by=SERVICE, words=after.words, now=now)


def _note_requests(requests: Mapping[int, Task], now: datetime) -> None:
    """Write into the histories of tasks which of these requests are at their end, and how."""
    for number, task in requests.items():
        if Output.objects.filter(task=task, tape=TapeState.SENT, tape_request=number).exists():
            continue
        ends = list(Transfer.objects.filter(request=number).order_by().values_list("state", flat=True))
        good = sum(state == TransferState.VERIFIED for state in ends)
        after = TapeState.FINISHED if good == len(ends) else TapeState.FAILED
        words = f"request {number}: {good} of {len(ends)} files are on tape"
        note(task, TapeState.SENT, after, by=SERVICE, words=words, now=now)
