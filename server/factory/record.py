"""What a cycle decided, written down: the same outcome again prolongs its line, all of these in one statement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import F, OuterRef, Subquery

from server.factory.facts import Facts, Step
from server.factory.models import FactoryConfirmation, FactoryCycle, FactoryQueue

_OUTCOME = ("activated", "waiting", "running", "number", "trace", "words")
#: Rows that are named in one statement.
_CHUNK = 500
#: A change that is wanted again within this time is the same wish.
SAME_WISH = 600.0


class Record:
    """The outcomes of one cycle, collected and then written."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._last = last_cycles()
        self._new: list[FactoryCycle] = []
        self._again: list[int] = []

    def note(
        self,
        row: FactoryQueue,
        facts: Facts,
        steps: tuple[Step, ...],
        *,
        submitted: int = 0,
        cancelled: int = 0,
        words: str = "",
    ) -> None:
        """Take down one queue's outcome."""
        new = FactoryCycle(
            queue=row,
            began=self._now,
            latest=self._now,
            activated=facts.activated,
            waiting=facts.waiting,
            running=facts.running,
            number=steps[-1].number,
            submitted=submitted,
            cancelled=cancelled,
            trace=[{"rule": step.rule, "number": step.number, "reason": step.reason} for step in steps],
            words=words,
        )
        last = self._last.get(row.queue)
        if last is not None and not submitted and not cancelled and _same(last, new):
            self._again.append(last.pk)
        else:
            new.facts = facts.as_json()
            self._new.append(new)

    def write(self) -> None:
        """Write all that was taken down."""
        for start in range(0, len(self._again), _CHUNK):
            rows = FactoryCycle.objects.filter(pk__in=self._again[start : start + _CHUNK])
            rows.update(latest=self._now, times=F("times") + 1)
        FactoryCycle.objects.bulk_create(self._new, batch_size=_CHUNK)


def _same(last: FactoryCycle, new: FactoryCycle) -> bool:
    return not last.submitted and not last.cancelled and all(getattr(last, n) == getattr(new, n) for n in _OUTCOME)


def last_cycles(queues: Iterable[str] | None = None) -> dict[str, FactoryCycle]:
    """Answer the last cycle of each queue; those of these queues alone, if any are named."""
    latest = FactoryCycle.objects.filter(queue=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    rows = FactoryQueue.objects.all() if queues is None else FactoryQueue.objects.filter(pk__in=list(queues))
    numbers = [pk for pk in rows.annotate(last=Subquery(latest)).values_list("last", flat=True) if pk is not None]
    found = [
        cycle
        for start in range(0, len(numbers), _CHUNK)
        for cycle in FactoryCycle.objects.filter(pk__in=numbers[start : start + _CHUNK]).defer("facts")
    ]
    return {cycle.queue_id: cycle for cycle in found}


def ask_for_confirmation(row: FactoryQueue, change: int, now: datetime) -> None:
    """Write that a change wants somebody's word; while it is wanted it is one line."""
    open_one = FactoryConfirmation.objects.filter(queue=row, done_at=None, confirmed_at=None).order_by("-pk").first()
    if open_one is not None and (now - open_one.latest).total_seconds() < SAME_WISH:
        FactoryConfirmation.objects.filter(pk=open_one.pk, confirmed_at=None).update(change=change, latest=now)
    else:
        FactoryConfirmation.objects.create(queue=row, change=change, asked_at=now, latest=now)


def confirmation_used(row: FactoryQueue, now: datetime) -> None:
    """Write that a confirmed change is made: it is good once."""
    FactoryConfirmation.objects.filter(queue=row, done_at=None, confirmed_at__isnull=False).update(done_at=now)


def confirmation_returned(row: FactoryQueue, now: datetime) -> None:
    """Write that nothing came of the confirmed change that was to be made this moment: it is still good."""
    FactoryConfirmation.objects.filter(queue=row, done_at=now).update(done_at=None)
