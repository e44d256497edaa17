"""Somebody has a word for the pilot of a job: it is told in the answer to each report, until there is another.

Something to be looked at is told until it was shown.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence

from django.db import connection
from django.db.backends.utils import CursorWrapper

from pilot.contract.codec import ContractError, shown
from pilot.contract.messages import LOOKS, Command
from pilot.contract.states import FINAL
from server.lib.transactions import whole
from server.taskbuffer.hot import rows
from server.taskbuffer.models import SHOWN_MOST

#: What may be said; a kill has a verb of its own.
WORDS = (Command.SOFT_KILL, Command.DEBUG, Command.DEBUG_OFF, Command.NO_CLEANUP)
SOFT = Command.SOFT_KILL.value
#: As much as the column holds.
LONGEST = 250


@whole
def command(job_id: int, text: str) -> None:
    """Have a job's pilot told something: one command, or several with commas between them; nothing takes it back.

    It takes the place of what was told before; what is only to be looked at goes beside it. A job that is to be killed
    hears of nothing else any more; one that is to end in its own way still hears of that.

    Raises:
        ContractError: this is no command, there is no such job, it has ended, or it is being killed.
    """
    text = ",".join(_checked(part.strip()) for part in text.split(",")) if text.strip() else ""
    with connection.cursor() as cursor:
        job = rows.standing(cursor, job_id, held=True)
        if job is None or job.state in FINAL:
            words = "is not known" if job is None else f"has ended, it is {job.state.value}"
            raise ContractError(f"job_id: {job_id} {words}", field_name="job_id")
        text = _beside(job.command, text)
        if len(text) > LONGEST:
            raise ContractError(f"command: {len(text)} characters; at most {LONGEST}", field_name="command")
        cursor.execute(
            "UPDATE taskbuffer_job SET command = %s WHERE id = %s AND command <> %s",
            (text, job_id, Command.KILL.value),
        )
        if cursor.rowcount != 1:
            raise ContractError(f"job_id: {job_id} is being killed", field_name="job_id")
        if looks_in(text):
            cursor.execute("UPDATE taskbuffer_live SET shown = '' WHERE job_id = %s", (job_id,))


@whole
def was_shown(job_id: int, attempt: int, looks: Sequence[str], text: str = "", queues: Collection[str] = ()) -> None:
    """Tell a pilot no more to look at something: it has shown it, or been told by an answer that it will not confirm.

    Nothing happens when the job is at another attempt, or nobody waits for any of them: a report may come twice.

    Args:
        job_id: The job.
        attempt: Of which the pilot speaks.
        looks: The commands.
        text: What it has shown, which is kept, after what it has shown before; "" when it has not.
        queues: The queues that it speaks for; none: all.

    Raises:
        OtherQueue: the job is of another queue.
    """
    with connection.cursor() as cursor:
        job = rows.standing(cursor, job_id, held=True)  # before its small row, as everybody does
        if job is None or job.attempt != attempt:
            return
        job.refuse_others(queues)
        left = without(job.command, looks)
        if left == job.command:  # said twice, or of a question that another has taken the place of
            return
        if text:
            _keep(cursor, job_id, f"$ {', '.join(looks)}\n{text}\n")
        cursor.execute(
            "UPDATE taskbuffer_job SET command = %s WHERE id = %s AND attempt = %s AND command = %s",
            (left, job_id, attempt, job.command),
        )


def _keep(cursor: CursorWrapper, job_id: int, text: str) -> None:
    cursor.execute("SELECT shown FROM taskbuffer_live WHERE job_id = %s", (job_id,))
    for (before,) in cursor.fetchall():
        shown = (before + text)[-SHOWN_MOST:]
        cursor.execute("UPDATE taskbuffer_live SET shown = %s WHERE job_id = %s", (shown, job_id))


def looks_in(text: str) -> tuple[str, ...]:
    """Answer those of some commands by which something is to be looked at."""
    return tuple(part for part in text.split(",") if _is_look(part))


def without(text: str, looks: Sequence[str]) -> str:
    """Answer commands without these looks; how many blanks stand between their words makes no difference."""
    gone = [_words(look) for look in looks]
    return ",".join(part for part in text.split(",") if not (_is_look(part) and _words(part) in gone))


def _is_look(part: str) -> bool:
    return part.partition(" ")[0] in LOOKS


def _words(look: str) -> list[str]:
    try:
        return shlex.split(look)
    except ValueError:  # a quotation that does not end
        return look.split()


def _beside(before: str, text: str) -> str:
    """Answer what is told from now on: a soft end stays, and what only asks for a look goes beside the rest."""
    if not text:
        return ""
    new = text.split(",")
    standing = [part for part in before.split(",") if part and not _is_look(part)]
    kept = standing if all(map(_is_look, new)) else [part for part in standing if part == SOFT and SOFT not in new]
    return ",".join((*kept, *new))


def _checked(part: str) -> str:
    if part in {word.value for word in WORDS}:
        return part
    if _is_look(part) and part.isprintable():
        try:
            shlex.split(part)
        except ValueError as wrong:  # a comma ends a command, also within quotes
            raise ContractError(f"command: {shown(part)}: {wrong}", field_name="command") from wrong
        return part
    known = ", ".join((*(word.value for word in WORDS), *LOOKS))
    raise ContractError(f"command: {shown(part)} is no command; there are {known}", field_name="command")
