"""Step: pins are prolonged before their end, given back when nobody wants them, asked for anew when they are lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F

from server.dataservice import door
from server.dataservice.door import Step
from server.dataservice.limits import limits
from server.dataservice.logic.acts import RELEASED
from server.dataservice.logic.consequences import unpin
from server.dataservice.models import Submission, Transfer
from server.dataservice.states import LIVING, TransferKind, TransferState, values
from server.dataservice.steps.calls import begin, call
from server.dataservice.steps.contact import Silent, ask
from server.dataservice.steps.tries import not_after, paths_of, seconds
from server.dataservice.where import Rims
from server.storage.base import Tape

SERVICE = "dataservice.pins"
S = TransferState
PRESTAGES = {"kind": TransferKind.PRESTAGE}


def keep_pins(rims: Rims, *, now: datetime, keep: Callable[[], None]) -> int:
    """Do all that is due for pins; answer for how many files."""
    silent: set[str] = set()
    done = release_unwanted(rims, now, keep, silent)
    done += prolong(rims, now, keep, silent)
    return done + expire(now)


def release_unwanted(rims: Rims, now: datetime, keep: Callable[[], None], silent: set[str]) -> int:
    """Give back what is not wanted any more."""
    done = 0
    over = Transfer.objects.filter(**PRESTAGES, state__in=values(LIVING), wanted_until__lte=now)
    numbers = over.order_by().values_list("submission", flat=True).distinct()
    for number in list(numbers)[: limits().calls_per_cycle]:
        keep()
        rows = list(over.filter(submission=number).order_by("pk")[: limits(TransferKind.PRESTAGE).bulk])
        if rows and number and rows[0].endpoint not in silent:
            try:
                _release(Submission.objects.get(pk=number), rows, rims, now)
            except Silent:
                silent.add(rows[0].endpoint)
                continue
        done += _end([row.pk for row in rows if row.endpoint not in silent], now)
    return done


def _release(submission: Submission, transfers: Sequence[Transfer], rims: Rims, now: datetime) -> None:
    paths = list(paths_of(transfers).values())
    if submission.ticket:
        ask(submission.endpoint, lambda: _give_back(submission, paths, rims), now)


def _give_back(submission: Submission, paths: Sequence[str], rims: Rims) -> None:
    tape = rims.storage_of(submission.endpoint)
    if isinstance(tape, Tape):
        tape.release(submission.ticket, paths)


@transaction.atomic
def _end(keys: Sequence[int], now: datetime) -> int:
    rows = door.locked(keys, LIVING)
    steps = [Step(row, S.EXPIRED, _why_over(row), {"pinned_until": None}) for row in rows]
    door.move_all(steps, by=SERVICE, now=now)
    unpin(rows, now)
    return len(rows)


def _why_over(row: Transfer) -> str:
    return row.words if row.words.startswith(RELEASED) else "its time is over"


def prolong(rims: Rims, now: datetime, keep: Callable[[], None], silent: set[str]) -> int:
    """Ask for files again, whose pin ends soon and that are wanted for longer."""
    bounds, done = limits(TransferKind.PRESTAGE), 0
    soon = now + seconds(min(bounds.repin, bounds.pin / 2))
    for _ in range(bounds.calls_per_cycle):
        keep()
        ending = Transfer.objects.filter(**PRESTAGES, state=S.PINNED, pinned_until__lte=soon, pinned_until__gt=now)
        ending = ending.filter(not_after("due", now), wanted_until__gt=F("pinned_until")).exclude(endpoint__in=silent)
        first = ending.order_by("pinned_until", "pk").first()
        if first is None or first.wanted_until is None:
            break
        alike = ending.filter(endpoint=first.endpoint, wanted_until=first.wanted_until)
        with transaction.atomic():
            keys = list(alike.order_by("pinned_until", "pk").values_list("pk", flat=True)[: bounds.bulk])
            rows = door.locked(keys, [S.PINNED])
            lifetime = min(bounds.pin, (first.wanted_until - now).total_seconds())
            submission = begin(rows, lifetime=lifetime, now=now, counts=False)
            # Whatever comes of it, it is not asked again at once.
            Transfer.objects.filter(submission=submission).update(due=now + seconds(bounds.look_every))
        try:
            call(submission, rims, now)
            done += len(rows)
        except Silent:
            silent.add(first.endpoint)
    return done


@transaction.atomic
def expire(now: datetime) -> int:
    """Say of pins that have ended that they have; what is still wanted is asked for anew."""
    ended = Transfer.objects.filter(**PRESTAGES, state=S.PINNED, pinned_until__lte=now)
    keys = list(ended.order_by("pinned_until", "pk").values_list("pk", flat=True)[: 10 * door.BATCH])
    rows = door.locked(keys, [S.PINNED])
    columns = {"pinned_until": None, "submission": None}
    steps = [Step(row, S.EXPIRED, "its pin has ended", columns) for row in rows]
    door.move_all(steps, by=SERVICE, now=now, ends=False)
    unpin(rows, now)
    wanted = [row for row in rows if row.wanted_until is not None and row.wanted_until > now]
    anew = [Step(row, S.REQUESTED, "its pin has ended before its time", {"due": now, "answer": ""}) for row in wanted]
    door.move_all(anew, by=SERVICE, now=now)
    door.end_requests({row.request_id for row in rows}, now)
    return len(rows)
