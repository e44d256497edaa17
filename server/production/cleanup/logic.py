"""What people do about clean-up: look at what it would remove, have it done now, or have a task kept."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Max, Q, Sum
from django.utils import timezone

from server.production.cleanup.asking import clean_task
from server.production.cleanup.models import Cleaning, Removal, RemovalState
from server.production.cleanup.rows import facts_of, kept_words
from server.production.door import note
from server.production.logic import TaskRefused, task_of
from server.production.models import Output, Task
from server.production.reference.known import read_known
from server.production.resend.wishes import BadWish, read_reason
from server.production.states import TaskState


def preview(name: str) -> dict[str, Any]:
    """Tell what of a task may be removed now and what is kept and why, by kind, and how far that is.

    Raises:
        TaskRefused: there is no such task.
    """
    return _told(_known(name))


def _told(task: Task) -> dict[str, Any]:
    facts = facts_of(task)
    remove: dict[str, dict[str, int]] = defaultdict(lambda: {"files": 0, "bytes": 0})
    kept: dict[tuple[str, str], int] = defaultdict(int)
    for files in facts.portions:
        if why := facts.why(files):
            kept[files.kind, why] += files.files
        else:
            remove[files.kind]["files"] += files.files
            remove[files.kind]["bytes"] += files.size
    gone = Output.objects.filter(task=task, removed__isnull=False).aggregate(files=Count("pk"), bytes=Sum("size"))
    rows = Removal.objects.filter(output__task=task, job_file_id=F("output__job_file_id"))
    asked, failed = (Q(state=state) for state in (RemovalState.ASKED, RemovalState.FAILED))
    how = rows.aggregate(
        asked=Count("pk", filter=asked), failed=Count("pk", filter=failed), words=Max("words", filter=failed)
    )
    return {
        "task": task.name,
        "status": task.state,
        "kept_by": facts.owner.kept,
        "remove": dict(sorted(remove.items())),
        "kept": [{"kind": kind, "why": why, "files": number} for (kind, why), number in sorted(kept.items())],
        "removed": {"files": gone["files"], "bytes": gone["bytes"] or 0},
        "asked": how["asked"],
        "failed": how["failed"],
        "words": how["words"] or "",
    }


def clean_now(name: str, *, by: str, why: str) -> dict[str, Any]:
    """Have removed now what may be, also what was given up before; the rest follows cycle by cycle.

    Raises:
        TaskRefused: there is no such task, it is not archived, it is kept, or no reason is given.
    """
    reason = _reason(why)
    task = _known(name)
    if task.state != TaskState.ARCHIVED:
        words = f"task {name!r} is {TaskState(task.state).label}; only of archived tasks files are removed"
        raise TaskRefused(f"{words}: compass task move {name} archive")
    if kept := kept_words(task):
        raise TaskRefused(f"task {name!r} is kept ({kept}); first say: compass task keep {name} --no-keep --why ...")
    now = timezone.now()
    note(task, task.state, task.state, by=by, words=f"clean-up now: {reason}")
    again = Removal.objects.filter(output__task=task, state=RemovalState.FAILED)
    again.update(tries=0, due=now)
    bounds = read_known().limits_for(task)
    asked = clean_task(task, bounds, by=by, now=now)
    Cleaning.objects.update_or_create(task=task, defaults={"due": None})
    return {**_told(task), "asked_now": asked}


@transaction.atomic
def keep_task(name: str, *, keep: bool, by: str, why: str) -> dict[str, Any]:
    """Have nothing more of a task removed, or let it be cleaned up again.

    Raises:
        TaskRefused: there is no such task, it is so already, or no reason is given.
    """
    reason = _reason(why)
    task = Task.objects.select_for_update().get(pk=_known(name).pk)
    if bool(kept_words(task)) is keep:
        raise TaskRefused(f"task {name!r} is {'kept already' if keep else 'not kept'}")
    kept = f"{by}: {reason}" if keep else ""
    Cleaning.objects.update_or_create(task=task, defaults={"kept": kept[:700], "due": None})
    what = "its files are kept" if keep else "its files are not kept any more"
    note(task, task.state, task.state, by=by, words=f"{what}: {reason}")
    return _told(task)


def _known(name: str) -> Task:
    return Task.objects.select_related("site").get(pk=task_of(name).pk)


def _reason(why: str) -> str:
    try:
        return read_reason(why)
    except BadWish as bad:
        raise TaskRefused(str(bad)) from bad
