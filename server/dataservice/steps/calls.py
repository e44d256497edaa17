"""Bulk calls to storages: the own number is written before the call, what the storage took after it.

Whoever dies between the two leaves a submission that is only begun. The next run makes the same call with the same
number and the same files, and nothing is done twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F

from server.dataservice import door
from server.dataservice.door import Step
from server.dataservice.logic.consequences import follow_failures
from server.dataservice.models import Replica, Submission, Transfer
from server.dataservice.states import (
    SUBMISSION_MOVES,
    Answer,
    SubmissionState,
    TransferKind,
    TransferState,
)
from server.dataservice.steps.contact import ask, checked
from server.dataservice.steps.tries import again, paths_of, seconds
from server.dataservice.where import Rims
from server.lib.moves import move
from server.storage.base import Copy, Fault, FaultKind, Tape, Ticket

SERVICE = "dataservice.submit"


@transaction.atomic
def begin(transfers: Sequence[Transfer], *, lifetime: float, now: datetime, counts: bool = True) -> Submission:
    """Write down a call that is about to be made for transfers of one kind, from one storage to one.

    Args:
        transfers: Read and locked in this transaction.
        lifetime: Seconds of the pin that is asked for.
        now: The time.
        counts: Whether it is a try of its own; prolonging a pin is not.
    """
    first = transfers[0]
    submission = Submission.objects.create(
        number=uuid.uuid4().hex,
        kind=first.kind,
        endpoint=first.endpoint,
        source=first.source,
        lifetime=lifetime,
        begun=now,
        asked=now,
    )
    for batch in door.batches([one.pk for one in transfers]):
        more = {"tries": F("tries") + 1} if counts else {}
        Transfer.objects.filter(pk__in=batch).update(submission=submission, **more)
    return submission


def call(submission: Submission, rims: Rims, now: datetime) -> None:
    """Make the call of a submission, and write down what was taken.

    Raises:
        Silent: the storage did not answer; the same call is made again another time.
    """
    transfers = list(Transfer.objects.filter(submission=submission).order_by("pk"))
    asking = [one for one in transfers if one.state in (TransferState.REQUESTED, TransferState.PINNED)]
    paths = paths_of(asking)
    if not paths:
        move(
            Submission.objects.filter(pk=submission.pk),
            SubmissionState.BEGUN,
            SubmissionState.OVER,
            moves=SUBMISSION_MOVES,
        )
        return
    ticket = ask(submission.endpoint, lambda: _say(submission, paths, asking, rims), now)
    _taken(submission, ticket, paths, now)


def _say(submission: Submission, paths: Mapping[int, str], transfers: Sequence[Transfer], rims: Rims) -> Ticket:
    names = [paths[one.pk] for one in transfers if one.pk in paths]
    if submission.kind == TransferKind.PRESTAGE:
        tape = rims.storage_of(submission.endpoint)
        if not isinstance(tape, Tape):
            raise LookupError(f"storage {submission.endpoint!r} has no tapes")
        ticket = tape.recall(names, lifetime=submission.lifetime, request=submission.number)
        checked(ticket.refused, Fault)
        return Ticket(str(ticket.id), ticket.refused)
    mover = rims.mover_of(submission.source, submission.endpoint)
    return Ticket(mover.submit(_copies(submission, transfers, paths, rims), request=submission.number), {})


def _copies(submission: Submission, transfers: Sequence[Transfer], paths: Mapping[int, str], rims: Rims) -> list[Copy]:
    """Name what is to be copied, and what is to arrive."""
    here, there = rims.storage_of(submission.source), rims.storage_of(submission.endpoint)
    facts: dict[int, tuple[str, int | None, str]] = {}
    for batch in door.batches([one.file_id for one in transfers]):
        rows = Replica.objects.filter(endpoint=submission.source, file_id__in=batch)
        columns = rows.values_list("file_id", "path", "file__size", "file__checksum")
        facts.update({file: (path, size, checksum) for file, path, size, checksum in columns})
    copies = []
    for one in transfers:
        if one.pk in paths and one.file_id in facts:
            path, size, checksum = facts[one.file_id]
            copies.append(Copy(here.url(path), there.url(paths[one.pk]), size, checksum or None))
    return copies


@transaction.atomic
def _taken(submission: Submission, ticket: Ticket, paths: Mapping[int, str], now: datetime) -> None:
    rows = Submission.objects.filter(pk=submission.pk)
    if not move(
        rows,
        SubmissionState.BEGUN,
        SubmissionState.TAKEN,
        moves=SUBMISSION_MOVES,
        ticket=ticket.id,
        asked=now,
    ):
        return
    waiting = (TransferState.REQUESTED, TransferState.PINNED)
    here = [one for one in door.locked(paths, waiting) if one.submission_id == submission.pk]
    late = paths.keys() - {one.pk for one in here}
    door.note_late(dict.fromkeys(late, f"taken as {ticket.id}"), by=SERVICE, now=now)
    steps = [_step(one, ticket.refused.get(paths[one.pk]), submission, now) for one in here]
    door.move_all(steps, by=SERVICE, now=now)
    follow_failures(steps, now)
    prolonged = [step.transfer.file_id for step in steps if "pins" in step.columns]
    until = now + seconds(submission.lifetime)
    for batch in door.batches(prolonged):
        Replica.objects.filter(file_id__in=batch, endpoint=submission.endpoint).update(pinned_until=until)


def _step(transfer: Transfer, fault: Fault | None, submission: Submission, now: datetime) -> Step:
    if transfer.state == TransferState.PINNED:
        if fault is not None:  # it stays until its pin is over
            return Step(transfer, None, f"its pin is not prolonged: {fault.kind.value}: {fault.words}")
        return Step(transfer, None, "", {"pinned_until": now + seconds(submission.lifetime), "pins": transfer.pins + 1})
    if fault is None:
        return Step(transfer, TransferState.QUEUED, "", {"answer": "", "answer_since": None})
    answer = Answer.REFUSED if fault.kind is not FaultKind.ABSENT else Answer.ABSENT
    return again(transfer, f"{fault.kind.value}: {fault.words}", now, answer=answer)
