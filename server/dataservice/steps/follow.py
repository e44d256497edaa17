"""Step: the task buffer's events say which jobs have come, ended or been tried again; their files follow.

Event numbers are given before a transaction ends: on a database with several writers a smaller number may appear after
a larger one. So each event is looked at twice, the second time when nothing can be under way any more; looking again
changes nothing that was right.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from django.db import transaction

from server.dataservice import door
from server.dataservice.logic.files import is_readable, tell_waiting
from server.dataservice.models import Follower, Wait
from server.dataservice.steps.outputs import settle_outputs
from server.dataservice.steps.waits import settle_waits
from server.taskbuffer import queries as taskbuffer

FOLLOW, SWEEP = "dataservice.follow", "dataservice.sweep"
#: Events of one transaction: short, since pilots wait for it where the database has one writer.
AT_ONCE = 100
#: Most events of one run.
MOST = 20_000
#: No transaction of the task buffer lasts so long.
SETTLED = timedelta(minutes=10)


def follow(*, now: datetime, keep: Callable[[], None]) -> int:
    """Look at what has happened to jobs since the last time; answer how many files and jobs that concerned."""
    if not Follower.objects.filter(name=FOLLOW).exists():
        _begin(now, keep)
    return _run(FOLLOW, None, now, keep)


def _begin(now: datetime, keep: Callable[[], None]) -> None:
    """Begin near the end of a history that is long: jobs of today do not wait for it, and the sweep looks at it all.

    Jobs that wait are found wherever they stand in it. Whoever dies here begins anew.
    """
    newest = taskbuffer.newest_event()
    if newest > MOST:
        for batch in door.batches(taskbuffer.waiting()):
            keep()
            settle(batch, now)
    Follower.objects.get_or_create(name=FOLLOW, defaults={"position": max(newest - MOST, 0)})


def sweep(*, now: datetime, keep: Callable[[], None]) -> int:
    """Look again at what happened more than ten minutes ago, and at what all waiting jobs wait for."""
    changed = _run(SWEEP, now - SETTLED, now, keep)
    overlooked = list(Wait.objects.filter(is_readable(), ready=False).values_list("file", flat=True).distinct())
    tell_waiting(overlooked)
    return changed + len(overlooked)


def position() -> int:
    """Answer the number of the last event that was looked at for the second time."""
    return int(Follower.objects.filter(name=SWEEP).values_list("position", flat=True).first() or 0)


def _run(name: str, until: datetime | None, now: datetime, keep: Callable[[], None]) -> int:
    changed = 0
    for _ in range(MOST // AT_ONCE):
        keep()
        some = _some(name, until, now)
        if some is None:
            break
        changed += some
    return changed


@transaction.atomic
def _some(name: str, until: datetime | None, now: datetime) -> int | None:
    """Look at the next events; answer how much changed, or nothing when there are none."""
    follower, _ = Follower.objects.select_for_update().get_or_create(name=name)
    numbers, position = taskbuffer.turns_after(follower.position, limit=AT_ONCE, until=until)
    if position == follower.position:
        return None
    changed = settle(numbers, now)
    Follower.objects.filter(pk=name).update(position=position)
    return changed


@transaction.atomic
def settle(numbers: Collection[int], now: datetime) -> int:
    """Bring catalogue and waiting jobs to where these jobs stand; answer how many files and jobs changed."""
    if not numbers:
        return 0
    jobs = taskbuffer.standings(numbers)
    files = [file for file in taskbuffer.files_of(list(jobs)) if file.dataset]
    return settle_outputs(jobs, files, now) + settle_waits(jobs, files, now)
