"""When a file has vanished: what made it makes it again, a bounded number of times.

An input of a merge: the chunk that made it is made again, and then the same group is merged. A file that was not on
tape yet: its group is merged anew under the same number, and checked anew, or its chunk is made again.
"""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from server.production.archive.door import move_files
from server.production.chains import chain_of
from server.production.door import move
from server.production.judging import JobView, vanished
from server.production.models import Chunk, CrossCheck, MergeGroup, Output, Run, Task, TaskEvent
from server.production.states import ChunkState, GroupState, MergeKind, TapeState, Verdict, values

#: So begin the words of a file that had vanished, until there is a new one.
VANISHED = "vanished: "

#: What is in another state than these is being made, or will be.
_SETTLED = values((ChunkState.FINISHED, ChunkState.MANUAL_CHECK, ChunkState.CANCELLED))
_UNDER_WAY = (Q(group__isnull=False) & ~Q(group__state__in=_SETTLED)) | (
    Q(chunk__isnull=False) & ~Q(chunk__state__in=_SETTLED)
)


def remake_vanished(group: MergeGroup, view: JobView, *, by: str) -> bool:
    """Send a chunk back whose file is not there any more, if that is why the group's job failed.

    A chunk that has used its attempts waits for a person, and its group with it. For a log no chunk is made again: its
    results are there, and right. Belongs into the transaction in which the group has failed.
    """
    if group.state != GroupState.FAILED or group.kind == MergeKind.LOGS:
        return False
    files = {
        file.lfn: file
        for file in Output.objects.filter(merged_in__group=group)
        .select_related("chunk__task")
        .defer("chunk__task__filelist")
    }
    gone = files.get(vanished(view, list(files)))
    chunk = gone.chunk if gone is not None else None
    if gone is None or chunk is None or chunk.state != ChunkState.FINISHED:
        return False
    words = f"its {gone.get_kind_display()} {gone.lfn} is not on {gone.endpoint} any more, as merging found"
    _send_back(chunk, words, by)
    back = f"waits for chunk {chunk.number}: {gone.lfn} has vanished from {gone.endpoint}"
    # Its failure was not its own; what is bounded is how often the chunk is made.
    return move(group, GroupState.READY, by=by, words=back, job_id=None, attempts=max(0, group.attempts - 1))


def being_made_again(task: Task) -> int:
    """Answer how many files of a task are being made again because they vanished before they were on tape."""
    return Output.objects.filter(_UNDER_WAY, task=task, tape_words__startswith=VANISHED).count()


def remake_unarchived(file: Output, words: str, *, by: str) -> bool:
    """Make a file again that has vanished before it was on tape. Belongs into a transaction.

    Args:
        file: With its group or its chunk, and the task of these.
        words: Where it is not any more.
        by: Who has found that.
    """
    said = f"its {file.get_kind_display()} {file.lfn} was not on tape yet: {words}"
    if file.chunk is not None:
        sent = file.chunk.state == ChunkState.FINISHED and _send_back(file.chunk, said, by)
    else:
        sent = file.group is not None and file.group.state == GroupState.FINISHED and _merge_anew(file.group, said, by)
    if not sent:
        return False
    return bool(move_files([file], TapeState.NONE, by=by, words=f"{VANISHED}{words}", tape_attempts=0))


def _merge_anew(group: MergeGroup, words: str, by: str) -> bool:
    """Merge a group again under its number; what was found of its run holds for the former file only."""
    run = Run.objects.select_for_update().get(pk=group.run_id)
    forget_check(run, group.kind, words, by=by)
    unmade = {"size": None, "events_found": None}
    if group.attempts < group.task.max_attempts:
        back = f"{words}: it is merged again"
        return move(group, GroupState.READY, by=by, words=back, job_id=None, **unmade)
    look = f"{words}, and it has used its {group.attempts} attempts; look for the file, then send it again"
    return move(group, GroupState.MANUAL_CHECK, by=by, words=look, **unmade)


def forget_check(run: Run, merged: str, words: str, *, by: str) -> None:
    """Take back what the check on a run's merges of a kind has said; it is made anew. Belongs into a transaction."""
    merges = {merge.kind.value: merge.check for merge in chain_of(run.task.type).merges}
    check = CrossCheck.objects.filter(run=run, kind=merges.get(merged) or "").first()
    if check is None:
        return
    TaskEvent.objects.create(
        task_id=run.task_id,
        run=run,
        before=check.verdict,
        after=Verdict.NO,
        by=by[:250],
        words=f"{check.get_kind_display()}: {words}"[:500],
        at=timezone.now(),
    )
    check.delete()


def _send_back(chunk: Chunk, words: str, by: str) -> bool:
    if chunk.attempts < chunk.task.max_attempts:
        return move(chunk, ChunkState.STAGED, by=by, words=f"{words}: it is made again", job_id=None)
    look = f"{words}, and it has used its {chunk.attempts} attempts; look for the file, then send it again"
    return move(chunk, ChunkState.MANUAL_CHECK, by=by, words=look)
