"""Makes the sums of some days anew, from the rows of jobs and out of the archive: the same numbers, by another way.

Meanwhile nothing is counted: the bookmark is held, for a while that is prolonged, so that who is killed holds nobody.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction
from django.utils import timezone

from server.accounting import ends
from server.accounting.days import Kept
from server.accounting.logic import Held, Keep, write
from server.accounting.models import Bookmark, Usage
from server.accounting.settled import NAME
from server.accounting.sums import Facts, Move, Tally, tally
from server.taskbuffer import archive
from server.taskbuffer.models import ArchivedJob, Job

#: Jobs that are looked at together, and kept from being archived meanwhile.
BATCH = 200
#: How long the bookmark is held without a sign of life.
HOLD = timedelta(seconds=120)


def rebuild(first: date, last: date, *, keep: Keep = lambda: None) -> int:
    """Make the sums of the days from the first to the last anew; answer how many rows of usage they have.

    Raises:
        Held: somebody else does the same, or was let to count meanwhile; try again.
    """
    position, kept = _hold(None)
    first, last = kept.whole(first, last)
    begin, found = datetime.combine(first, time(), UTC), Tally()
    try:
        for numbers in _windows(begin):
            keep()
            _hold(position)
            _count(numbers, first, last, position, found)
        placed = _placed(found, kept)
        for span in kept.spans(first, last):
            keep()
            _hold(position)
            _replace(span, placed, position, kept)
    finally:
        Bookmark.objects.filter(name=NAME, position=position).update(held_until=None)
    return len(placed.usage)


@transaction.atomic
def _hold(position: int | None) -> tuple[int, Kept]:
    """Hold the bookmark, or go on holding it; answer where it stands, and which days are kept.

    Raises:
        Held: somebody else holds it, or it has moved.
    """
    now = timezone.now()
    Bookmark.objects.get_or_create(name=NAME)
    mark = Bookmark.objects.select_for_update().get(name=NAME)
    taken = position is None and mark.held_until is not None and mark.held_until > now
    if taken or position not in (None, mark.position):
        raise Held("another one makes days anew, or has counted meanwhile; try again")
    Bookmark.objects.filter(name=NAME).update(held_until=now + HOLD)
    return mark.position, Kept(mark.days_from)


def _windows(begin: datetime) -> Collection[list[int]]:
    """Answer the jobs that may have ended since then, a few at a time: all in their table, some of the archive.

    A job that moves into the archive meanwhile is among them already.
    """
    live = set(Job.objects.order_by().values_list("pk", flat=True))
    old = ArchivedJob.objects.filter(ended_at__gte=begin).order_by()
    numbers = sorted(live | set(old.values_list("pk", flat=True)))
    return [numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH)]


@transaction.atomic
def _count(numbers: list[int], first: date, last: date, position: int, found: Tally) -> None:
    """Count what these jobs have ended in these days, up to the bookmark. Nobody archives them meanwhile."""
    live = set(Job.objects.select_for_update().filter(pk__in=numbers).order_by("pk").values_list("pk", flat=True))
    archived = archive.read(set(numbers) - live)
    moves = [*ends.moves_of(live), *(move for one in archived.values() for move in ends.moves_in(one))]
    again, over = ends.given_again(moves), [move for move in moves if _is_of(move, first, last, position)]
    facts: dict[int, Facts] = {job: ends.facts_in(one) for job, one in archived.items()}
    facts |= ends.facts_of({move.job for move in over} & live)
    tally(over, facts, again, ends.undone(over), found)


def _is_of(move: Move, first: date, last: date, position: int) -> bool:
    counted = move.number <= position and (move.ends_attempt or move.ends_job)
    return counted and first <= move.at.astimezone(UTC).date() <= last


def _placed(found: Tally, kept: Kept) -> Tally:
    """Answer the sums on the days on which they are kept."""
    placed = Tally()
    for key, sums in found.usage.items():
        placed.usage[key._replace(day=kept.place(key.day))].update(sums)
    for key, causes in found.failures.items():
        placed.failures[key._replace(day=kept.place(key.day))].update(causes)
    return placed


@transaction.atomic
def _replace(span: tuple[date, date], found: Tally, position: int, kept: Kept) -> None:
    """Write a day anew, or a month that is kept as its first day.

    Raises:
        Held: something was counted meanwhile, or days have become months.
    """
    mark = Bookmark.objects.select_for_update().get(name=NAME)
    if mark.position != position or Kept(mark.days_from) != kept:
        raise Held("it has been counted meanwhile; try again")
    day, _ = span
    Usage.objects.filter(day__range=span).delete()
    of_day = Tally()
    of_day.usage.update({key: sums for key, sums in found.usage.items() if key.day == day})
    of_day.failures.update({key: causes for key, causes in found.failures.items() if key.day == day})
    write(of_day)
