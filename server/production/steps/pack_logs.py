"""Step: the logs of tasks that are archived are packed, and with the last of them on tape the task is archived.

A run's logs become one file, or some, by a job, as files are merged: with groups that never change, retries and a
person where it fails. What carries packed files to tape is what carries results there.
"""

from __future__ import annotations

from functools import partial

from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from server.production.archive.rows import not_on_tape
from server.production.door import move
from server.production.former_logs import keep_former_logs
from server.production.models import MergeGroup, Run, Task
from server.production.states import PACKING, GroupState, MergeKind, TaskState, values
from server.production.steps.apart import by_itself
from server.production.steps.merge import merge, to_group

SERVICE = "production.pack_logs"


def pack_logs() -> int:
    """Pack what is to be packed, look at what was, and call tasks archived; answer how much has moved."""
    return _begin() + merge(MergeKind.LOGS) + _set_apart() + _finish()


def _begin() -> int:
    """Write down the logs of former tries, so that they are packed, too: then packing begins."""
    tasks = Task.objects.filter(state=TaskState.ARCHIVE).defer("filelist").order_by("pk")
    return sum(by_itself(task, SERVICE, partial(_gather, task), False) for task in tasks)


def _gather(task: Task) -> bool:
    former = sum(keep_former_logs(run) for run in Run.objects.filter(task=task).order_by("number"))
    return move(
        task, TaskState.ARCHIVING, by=SERVICE, words=f"{former} logs of former tries are packed, too" if former else ""
    )


def _set_apart() -> int:
    """Let packed files wait for a person that are smaller than what went into them: something is not in them."""
    small = MergeGroup.objects.filter(
        kind=MergeKind.LOGS, state=GroupState.FINISHED, task__state__in=values(PACKING), size__lt=F("size_expected")
    )
    words = "{} bytes of logs went in, and the packed file has {}: look into it, then send the merge again"
    return sum(
        move(group, GroupState.MANUAL_CHECK, by=SERVICE, words=words.format(group.size_expected, group.size))
        for group in small
    )


def _finish() -> int:
    """Call tasks archived of which every log is packed, and every packed file is on tape where there is one."""
    groups = MergeGroup.objects.filter(task=OuterRef("pk"), kind=MergeKind.LOGS)
    packed = Task.objects.filter(state=TaskState.ARCHIVING).select_related("site").defer("filelist")
    packed = packed.filter(
        ~Exists(to_group(MergeKind.LOGS).filter(task=OuterRef("pk"))),
        ~Exists(groups.exclude(state=GroupState.FINISHED)),
    )
    tasks = list(packed)
    waiting = not_on_tape(tasks, packed=True)
    return sum(by_itself(task, SERVICE, partial(_archived, task), False) for task in tasks if task.pk not in waiting)


def _archived(task: Task) -> bool:
    return move(task, TaskState.ARCHIVED, by=SERVICE, finished=timezone.now())
