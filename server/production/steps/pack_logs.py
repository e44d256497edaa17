"""Step: the logs of tasks that are archived are packed, and with the last of them on tape the task is archived.

A run's logs become one file, or some, by a job, as files are merged: with groups that never change, retries and a
person where it fails. What carries packed files to tape is what carries results there.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from server.production.archive.rows import not_on_tape
from server.production.door import move
from server.production.models import MergeGroup, Task
from server.production.states import PACKING, GroupState, MergeKind, TaskState, values
from server.production.steps.merge import merge, to_group

SERVICE = "production.pack_logs"


def pack_logs() -> int:
    """Pack what is to be packed, look at what was, and call tasks archived; answer how much has moved."""
    return merge(MergeKind.LOGS) + _set_apart() + _finish()


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
    packed = Task.objects.filter(state__in=values(PACKING)).select_related("site")
    packed = packed.filter(
        ~Exists(to_group(MergeKind.LOGS).filter(task=OuterRef("pk"))),
        ~Exists(groups.exclude(state=GroupState.FINISHED)),
    )
    tasks = list(packed)
    waiting = not_on_tape(tasks, packed=True)
    return sum(_archived(task) for task in tasks if task.pk not in waiting)


@transaction.atomic
def _archived(task: Task) -> bool:
    if task.state == TaskState.ARCHIVE and not move(task, TaskState.ARCHIVING, by=SERVICE, words="it has no logs"):
        return False
    return move(task, TaskState.ARCHIVED, by=SERVICE, finished=timezone.now())
