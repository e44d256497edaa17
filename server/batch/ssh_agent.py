"""Asks the batch system of a login node, on that login node; called by the server by way of `server.lib.apart`.

Below the folder of a system: ``modules/HASH`` are these modules · ``system/`` is the batch system's own ·
``files/HASH`` what its jobs are given · ``locks/KEY`` is held by whoever submits or looks for that key · ``closed/KEY``
says that it was looked for and not there: a submission that is still on its way comes too late.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import functools
import hashlib
import importlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.batch.base import BatchFailed, BatchState, BatchSystem
from server.batch.place import Place
from server.batch.ssh_values import shown, template_of

#: Jobs, and bytes, in one piece of an answer.
_PIECE, _BLOCK = 500, 2**18
#: Bytes of the longest log; of a longer one the last of them are brought.
MOST = 2**26
#: Seconds for which files and keys that nobody has used since are kept.
_KEPT = 30 * 86400.0
_ENDED = (BatchState.DONE, BatchState.LOST)


def missing(where: Mapping[str, Any], names: Sequence[str]) -> Iterator[list[str]]:
    """Yield those of some files that have to be sent."""
    with _asked(where) as site:
        site.sweep(time.time())
        yield [name for name in names if not site.has(name)]


def put(where: Mapping[str, Any], name: str, draft: str, text: str, last: bool) -> Iterator[bool]:
    """Take a part of a file, which is ``draft`` until it is whole; after the last one it has to be as promised."""
    with _asked(where) as site:
        site.take(name, draft, base64.b64decode(text), last=last)
        yield True


def submit(where: Mapping[str, Any], template: Mapping[str, Any], count: int) -> Iterator[Sequence[str]]:
    """Submit jobs; yield their ids."""
    with _asked(where) as site, site.alone(template["key"]):
        if site.closed(template["key"]).exists():
            raise BatchFailed(f"{template['key']}: this submission was given up before it arrived")
        yield site.system.submit(template_of(template, site.files), count)


def find(where: Mapping[str, Any], key: str) -> Iterator[list[tuple[int, str]]]:
    """Yield what there is of a submission, as pairs of number and id; what is not there never starts."""
    with _asked(where) as site, site.alone(key):
        found = site.system.find(key)
        if not found:
            site.closed(key).touch(0o600)
        yield [*found.items()]


def status(where: Mapping[str, Any], jobs: Sequence[str]) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Yield how jobs are, as pairs of id and words."""
    with _asked(where) as site:
        found = [(job, shown(seen)) for job, seen in site.system.status(jobs).items()]
        yield from (found[first : first + _PIECE] for first in range(0, len(found), _PIECE))


def history(where: Mapping[str, Any], jobs: Sequence[str]) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Yield how those ended that have."""
    with _asked(where) as site:
        yield [(job, shown(seen)) for job, seen in site.system.history(jobs).items()]


def cancel(where: Mapping[str, Any], jobs: Sequence[str]) -> Iterator[bool]:
    """Order jobs to stop."""
    with _asked(where) as site:
        site.system.cancel(jobs)
        yield True


def cancel_waiting(where: Mapping[str, Any], jobs: Sequence[str]) -> Iterator[Sequence[str]]:
    """Order those to stop that have no slot; yield which."""
    with _asked(where) as site:
        yield site.system.cancel_waiting(jobs)


def forget(where: Mapping[str, Any], jobs: Sequence[str]) -> Iterator[bool]:
    """Remove the files of jobs that have ended."""
    with _asked(where) as site:
        site.system.forget(jobs)
        yield True


def window(where: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[Mapping[str, Any] | None]:
    """Yield what could start this moment."""
    with _asked(where) as site:
        found = site.system.window(options)
        yield None if found is None else asdict(found)


def logs(where: Mapping[str, Any], jobs: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield what ended jobs wrote: id, name of the file, and a part of it; then the id and two empty texts."""
    with _asked(where) as site:
        site.system.collect(jobs)
        for job, seen in site.system.status(jobs).items():
            if seen.state in _ENDED:
                yield from _written(site.system, job)


def _written(system: BatchSystem, job: str) -> Iterator[tuple[str, str, str]]:
    try:
        folder = system.directory(job)
    except BatchFailed:
        return  # it never was a job of this system's
    if not folder.is_dir():
        return
    for name in ("stdout", "stderr"):
        with contextlib.suppress(FileNotFoundError), (folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - MOST))
            for block in iter(functools.partial(file.read, _BLOCK), b""):
                yield job, name, base64.b64encode(block).decode()
    yield job, "", ""


class Site:
    """The folder of one batch system on this login node, and the system."""

    def __init__(self, home: Path, system: BatchSystem) -> None:
        self._home, self.system, self.files = home, system, home / "files"
        for folder in (home / "locks", home / "closed", self.files):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def closed(self, key: str) -> Path:
        """Answer the file that says that a key is not used any more."""
        return self._home / "closed" / key

    @contextlib.contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Be the only one who submits a key or looks for it.

        Raises:
            BatchFailed: somebody else is.
        """
        lock = self._home / "locks" / key
        with lock.open("a") as door:
            try:
                fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BatchFailed(f"{key}: is being submitted on the login node at this moment; ask again") from None
            try:
                yield
            finally:
                # What is decided by now stays so without it: the system has the key, or it is closed.
                lock.unlink(missing_ok=True)

    def has(self, name: str) -> bool:
        """Say whether a file is there, and keep it for some time more."""
        try:
            os.utime(self.files / name)
        except FileNotFoundError:
            return False
        return True

    def take(self, name: str, part: str, block: bytes, *, last: bool) -> None:
        """Write a part of a file, whose name is the hash of all of it; with ``-x`` at its end it can be run."""
        draft = self.files / f".{part}"
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as file:  # noqa: PTH123
                file.write(block)
            if not last:
                return
            if hashlib.sha256(draft.read_bytes()).hexdigest() != name.partition("-")[0]:
                raise OSError(f"{name}: what has come is not what was announced; was it changed meanwhile?")
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        draft.chmod(0o700 if name.endswith("-x") else 0o600)
        draft.rename(self.files / name)

    def sweep(self, now: float) -> None:
        """Remove what nobody has used for long; a pass that was good once is among it."""
        for folder in (self.files, self._home / "locks", self._home / "closed"):
            for path in folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < now - _KEPT:
                        path.unlink()


@contextlib.contextmanager
def _asked(where: Mapping[str, Any]) -> Iterator[Site]:
    """Open the system that is asked, and make what the disk says a failure of it.

    When nothing more is asked for long, this process ends: a connection may be gone without anybody having been told.
    """
    signal.alarm(0)
    try:
        yield _open(json.dumps(where, sort_keys=True))
    except OSError as wrong:
        raise BatchFailed(f"the login node: {wrong}") from wrong
    finally:
        signal.alarm(where["idle"])


@functools.cache
def _open(said: str) -> Site:
    where = json.loads(said)
    home = Path.home() / where["folder"] / where["name"]
    kind: type[BatchSystem] = getattr(importlib.import_module(where["module"]), where["class"])
    place = Place(where["name"], home / "system", where["options"])
    return Site(home, kind.open(place))
