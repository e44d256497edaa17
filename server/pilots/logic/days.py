"""The sums by day of the pilots that have ended, by queue and node and by allocation; each is counted once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, models, transaction

from server.pilots.models import AllocationUse, Pilot, PilotUse
from server.pilots.states import PilotState
from server.pilots.sums import COLUMNS, Ended, Span, sums_of
from server.taskbuffer import queries as taskbuffer

#: The last reports of a pilot's jobs may come a little later than its end.
SETTLED = timedelta(minutes=2)
#: Pilots that are counted in one transaction.
_CHUNK = 500


class Key(NamedTuple):
    """What pilots are told apart by."""

    day: Any
    queue: str
    node: str


class Grant(NamedTuple):
    """Whose node-hours pilots used that began on a day."""

    day: Any
    allocation: str


def count_ended(*, now: datetime, keep: Callable[[], None] = lambda: None) -> int:
    """Add to the sums what has ended since the last time; answer how many pilots that were."""
    counted = 0
    while some := _count_some(now - SETTLED):
        counted += some
        keep()
    return counted


@transaction.atomic
def _count_some(until: datetime) -> int:
    # On SQLite the index is used for one of these values, and not for the other one's absence.
    rows = Pilot.objects.filter(counted__in=(False,), ended_at__lte=until).order_by("ended_at")
    pilots = list(rows.select_for_update()[:_CHUNK])
    tries: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for one in taskbuffer.tries_of_pilots([pilot.batch_id for pilot in pilots]):
        tries[one.batch_id, one.queue].append(Span(one.sent_at, one.ended_at, one.state))
    sums: dict[Key, list[int]] = defaultdict(lambda: [0] * len(COLUMNS))
    for pilot in pilots:
        if not pilot.batch_id:
            continue  # no batch system ever took it: it has cost nothing
        ended = pilot.ended_at or until
        lost = pilot.state == PilotState.LOST
        # A batch system may use a number again; what was sent before a pilot was submitted is not its.
        own = [one for one in tries.get((pilot.batch_id, pilot.queue), ()) if pilot.submitted_at <= one.begin <= ended]
        adds = sums_of(Ended(pilot.started_at, ended, pilot.exit_code, lost, pilot.jobs), own)
        key = Key(ended.astimezone(UTC).date(), pilot.queue, pilot.node)
        sums[key] = [one + more for one, more in zip(sums[key], adds, strict=True)]
    _add(PilotUse, sums, COLUMNS)
    _add(AllocationUse, _used_of(pilots), ("node_seconds",))
    Pilot.objects.filter(pk__in=[pilot.pk for pilot in pilots]).update(counted=True)
    return len(pilots)


def _used_of(pilots: Iterable[Pilot]) -> dict[Grant, list[int]]:
    used: dict[Grant, list[int]] = defaultdict(lambda: [0])
    for one in pilots:
        if one.allocation and one.started_at and one.ended_at:
            spent = max(0.0, (one.ended_at - one.started_at).total_seconds())
            used[Grant(one.started_at.astimezone(UTC).date(), one.allocation)][0] += round(one.nodes * spent)
    return used


def _add(table: type[models.Model], sums: Mapping[Any, Sequence[int]], columns: Sequence[str]) -> None:
    """Add to the columns of the rows that these keys name; those that are missing are made."""
    if not sums:
        return
    table._default_manager.bulk_create([table(**key._asdict()) for key in sums], ignore_conflicts=True)
    sets = ", ".join(f"{name} = {name} + %s" for name in columns)
    which = " AND ".join(f"{name} = %s" for name in next(iter(sums))._fields)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table._meta.db_table} SET {sets} WHERE {which}",  # noqa: S608 (our own names)
            [(*added, connection.ops.adapt_datefield_value(key.day), *key[1:]) for key, added in sums.items()],
        )
