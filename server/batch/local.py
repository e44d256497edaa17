"""Processes of this machine as a batch system: so many at a time, each in a directory and a process tree of its own.

What is known of a job lies in its directory, so a server that starts again finds what runs:
``job.json`` what to start · ``identity.json`` who runs it, written once for ever · ``exit.json`` how it ended.
An empty file under ``open/`` marks a job whose end nobody has seen yet.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.batch import leftovers, runner
from server.batch.base import BatchFailed, BatchJob, BatchState, BatchSystem, Template
from server.batch.place import Place, read_job_options
from server.lib.processes import ProcessName, is_alive, machine

_KEY = re.compile(r"[A-Za-z0-9][\w.-]{0,60}")
_ID = re.compile(rf"({_KEY.pattern})/(\d{{1,6}})")
#: Seconds beyond its grace that a runner is given before its processes are ended for it.
_PATIENCE = 5.0
_START_TIMEOUT = 20.0


@dataclass(frozen=True)
class LocalOptions:
    """``slots``: how many run at a time; left out, those of the factory's queue. With 0 none is started."""

    slots: int = 0


class LocalBatch(BatchSystem):
    """``slots`` processes at a time, below ``root``; the others wait in order of submission."""

    name = "local"
    per_queue = True

    def __init__(self, root: Path, slots: int) -> None:
        self._root, self._slots = root.absolute(), slots

    @classmethod
    def open(cls, place: Place) -> LocalBatch:
        slots = place.read_options(LocalOptions).slots
        if slots < 0:
            raise place.wrong("options.slots", f"{slots}: give 1 or more, or 0 to have none started")
        return cls(place.folder, slots)

    def submit(self, template: Template, count: int) -> tuple[str, ...]:
        if not _KEY.fullmatch(template.key):
            raise BatchFailed(f"{template.key!r} cannot be the key of a submission: letters, digits, . _ and - only")
        read_job_options(self.name, type(self), template.options)
        home = self._root / template.key
        try:
            home.mkdir(parents=True, mode=0o700)
            (self._root / "open").mkdir(exist_ok=True)
            ids = tuple(f"{template.key}/{number}" for number in range(count))
            for job in ids:
                self._order(job, template)
            self._fill()
        except FileExistsError as error:
            raise BatchFailed(f"{template.key}: a submission of that key exists") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise BatchFailed(f"{template.key}: {error}") from error
        return ids

    def _order(self, job: str, template: Template) -> None:
        folder = self.directory(job)
        folder.mkdir(mode=0o700)
        own = {"COMPASS_BATCH_ID": job, "PANDA_JSID": job, leftovers.MARK: str(folder)}
        order = {
            "argv": list(template.argv),
            "environment": {**template.environment, **own},
            "grace": template.grace,
            "files": {name: str(path.absolute()) for name, path in template.files.items()},
        }
        door = os.open(folder / runner.ORDER, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(door, "w") as file:
            json.dump(order, file)
        # From here on it will run, whatever becomes of us.
        self._mark(job).touch()

    def find(self, key: str) -> Mapping[int, str]:
        if not _KEY.fullmatch(key):
            return {}
        ids = [f"{key}/{path.name}" for path in (self._root / key).glob("[0-9]*")]
        known = [job for job in ids if self._mark(job).exists() or (self.directory(job) / runner.CLAIM).exists()]
        return {int(job.rpartition("/")[2]): job for job in known}

    def status(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        try:
            if self._root.exists():
                self._fill()
            return {job: self._look(job) for job in ids}
        except (OSError, subprocess.SubprocessError) as error:
            raise BatchFailed(f"{self._root}: {error}") from error

    def history(self, ids: Collection[str]) -> Mapping[str, BatchJob]:
        return {job: found for job, found in self.status(ids).items() if found.state is BatchState.DONE}

    def cancel(self, ids: Collection[str]) -> None:
        try:
            for job in filter(_ID.fullmatch, ids):
                self._cancel(job, self.directory(job))
        except OSError as error:
            raise BatchFailed(f"{self._root}: {error}") from error

    def _cancel(self, job: str, folder: Path) -> None:
        found = self._look(job)
        if found.state is BatchState.QUEUED and runner.claim(str(folder), {"cancelled": True}):
            runner.finish(str(folder), None, "cancelled before it started")
        elif found.state is BatchState.RUNNING:
            self._stop(folder)
        elif found.state is BatchState.LOST and folder.is_dir():
            leftovers.end(folder)

    def directory(self, job: str) -> Path:
        if not _ID.fullmatch(job):
            raise BatchFailed(f"{job!r} is not an id of the local batch system: submission/number")
        return self._root / job

    def forget(self, ids: Collection[str]) -> None:
        for job in ids:
            if not _ID.fullmatch(job) or self._look(job).state in (BatchState.QUEUED, BatchState.RUNNING):
                continue
            folder = self.directory(job)
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # others of its submission are still there
                folder.parent.rmdir()

    def _mark(self, job: str) -> Path:
        return self._root / "open" / job.replace("/", "~")

    def _look(self, job: str) -> BatchJob:
        if not _ID.fullmatch(job):
            return BatchJob(BatchState.LOST, words=f"{job!r} is not an id of the local batch system")
        found = _read_state(self._root / job, waits=self._mark(job).exists())
        if found.state in (BatchState.DONE, BatchState.LOST):
            self._mark(job).unlink(missing_ok=True)
        return found

    def _stop(self, folder: Path) -> None:
        """Tell the runner to stop its job; when that was told long enough ago, end its processes."""
        told = folder / "stop"
        grace = _read(folder / runner.ORDER).get("grace", 0.0)
        if told.exists() and time.time() - told.stat().st_mtime > grace + _PATIENCE:
            leftovers.end(folder)
        told.touch(exist_ok=True)
        name = _identity(folder)
        if name is not None:
            _tell(name)

    def _fill(self) -> None:
        """Start those that wait while slots are free. Two servers on one directory take turns."""
        with self._alone():
            marks = sorted((self._root / "open").iterdir(), key=lambda mark: (mark.stat().st_mtime_ns, mark.name))
            looked = [(mark.name.replace("~", "/"), self._look(mark.name.replace("~", "/"))) for mark in marks]
            free = self._slots - sum(found.state is BatchState.RUNNING for _, found in looked)
            waiting = [job for job, found in looked if found.state is BatchState.QUEUED]
            for job in waiting[: max(0, free)]:
                self._start(job)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        (self._root / "open").mkdir(exist_ok=True)
        with (self._root / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _start(self, job: str) -> None:
        folder = self.directory(job)
        with (folder / "runner.log").open("ab") as log:
            subprocess.run(
                [sys.executable, "-I", "-S", runner.__file__, str(folder), machine()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={},
                timeout=_START_TIMEOUT,
                check=False,
            )


def _read_state(folder: Path, *, waits: bool) -> BatchJob:
    claim = _read(folder / runner.CLAIM)
    if not claim:
        if waits:
            return BatchJob(BatchState.QUEUED)
        return BatchJob(BatchState.LOST, words="the local batch system has no such job")
    name = _identity(folder)
    alive = name is not None and is_alive(name)
    # Looked at after the process: one that lives now may write its end the next moment, one that is gone has.
    end = _read(folder / runner.EXIT)
    started = _moment(claim.get("at"))
    if end:
        node = platform.node() if started else ""  # it may have been cancelled before
        words = end.get("words", "how it ended was not kept")
        return BatchJob(BatchState.DONE, end.get("status"), started, _moment(end.get("at")), words, node)
    if alive:
        return BatchJob(BatchState.RUNNING, started=started, node=platform.node())
    return BatchJob(BatchState.LOST, started=started, words="its process is gone and left no exit status")


def _identity(folder: Path) -> ProcessName | None:
    """Answer who runs a job, if the process of that pid is still the one that was started for it."""
    claim = _read(folder / runner.CLAIM)
    if "pid" not in claim:
        return None
    name = ProcessName(claim["machine"], claim["pid"], claim["started"])
    try:
        words = Path(f"/proc/{name.pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return name if os.fsencode(folder) in words else None


def _tell(name: ProcessName) -> None:
    """Send TERM to a process, and to no other one that got its pid meanwhile."""
    try:
        door = os.pidfd_open(name.pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(name):
            signal.pidfd_send_signal(door, signal.SIGTERM)
    except ProcessLookupError:
        return
    finally:
        os.close(door)


def _read(path: Path) -> dict[str, Any]:
    """Answer what a file says; nothing if it is not there, and that it is lost if the power failed meanwhile."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        return {"lost": True}
    return found


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
