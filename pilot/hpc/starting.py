"""The two ways to have an allocation: this pilot is inside one already and starts the launcher, or it submits one."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Callable

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.hpc.values import BatchState, Launch, Status, Submission
from pilot.job import PayloadCommand
from pilot.runtime import process
from pilot.runtime.environment import chosen

if TYPE_CHECKING:
    from pathlib import Path

    from pilot.job import PayloadOutcome

log = logging.getLogger(__name__)

#: Where a launcher's own output goes, in the allocation's folder.
OUTPUT, ERRORS = "launcher.out", "launcher.err"
#: Seconds for a launcher beyond what a payload has between SIGTERM and SIGKILL: ranks write their reports then.
LAST_REPORTS = 15.0
#: So much of what a launcher has said last is told, in bytes.
_LAST_WORDS = 300


def environment_of(pilot: Mapping[str, str]) -> dict[str, str]:
    """Answer what a launcher gets of the pilot's environment: all but what may be a secret, or the way to one."""
    return chosen(pilot, ("*",))


class Here:
    """A launcher that runs as this pilot's own child, under a keeper: it ends with the pilot, and its ranks with it.

    ``ended`` is called in a thread of its own when nothing of it is left.
    """

    is_here = True

    def __init__(self, launch: Launch, environment: Mapping[str, str], grace: float, ended: Callable[[], None]) -> None:
        """Start it.

        Raises:
            JobFailed: it cannot be started.
        """
        self.number = environment.get("SLURM_JOB_ID") or environment.get("PBS_JOBID") or ""
        self._grace, self._status = grace + LAST_REPORTS, Status(BatchState.RUNNING)
        self._seconds = launch.shape.wall_time + self._grace
        command = PayloadCommand(launch.argv, environment, launch.folder)
        out, err = launch.folder / OUTPUT, launch.folder / ERRORS
        self._payload = process.start(command, stdout=out, stderr=err)
        threading.Thread(target=self._wait, args=(ended,), name="launcher", daemon=True).start()

    def _wait(self, ended: Callable[[], None]) -> None:
        try:
            outcome = self._payload.wait(self._seconds, self._grace)  # its ranks should have ended long before
            state = BatchState.TIMED_OUT if outcome.late else BatchState.ENDED
            self._status = Status(state, _said(outcome))
        except JobFailed as lost:
            self._status = Status(BatchState.FAILED, lost.detail)
        ended()

    def status(self) -> Status:
        """Say how it is."""
        return self._status

    def cancel(self) -> bool:
        """Tell the launcher to end, which tells its ranks."""
        self._payload.stop(self._grace)
        return True


def _said(outcome: PayloadOutcome) -> str:
    how = f"signal {outcome.signal}" if outcome.status is None else f"status {outcome.status}"
    words = ""
    for path in (outcome.stderr, outcome.stdout):
        words = words or _tail(path)
    return f"the launcher ended with {how}{': ' if words else ''}{words}"


def _tail(path: Path) -> str:
    """Answer how a file ends, however long it is; nothing when it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_WORDS))
            return file.read(_LAST_WORDS).decode("utf-8", "replace").strip()
    except OSError:
        return ""


class Submitted:
    """A batch job that goes on without this pilot."""

    is_here = False

    def __init__(self, submission: Submission, number: str) -> None:
        self._submission, self.number = submission, number
        self._last = Status(BatchState.QUEUED)

    def status(self) -> Status:
        """Ask the batch system; when it does not answer, it is as it was."""
        try:
            self._last = self._submission.status(self.number)
        except JobFailed as failed:
            log.warning("batch job %s: %s", self.number, failed)
        return self._last

    def cancel(self) -> bool:
        """Have it ended; False when the batch system does not answer."""
        try:
            self._submission.cancel(self.number)
        except JobFailed as failed:
            log.warning("batch job %s cannot be cancelled now: %s", self.number, failed)
            return False
        return True


def submit(submission: Submission, launch: Launch) -> Submitted:
    """Submit a batch job, once: when the batch system does not say whether it was taken, it is looked for.

    Raises:
        JobFailed: it was not taken, or nobody knows.
    """
    try:
        return Submitted(submission, submission.submit(launch))
    except JobFailed as failed:
        if failed.code is not ErrorCode.SERVICE_NOT_AVAILABLE:
            raise
        log.warning("%s: %s; it is looked for", launch.name, failed)
        number = submission.find(launch.name)
        if number is None:
            raise
        return Submitted(submission, number)
