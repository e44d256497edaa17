"""Somebody has a word for the pilot of a job: it is told in the answer to each report, until there is another."""

from __future__ import annotations

from django.db import connection, transaction

from pilot.contract.codec import ContractError, shown
from pilot.contract.messages import LOOKS, Command
from pilot.contract.states import FINAL
from server.taskbuffer.hot import rows

#: What may be said; a kill has a verb of its own.
WORDS = (Command.SOFT_KILL, Command.DEBUG, Command.DEBUG_OFF, Command.NO_CLEANUP)
SOFT = Command.SOFT_KILL.value
#: As much as the column holds.
LONGEST = 250


@transaction.atomic
def command(job_id: int, text: str) -> None:
    """Have a job's pilot told something: one command, or several with commas between them; nothing takes it back.

    A job that is to be killed hears of nothing else any more; one that is to end in its own way still hears of that.

    Raises:
        ContractError: this is no command, there is no such job, it has ended, or it is being killed.
    """
    text = ",".join(_checked(part.strip()) for part in text.split(",")) if text.strip() else ""
    with connection.cursor() as cursor:
        job = rows.standing(cursor, job_id)
        if job is None or job.state in FINAL:
            words = "is not known" if job is None else f"has ended, it is {job.state.value}"
            raise ContractError(f"job_id: {job_id} {words}", field_name="job_id")
        if text and SOFT in job.command.split(",") and SOFT not in text.split(","):
            text = f"{SOFT},{text}"
        if len(text) > LONGEST:
            raise ContractError(f"command: {len(text)} characters; at most {LONGEST}", field_name="command")
        cursor.execute(
            "UPDATE taskbuffer_job SET command = %s WHERE id = %s AND command <> %s",
            (text, job_id, Command.KILL.value),
        )
        if cursor.rowcount != 1:
            raise ContractError(f"job_id: {job_id} is being killed", field_name="job_id")


def _checked(part: str) -> str:
    if part in {word.value for word in WORDS} or (part.partition(" ")[0] in LOOKS and part.isprintable()):
        return part
    known = ", ".join((*(word.value for word in WORDS), *LOOKS))
    raise ContractError(f"command: {shown(part)} is no command; there are {known}", field_name="command")
