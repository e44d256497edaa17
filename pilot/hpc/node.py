"""What the ranks of one node share: programs that run once there beside the payloads, such as a database.

Which rank starts them is settled by a lock on a file of the node's own: who gets it alone is the one. The others wait
for it together, and so go on in the moment in which everything is ready. At the end the first one waits to have it
alone again: then nobody needs the programs any more. A rank that is killed holds no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import shutil
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.hpc.values import NODE, NodeService
from pilot.job import PayloadCommand
from pilot.runtime import process
from pilot.runtime.workdir import is_own

if TYPE_CHECKING:
    from pilot.runtime.process import Payload

LOCK, READY, WRONG, SEEN = "lock", "ready", "wrong", "rank-"
#: The last rank of a node begins so many seconds after the first one's payload has ended, or is not waited for.
LATEST = 60.0
#: How often a folder is made that others, who need it no more, remove at the same moment.
TRIES = 100
#: Wait between two looks whether a service is ready: at first, and at most. It tells nobody when it is.
PAUSE, LONGEST_PAUSE = 0.05, 2.0
#: Seconds that a service has to end, that one look at it may take, and that others wait longer than who starts it.
GRACE, LOOK, MARGIN = 20.0, 5.0, 10.0


def services_of(found: Sequence[Mapping[str, Any]]) -> list[NodeService]:
    """Read services as the head of a work list has them."""
    lists = ("argv", "before", "check")
    return [
        NodeService(
            **{
                **entry,
                **{name: tuple(entry.get(name, ())) for name in lists},
                "environment": tuple((name, value) for name, value in entry.get("environment", ())),
            }
        )
        for entry in found
    ]


class Node:
    """A rank's part in what its node shares. ``folder`` is the same for all ranks of the node, and no other's.

    ``here``: so many ranks are on the node; 0: nobody knows.
    """

    def __init__(
        self, folder: Path, services: Sequence[NodeService], environment: Mapping[str, str], here: int = 0
    ) -> None:
        self._here = here
        self.folder, self._services, self._environment = folder, services, environment
        self._running: list[tuple[Payload, threading.Event]] = []  # and what is set when one has ended
        self._lock: Optional[IO[str]] = None
        self._starts = False

    def enter(self) -> dict[str, str]:
        """Wait until everything is ready, having started it if nobody else does; answer what payloads get of it.

        Raises:
            JobFailed: it was not ready in time (SERVICE_NOT_AVAILABLE), or there is no folder for it (MKDIR).
        """
        if not self._services:
            return {}
        self._take_lock()
        if self._starts:
            self._start_all()
        elif not (self.folder / READY).exists():
            words = _text(self.folder / WRONG) or "the rank that was to start the node's services has ended"
            raise JobFailed(ErrorCode.SERVICE_NOT_AVAILABLE, words)
        return {
            name: value.replace(NODE, str(self.folder))
            for service in self._services
            for name, value in service.environment
        }

    def leave(self) -> None:
        """Say that nothing is needed any more; who has started everything ends it when that is so for all."""
        if self._lock is None:
            return
        with self._lock:
            if self._starts and (self.folder / READY).exists():
                self._await_all()
                fcntl.flock(self._lock, fcntl.LOCK_EX)  # as soon as no other rank of this node needs anything
                (self.folder / READY).unlink()
            self._end_all()
            if not (self.folder / READY).exists() and _alone(self._lock):
                shutil.rmtree(self.folder, ignore_errors=True)
        self._lock = None

    def _end_all(self) -> None:
        for payload, ended in reversed(self._running):
            payload.stop(GRACE)
            ended.wait()
        self._running.clear()

    def _await_all(self) -> None:
        """Wait for ranks that have not even begun: launchers start some later than others."""
        end, pause = time.monotonic() + LATEST, threading.Event()
        while len(list(self.folder.glob(f"{SEEN}*"))) < self._here and time.monotonic() < end:
            pause.wait(PAUSE)

    def _take_lock(self) -> None:
        seconds = sum(service.seconds for service in self._services) + MARGIN
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            file = self._open()
            if _alone(file):
                self._starts = not any((self.folder / name).exists() for name in (READY, WRONG))
                if not self._starts:
                    fcntl.flock(file, fcntl.LOCK_SH)
            elif not _shared_within(file, end - time.monotonic()):
                file.close()
                break
            if os.fstat(file.fileno()).st_nlink:  # else it was removed by those who came before us: they are gone
                self._lock = file
                self._count()  # not before: who ends everything as soon as all are here has to wait for the lock, too
                return
            file.close()
        self._count()
        words = f"the services of the node were not ready in {seconds:g} s"
        raise JobFailed(ErrorCode.SERVICE_NOT_AVAILABLE, words)

    def _count(self) -> None:
        """Say that one more rank of the node has come."""
        with contextlib.suppress(OSError):
            (self.folder / f"{SEEN}{os.getpid()}").touch(mode=0o600)

    def _open(self) -> IO[str]:
        for _ in range(TRIES):
            try:
                return self._opened()
            except FileNotFoundError:  # those who came before us have removed the folder just now: make it again
                continue
            except OSError as wrong:
                raise JobFailed(ErrorCode.MKDIR, f"{self.folder}: {wrong.strerror}") from wrong
        raise JobFailed(ErrorCode.MKDIR, f"{self.folder}: it was removed {TRIES} times")

    def _opened(self) -> IO[str]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_own(self.folder):
            self.folder.lstat()  # it is not ours, or it is gone
            raise JobFailed(ErrorCode.MKDIR, f"{self.folder} is not this account's own")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.fdopen(os.open(self.folder / LOCK, flags, 0o600), "r+")

    def _start_all(self) -> None:
        try:
            for service in self._services:
                self._start(service)
            (self.folder / READY).touch(mode=0o600)
        except JobFailed as failed:
            self._end_all()
            (self.folder / WRONG).write_text(failed.detail)
            raise
        finally:
            if self._lock is not None:
                fcntl.flock(self._lock, fcntl.LOCK_SH)  # whoever waits goes on now

    def _start(self, service: NodeService) -> None:
        end = time.monotonic() + service.seconds
        if service.before:
            outcome = self._begin(service.before, f"{service.name}.before").wait(service.seconds)
            if not outcome.well:
                raise self._failed(service, f"what goes before it ended with {_how(outcome)}", f"{service.name}.before")
        payload = self._begin(service.argv, service.name)
        ended = threading.Event()
        self._running.append((payload, ended))

        def wait() -> None:
            with contextlib.suppress(JobFailed):
                payload.wait()
            ended.set()

        threading.Thread(target=wait, daemon=True).start()
        pause = PAUSE
        while not self._is_ready(service, end):
            if ended.wait(min(pause, max(0.0, end - time.monotonic()))):
                raise self._failed(service, "it ended before it was ready", service.name)
            if time.monotonic() >= end:
                raise self._failed(service, f"it was not ready in {service.seconds:g} s", service.name)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _begin(self, argv: Sequence[str], name: str) -> Payload:
        words = tuple(word.replace(NODE, str(self.folder)) for word in argv)
        command = PayloadCommand(words, dict(self._environment), self.folder)
        return process.start(command, stdout=self.folder / f"{name}.out", stderr=self.folder / f"{name}.err")

    def _is_ready(self, service: NodeService, end: float) -> bool:
        seconds = max(0.1, min(LOOK, end - time.monotonic()))
        if service.socket:
            return _greets(service.socket.replace(NODE, str(self.folder)), seconds)
        return not service.check or self._begin(service.check, f"{service.name}.check").wait(seconds).well

    def _failed(self, service: NodeService, words: str, name: str) -> JobFailed:
        said = (_text(self.folder / f"{name}.err") or _text(self.folder / f"{name}.out")).strip()[-500:]
        told = f"; last words: {said}" if said else ""
        host = os.uname().nodename
        return JobFailed(ErrorCode.SERVICE_NOT_AVAILABLE, f"service {service.name} of node {host}: {words}{told}")


def _how(outcome: Any) -> str:
    return f"signal {outcome.signal}" if outcome.status is None else f"status {outcome.status}"


def _alone(file: IO[str]) -> bool:
    """Take a lock alone, if nobody else has it now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _shared_within(file: IO[str], seconds: float) -> bool:
    """Wait for a lock that others may have too; the kernel knows no time-out for that, so a thread does the waiting."""
    told: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def wait() -> None:
        with contextlib.suppress(OSError, ValueError):  # it was closed, because the time was over
            fcntl.flock(file, fcntl.LOCK_SH)
            told.put(True)

    threading.Thread(target=wait, daemon=True).start()
    try:
        return told.get(timeout=max(0.0, seconds))
    except queue.Empty:
        return False


def _greets(path: str, seconds: float) -> bool:
    """Connect, and wait for the first byte."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(path)
        return bool(connection.recv(1))
    return False


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
