"""Step: replicas are removed, in bulk. Removing what is gone already is well done, so a call is safe to be repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from django.db import transaction

from server.dataservice import door
from server.dataservice.door import Step
from server.dataservice.limits import limits
from server.dataservice.logic.consequences import follow_failures
from server.dataservice.logic.files import move_replicas
from server.dataservice.models import Submission, Transfer
from server.dataservice.states import (
    SUBMISSION_MOVES,
    Answer,
    ReplicaState,
    SubmissionState,
    TransferKind,
    TransferState,
)
from server.dataservice.steps.calls import begin
from server.dataservice.steps.contact import Silent, ask, checked
from server.dataservice.steps.due import due, lines
from server.dataservice.steps.tries import again, paths_of
from server.dataservice.where import Rims
from server.lib.moves import move
from server.storage.base import Fault, FaultKind

SERVICE = "dataservice.remove"
S = TransferState
NOTHING_SAID = Fault(FaultKind.FAILED, "the storage says nothing of it")


def remove(rims: Rims, *, now: datetime, keep: Callable[[], None]) -> int:
    """Have storages remove what somebody asked for; answer how many files are gone. Begun calls come first, again."""
    silent: set[str] = set()
    gone = 0
    for submission in Submission.objects.filter(state=SubmissionState.BEGUN, kind=TransferKind.DELETE).order_by("pk"):
        keep()
        gone += _call(submission, rims, now, silent)
    for _ in range(limits().calls_per_cycle):
        keep()
        begun = _begin_some(now, silent)
        if begun is None:
            break
        gone += _call(begun, rims, now, silent)
    return gone


@transaction.atomic
def _begin_some(now: datetime, silent: set[str]) -> Submission | None:
    ready = [line for line in lines([TransferKind.DELETE], [S.REQUESTED], now) if line.lane.endpoint not in silent]
    if not ready:
        return None
    rows = door.locked(due(ready[0], now, most=limits(TransferKind.DELETE).bulk), [S.REQUESTED])
    if not rows:
        return None
    submission = begin(rows, lifetime=0, now=now)
    for row in rows:
        row.tries += 1
    door.move_all([Step(row, S.ACTIVE) for row in rows], by=SERVICE, now=now)
    return submission


def _call(submission: Submission, rims: Rims, now: datetime, silent: set[str]) -> int:
    if submission.endpoint in silent:
        return 0
    transfers = list(Transfer.objects.filter(submission=submission, state=S.ACTIVE).order_by("pk"))
    paths = paths_of(transfers)
    try:
        said = ask(submission.endpoint, lambda: _say(submission.endpoint, paths, rims), now) if paths else {}
    except Silent:
        silent.add(submission.endpoint)
        return 0
    return _done(submission, transfers, paths, said, now)


def _say(endpoint: str, paths: Mapping[int, str], rims: Rims) -> Mapping[str, Fault | None]:
    return checked(rims.storage_of(endpoint).remove(list(paths.values())), Fault, type(None))


@transaction.atomic
def _done(
    submission: Submission,
    transfers: Sequence[Transfer],
    paths: Mapping[int, str],
    said: Mapping[str, Fault | None],
    now: datetime,
) -> int:
    locked = door.locked([one.pk for one in transfers], [S.ACTIVE])
    rows = [row for row in locked if row.submission_id == submission.pk]
    late = paths.keys() - {row.pk for row in rows} if said else set()
    door.note_late({key: _told(said.get(paths[key], NOTHING_SAID)) for key in late}, by=SERVICE, now=now)
    steps = [_step(row, said.get(paths.get(row.pk, ""), NOTHING_SAID), now) for row in rows]
    door.move_all(steps, by=SERVICE, now=now)
    follow_failures(steps, now)
    gone = [step.transfer.file_id for step in steps if step.after is S.VERIFIED]
    move_replicas(gone, submission.endpoint, ReplicaState.DELETED, now=now, on_tape=False)
    same = Submission.objects.filter(pk=submission.pk)
    move(same, SubmissionState.BEGUN, SubmissionState.OVER, moves=SUBMISSION_MOVES)
    return len(gone)


def _step(transfer: Transfer, fault: Fault | None, now: datetime) -> Step:
    if fault is None:
        return Step(transfer, S.VERIFIED)
    return again(transfer, _told(fault), now, answer=Answer.REFUSED)


def _told(fault: Fault | None) -> str:
    return "removed" if fault is None else f"{fault.kind.value}: {fault.words}"
