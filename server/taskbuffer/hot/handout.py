"""The dictionary that a pilot is handed: made at submission, and told apart by attempt when it is handed out."""

from __future__ import annotations

import uuid
from typing import Any

from pilot.contract.job_wire import NULL
from pilot.contract.naming import log_of_attempt


def hand_out(panda: dict[str, Any], *, job_id: int, attempt: int, priority: int) -> dict[str, Any]:
    """Put into a job's dictionary what differs between its attempts: numbers, priority and the log's name and GUID."""
    panda.update(PandaID=job_id, attemptNr=attempt, currentPriority=priority)
    log = panda["logFile"]
    if attempt > 1 and log != NULL:
        renamed = log_of_attempt(log, attempt)
        names = panda["outFiles"].split(",")
        panda["outFiles"] = ",".join(renamed if name == log else name for name in names)
        panda["logFile"] = renamed
        if panda["logGUID"] != NULL:
            panda["logGUID"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{panda['logGUID']}.{attempt}"))
    return panda
