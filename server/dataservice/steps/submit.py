"""Step: what is requested is said to storages and movers, in bulk. How it goes on is asked elsewhere: see poll."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from django.db import transaction

from server.dataservice import door
from server.dataservice.door import Step
from server.dataservice.limits import limits
from server.dataservice.models import Submission, Transfer
from server.dataservice.states import Answer, SubmissionState, TransferKind, TransferState
from server.dataservice.steps.calls import SERVICE, begin, call
from server.dataservice.steps.contact import Silent, ask, checked, silent_before
from server.dataservice.steps.due import Line, due, lines
from server.dataservice.steps.tries import expected_of, paths_of
from server.dataservice.truth import Wanted, judge
from server.dataservice.where import Rims
from server.storage.base import Fault, FaultKind, Found

NOTHING_SAID = Fault(FaultKind.FAILED, "the storage says nothing of it")
CALLED = (TransferKind.PRESTAGE, TransferKind.ARCHIVE, TransferKind.REPLICATE)


def submit(rims: Rims, *, now: datetime, keep: Callable[[], None]) -> int:
    """Say to storages what is requested of them; answer how many files that were.

    What an earlier run has only begun is said again first. A storage that is silent is left alone for this run; those
    that were silent last time come when the others are done, so that nobody waits for one that hangs.
    """
    before = silent_before()
    silent = set(before)
    said = _submit(rims, now, keep, silent)
    return said + (_submit(rims, now, keep, silent - before) if before else 0)


def _submit(rims: Rims, now: datetime, keep: Callable[[], None], silent: set[str]) -> int:
    said = _recover(rims, now, keep, silent)
    most = limits().calls_per_cycle
    for line in lines(CALLED, [TransferState.REQUESTED], now):
        while most and line.lane.endpoint not in silent:
            keep()
            most -= 1
            submitted = _submit_some(line, rims, now, silent, keep)
            said += submitted
            if not submitted:
                break
    return said


def _recover(rims: Rims, now: datetime, keep: Callable[[], None], silent: set[str]) -> int:
    """Make again the calls of which nobody knows whether they were heard."""
    count = 0
    begun = Submission.objects.filter(state=SubmissionState.BEGUN).exclude(kind=TransferKind.DELETE)
    for submission in begun.order_by("pk"):
        if submission.endpoint in silent:
            continue
        keep()
        try:
            call(submission, rims, now)
        except Silent:
            silent.add(submission.endpoint)
        else:
            count += 1
    return count


def _submit_some(line: Line, rims: Rims, now: datetime, silent: set[str], keep: Callable[[], None]) -> int:
    """Make one call; answer how many files it was for."""
    lane, bounds = line.lane, limits(line.lane.kind)
    with transaction.atomic():
        here = door.locked(due(line, now, most=bounds.bulk), [TransferState.REQUESTED])
        transfers = [one for one in here if one.submission_id is None]
        if not transfers:
            return 0
        if lane.kind == TransferKind.ARCHIVE and not lane.source:
            _watch(transfers, now)
            return len(transfers)
        submission = begin(transfers, lifetime=min(lane.lifetime, bounds.pin), now=now)
    try:
        if lane.kind != TransferKind.PRESTAGE:
            _make_room(submission, rims, now, keep)
        call(submission, rims, now)
    except Silent:
        silent.add(lane.endpoint)
    return len(transfers)


def _watch(transfers: list[Transfer], now: datetime) -> None:
    """Go on with files that lie at the tape system's storage already: they only have to be looked at."""
    steps = [Step(one, TransferState.ON_DISK, "", {"tries": one.tries + 1, "due": now}) for one in transfers]
    door.move_all(steps, by=SERVICE, now=now)


def _make_room(submission: Submission, rims: Rims, now: datetime, keep: Callable[[], None]) -> None:
    """Look at the targets of copies: what lies there and is right is not copied again, what is wrong is removed.

    Only before the call is made for the first time: later the mover may be writing there.

    Raises:
        Silent: the storage did not answer.
    """
    transfers = list(Transfer.objects.filter(submission=submission).order_by("pk"))
    paths, expected = paths_of(transfers), expected_of(transfers)
    names = list(paths.values())

    def question() -> Mapping[str, Found | Fault]:
        return checked(rims.storage_of(submission.endpoint).look(names), Found, Fault)

    found = ask(submission.endpoint, question, now)
    right, wrong = [], []
    for one in transfers:
        said = found.get(paths.get(one.pk, ""), NOTHING_SAID)
        looked = judge(expected[one.pk], said, wanted=Wanted.ANYWHERE).answer
        if looked is Answer.RIGHT and one.answer != Answer.CHECKSUM:
            right.append(one.pk)
        elif looked not in (Answer.ABSENT, Answer.DELETED, Answer.REFUSED):
            wrong.append(paths[one.pk])
    if wrong:
        keep()  # whoever took over meanwhile may have begun to copy: then nothing is removed
        ask(submission.endpoint, lambda: rims.storage_of(submission.endpoint).remove(wrong), now)
    with transaction.atomic():
        there = door.locked(right, [TransferState.REQUESTED])
        steps = [Step(one, TransferState.ON_DISK, "it lies there already", {"due": now}) for one in there]
        door.move_all(steps, by=SERVICE, now=now)
