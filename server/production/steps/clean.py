"""Step: what lies on tape in another form is removed from the disks of tasks that are archived, a part at a time.

Nothing is removed here and no storage is spoken to: the data service does. Rows decide, and never patterns of names.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db.models import Min

from server.production.cleanup.asking import SERVICE, clean_task, follow
from server.production.cleanup.models import Cleaning, Removal, RemovalState
from server.production.cleanup.rows import PAUSE, SOON, facts_of, tasks_due
from server.production.models import Task
from server.production.reference.known import Known, read_known
from server.production.steps.apart import by_itself

#: Tasks of which files are removed in one cycle, and those that are looked at for it.
TASKS = 2
LOOKED = 20


def clean(*, now: datetime, keep: Callable[[], None]) -> int:
    """Follow what was asked for, and ask for more; answer how many files were."""
    moved, asking = follow(now=now), 0
    known = read_known()
    for task in list(tasks_due(now)[:LOOKED]):
        keep()
        # One that is left out is looked at again with the others, not before them.
        files, due = by_itself(task, SERVICE, partial(_clean, task, known, now), (0, now + PAUSE))
        Cleaning.objects.update_or_create(task=task, defaults={"due": due})
        moved, asking = moved + files, asking + bool(files)
        if asking >= TASKS:
            break
    return moved


def _clean(task: Task, known: Known, now: datetime) -> tuple[int, datetime]:
    """Ask for files of one task; answer how many, and when it is looked at again."""
    files = clean_task(task, known.limits_for(task), by=SERVICE, now=now)
    return files, now if files else _next_look(task, now)


def _next_look(task: Task, now: datetime) -> datetime:
    """Answer when a task of which nothing can be asked for is looked at again."""
    failed = Removal.objects.filter(output__task=task, state=RemovalState.FAILED)
    soonest = failed.aggregate(due=Min("due"))["due"]
    # What may go, and is asked for already or not in the catalogue yet, is looked at sooner.
    latest = now + (SOON if facts_of(task).removable() else PAUSE)
    return latest if soonest is None else max(now, min(soonest, latest))
