"""What people do about a request: release it, try it again, give it up. Each is written down with who and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from server.dataservice import door
from server.dataservice.door import Step, batches
from server.dataservice.limits import limits
from server.dataservice.logic.consequences import follow_failures, unpin
from server.dataservice.logic.files import move_replicas
from server.dataservice.logic.requests import SUBMIT, RequestRefused, busy_key
from server.dataservice.models import RequestEvent, Submission, Transfer, TransferRequest
from server.dataservice.states import (
    LIVING,
    REQUEST_MOVES,
    THERE,
    Act,
    ReplicaState,
    RequestState,
    TransferKind,
    TransferState,
    values,
)
from server.lib.moves import move
from server.services.wake import wake

#: So begin the words of a file that somebody lets go before its time.
RELEASED = "released by"
#: Characters that the history of a request keeps of a reason.
LONGEST_WHY = 500
#: Files that are given up in one transaction: short, since pilots wait for it where the database has one writer.
AT_ONCE = 1000


def act_on(number: int, act: Act, *, by: str, why: str = "", now: datetime | None = None) -> int:
    """Do one of these to the request of a number, as people ask for it; answer to how many files.

    Raises:
        RequestRefused: there is no such request, or nothing of it can be released, tried again or given up.
    """
    request = TransferRequest.objects.filter(pk=number).first()
    if request is None:
        raise RequestRefused(f"request_id: there is no request {number}; the page on data lists them")
    if len(why) > LONGEST_WHY:
        raise RequestRefused(f"why: {why[:40]!r}... has {len(why)} characters; at most {LONGEST_WHY}")
    if act is Act.GIVE_UP:
        return give_up(request, by=by, why=why, now=now)
    if act is Act.RELEASE and request.kind != TransferKind.PRESTAGE:
        raise RequestRefused(f"{request}: only a prestage keeps files on disk; to end this one, give it up")
    files = {Act.RELEASE: release, Act.TRY_AGAIN: try_again}[act](request, by=by, why=why, now=now)
    if not files:
        lacking = "nothing is kept on disk for it" if act is Act.RELEASE else "none of its files has failed"
        raise RequestRefused(f"{request}: it is {request.state}; {lacking}")
    return files


@transaction.atomic
def release(request: TransferRequest, *, by: str, why: str = "", now: datetime | None = None) -> int:
    """Say that the files of a prestage need not be kept any more; answer how many were. Storages hear of it next."""
    at = now or timezone.now()
    wanted = Transfer.objects.filter(request=request, kind=TransferKind.PRESTAGE, state__in=values(LIVING))
    keys = list(wanted.values_list("pk", flat=True))
    for batch in batches(keys):
        words = _words(f"{RELEASED} {by}", why)
        Transfer.objects.filter(pk__in=batch).update(wanted_until=at, due=at, words=words)
    if keys:
        _note(request, Act.RELEASE, len(keys), by=by, why=why, now=at)
    wake("dataservice.pins")
    return len(keys)


@transaction.atomic
def let_go(request: int, files: Iterable[int], *, by: str, why: str = "", now: datetime | None = None) -> int:
    """Say that some files of a prestage need not be kept any more; answer how many were. The others stay.

    Each file's history says so, and not that of the request: productions do it file by file, as their jobs end.
    """
    at, count = now or timezone.now(), 0
    wanted = Transfer.objects.filter(request=request, kind=TransferKind.PRESTAGE, state__in=values(LIVING))
    for batch in batches(sorted(set(files))):
        mine = wanted.filter(file__in=batch)
        count += mine.update(wanted_until=at, due=at, words=_words(f"{RELEASED} {by}", why))
    wake("dataservice.pins")
    return count


@transaction.atomic
def try_again(request: TransferRequest, *, by: str, why: str = "", now: datetime | None = None) -> int:
    """Give what failed in a request as many tries again; answer how many files that are.

    What was given up is asked for again like what failed; the request's age begins anew.

    Raises:
        RequestRefused: something else is being done with one of its files meanwhile.
    """
    at = now or timezone.now()
    failed = list(
        Transfer.objects.select_for_update().filter(request=request, state=TransferState.FAILED).order_by("pk")
    )
    if not failed:
        return 0
    try:
        with transaction.atomic():
            steps = [_once_more(one, _words("asked for once more", why), at) for one in failed]
            door.move_all(steps, by=by, now=at)
            if request.kind == TransferKind.DELETE:
                files = [one.file_id for one in failed]
                move_replicas(files, request.endpoint, ReplicaState.REMOVING, now=at, only=THERE)
    except IntegrityError as busy:
        raise RequestRefused(f"{request}: something else is being done with one of its files; wait for it") from busy
    rows = TransferRequest.objects.filter(pk=request.pk)
    move(rows, RequestState.FAILED, RequestState.OPEN, moves=REQUEST_MOVES, closed=None)
    rows.update(asked=at, given_up_at=None, given_up_by="", given_up_why="")
    _note(request, Act.TRY_AGAIN, len(failed), by=by, why=why, now=at)
    wake(SUBMIT)
    return len(failed)


def _once_more(one: Transfer, words: str, now: datetime) -> Step:
    is_alone = one.kind != TransferKind.PRESTAGE
    columns = {
        "allowed": one.tries + limits(one.kind).tries,
        "due": now,
        "submission": None,
        "answer": "",
        "answer_since": None,
        "busy": busy_key(one.file_id, one.endpoint) if is_alone else None,
    }
    return Step(one, TransferState.REQUESTED, words, columns)


def give_up(request: TransferRequest, *, by: str, why: str, now: datetime | None = None) -> int:
    """End what is still to be done for a request, whether or not its storage answers; answer for how many files.

    They fail, and what hangs on them follows; files that are kept on disk are let go. What the storage was asked for is
    cancelled afterwards, as well as that goes (`server.dataservice.steps.cancel`): no storage is asked here. What it
    says later is noted and changes nothing. Whoever dies in between leaves a request that the next run of
    ``dataservice.give_up`` brings to its end.

    Raises:
        RequestRefused: the request has ended already, or nobody says why.
    """
    at = now or timezone.now()
    if not why.strip():
        raise RequestRefused("why: empty; say why it is given up, its history keeps that")
    rows = TransferRequest.objects.filter(pk=request.pk, state=RequestState.OPEN)
    with transaction.atomic():
        if rows.filter(given_up_at=None).update(given_up_at=at, given_up_by=by[:250], given_up_why=why[:500]):
            living = Transfer.objects.filter(request=request, state__in=values(LIVING)).count()
            _note(request, Act.GIVE_UP, living, by=by, why=why, now=at)
    request.refresh_from_db()
    if request.state != RequestState.OPEN:
        raise RequestRefused(f"{request}: it is {request.state}; there is nothing to give up")
    return end_given_up(request, now=at)


def end_given_up(request: TransferRequest, *, now: datetime) -> int:
    """End the files of a request that was given up; answer how many those were."""
    ended = 0
    while (some := _end_some(request, now)) is not None:
        ended += some
    wake("dataservice.cancel")
    wake("dataservice.activate")
    return ended


@transaction.atomic
def _end_some(request: TransferRequest, now: datetime) -> int | None:
    living = Transfer.objects.filter(request=request, state__in=values(LIVING))
    keys = list(living.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    if not keys:
        door.end_requests({request.pk}, now)
        return None
    rows = door.locked(keys, LIVING)
    kept = {row.pk: row for row in rows if row.state == TransferState.PINNED}
    words = _words(f"given up by {request.given_up_by}", request.given_up_why)
    # What has come has not failed: it is let go. What has not was not waited for: no look says that it is lost.
    unsaid = {"answer": "", "answer_since": None}
    steps = [
        Step(row, TransferState.EXPIRED, words) if row.pk in kept else Step(row, TransferState.FAILED, words, unsaid)
        for row in rows
    ]
    asked = {row.submission_id for row in rows if row.submission_id and row.kind != TransferKind.DELETE}
    door.move_all(steps, by=request.given_up_by, now=now)
    follow_failures(steps, now)
    unpin(list(kept.values()), now)
    for batch in batches(sorted(asked)):
        Submission.objects.filter(pk__in=batch).update(to_cancel=now)
    return len(rows)


def _note(request: TransferRequest, act: Act, files: int, *, by: str, why: str, now: datetime) -> None:
    RequestEvent.objects.create(request=request, act=act.value, files=files, at=now, by=by[:250], why=why[:500])


def _words(what: str, why: str) -> str:
    return (f"{what}: {why}" if why else what)[:500]
