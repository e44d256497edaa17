"""Files that have not come to tape are asked for again: which ones, how, and how that is taken back."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from server.production.archive import rows
from server.production.archive.door import move_files
from server.production.frames import tape_of
from server.production.models import Output, Task
from server.production.resend.wishes import BadWish, Wish
from server.production.states import TapeState, TaskState
from server.production.steering_models import Resend, ResendRow

#: Columns that are written over.
COLUMNS = ("tape", "tape_attempts", "tape_words")
#: A task in one of these was over when nothing of it went to tape, or not everything.
_OVER = (TaskState.DONE, TaskState.FINISHED)


def files_of(task: Task, wish: Wish, *, most: int) -> list[Output]:
    """Answer the files that have failed to come to tape; of a task that is over, also those that were never to go."""
    meant = Q(tape=TapeState.FAILED)
    if TaskState(task.state) in _OVER:
        meant |= Q(tape=TapeState.NONE) & rows.right(task.type)
    files = Output.objects.filter(meant, rows.of_archived_kinds(), task=task).select_related("run")
    if wish.run is not None:
        files = files.filter(run__number=wish.run)
    if wish.chunk is not None:
        files = files.filter(chunk__number=wish.chunk)
    return list(files.order_by("run__number", "pk")[: most + 1])


def slip_of(task: Task) -> str:
    """Say why a task's files cannot be asked for on tape; "" when they can."""
    if tape_of(task):
        return ""
    return f"task {task.name} has no tape: its site or the task itself has to name the storage of one"


def ask_again(files: Sequence[Output], *, by: str, words: str) -> None:
    """Let files be asked for on tape again, as often as at first.

    Raises:
        BadWish: one of them was moved by somebody else meanwhile.
    """
    if move_files(files, TapeState.READY, by=by, words=words, tape_attempts=0) != len(files):
        raise BadWish("something of it was moved by somebody else meanwhile; look at it again")


def put_back(record: Resend, kept: Sequence[ResendRow], *, by: str, words: str) -> None:
    """Let files be what they were before that.

    Raises:
        BadWish: one of them was asked for since.
    """
    before = {row.key: row.before for row in kept}
    files = list(Output.objects.select_for_update().filter(pk__in=before).order_by("pk"))
    waits = [file for file in files if file.tape == TapeState.READY and not file.tape_attempts]
    if len(waits) != len(before):
        raise BadWish(f"resend: files of {record.pk} were asked for on tape since; it cannot be taken back any more")
    for state in sorted({said["tape"] for said in before.values()}):
        some = [file for file in files if before[file.pk]["tape"] == state]
        move_files(some, TapeState(state), by=by, words=words)
    for file in files:
        said = before[file.pk]
        Output.objects.filter(pk=file.pk).update(tape_attempts=said["tape_attempts"], tape_words=said["tape_words"])
