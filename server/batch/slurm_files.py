"""The folder that a server shares with the nodes of a Slurm: submissions, their parts, and what is known of jobs.

Below its root: ``jobs/KEY/`` is one submission, with ``plan.json`` (its arrays), ``order.json`` (what is started),
``files/``, the program of the nodes, ``part-FIRST`` (which array that part is, for ever), and a directory for each job
by its number · ``ids/ARRAY`` says which submission an array belongs to · ``closed/KEY`` marks a submission that was
given up, whose folder stays for a day: what may still be on its way finds that it is closed.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import io
import json
import os
import re
import secrets
import shlex
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from server.batch import runner, slurm_node
from server.batch.base import BatchFailed, Template
from server.batch.slurm_answers import JobId, Row

KEY = re.compile(r"[A-Za-z0-9][\w.-]{0,60}", re.ASCII)
PROGRAM = "node.pyz"
#: The errors of a disk that has no room left, for anybody or for this user.
FULL = (errno.ENOSPC, errno.EDQUOT)
_PLAN, _OVER, _GONE = "plan.json", "over.json", "gone"
#: Seconds for which the folder of a submission that was given up stays.
_KEPT_CLOSED = 86400.0


@dataclass(frozen=True)
class Part:
    """One array of a submission: the number of its first job, how many it has, and its name in Slurm."""

    first: int
    count: int
    name: str

    def ids(self, array: str) -> dict[int, str]:
        """Answer the ids of its jobs, by number; none of a part that was never taken."""
        number, at, cluster = array.partition("@")
        return {self.first + index: f"{number}_{index}{at}{cluster}" for index in range(self.count if array else 0)}


class Submission:
    """The files of one submission."""

    def __init__(self, home: Path, lock: Path, given: dict[str, tuple[object, Path]]) -> None:
        """Say where it is, its lock, and what earlier ones were given: name -> what it was, and one of its copies."""
        self.home, self._lock, self._given = home, lock, given

    @contextmanager
    def sending(self) -> Iterator[int]:
        """Hold the submission while it is sent; what is started with this file descriptor holds it, too.

        Raises:
            BatchFailed: somebody else holds it: it is still being sent.
        """
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BatchFailed(f"{self.home.name}: is still being submitted; ask again") from None
            yield file.fileno()

    def divide(self, count: int, size: int) -> tuple[Part, ...]:
        """Answer parts of at most ``size`` jobs; nothing of them is written yet."""
        # Others may use the same key under the same user: a name that is found has to be of this submission.
        mark = secrets.token_hex(4)
        firsts = range(0, count, size)
        return tuple(Part(first, min(size, count - first), f"{self.home.name}.{first}.{mark}") for first in firsts)

    def write(self, template: Template, parts: Sequence[Part]) -> None:
        """Make the folder, once for ever, with all that its jobs need.

        Raises:
            FileExistsError: the key was used before.
        """
        for name in template.files:
            if Path(name).name != name or name in ("", ".."):
                raise BatchFailed(f"{name!r} cannot be the name of a file of a job's: it has to be one word of a path")
        self.home.mkdir(parents=True, mode=0o700)
        (self.home / "files").mkdir(mode=0o700)
        for name, path in template.files.items():
            self._copy(name, path)
        order = {
            "argv": list(template.argv),
            "environment": dict(template.environment),
            "grace": template.grace,
            "files": {name: f"{self.home}/files/{name}" for name in template.files},
        }
        write_once(self.home / slurm_node.ORDER, order)
        self._give(self.home / PROGRAM, node_program(), lambda target: target.write_bytes(node_program()))
        # What has no plan was never sent: it is there as a whole, or not at all.
        draft = self.home / f".{_PLAN}"
        write_once(draft, [asdict(part) for part in parts])
        draft.rename(self.home / _PLAN)

    def _copy(self, name: str, path: Path) -> None:
        mode = 0o500 if os.access(path, os.X_OK) else 0o400  # others may have the same: nobody changes it

        def copy(target: Path) -> None:
            with path.open("rb") as source, open(os.open(target, _NEW, 0o600), "wb") as file:  # noqa: PTH123
                shutil.copyfileobj(source, file)
            target.chmod(mode)

        found = path.stat()
        version = (str(path), found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, mode)
        self._give(self.home / "files" / name, version, copy)

    def _give(self, target: Path, version: object, write: Callable[[Path], object]) -> None:
        """Let a file be the same as that of an earlier submission, if it is the same version; else write it."""
        before, copy = self._given.get(target.name, (None, target))
        try:
            if before != version:
                raise FileNotFoundError
            target.hardlink_to(copy)
        except OSError:  # that one has gone, or its disk links no more to it
            write(target)
        self._given[target.name] = version, target

    def parts(self) -> tuple[Part, ...]:
        """Answer its parts; none of one that broke before anything could be sent."""
        return tuple(Part(**each) for each in read(self.home / _PLAN) or ())

    def array(self, part: Part) -> str | None:
        """Answer which array a part is; the empty text if it is none and will be none, None while nobody knows."""
        with suppress(FileNotFoundError):
            return self._path(part).read_text()
        return None

    def settle(self, part: Part, array: str) -> str:
        """Say once for ever which array a part is; answer which one it is."""
        other = slurm_node.settle(str(self._path(part)), array)
        return self._path(part).read_text() if other else array

    def _path(self, part: Part) -> Path:
        return self.home / f"part-{part.first}"

    def remove(self) -> None:
        """Remove everything: nothing of it was taken, and nothing is on its way."""
        shutil.rmtree(self.home, ignore_errors=True)
        self._lock.unlink(missing_ok=True)

    def forget(self, jobs: Mapping[int, str]) -> bool:
        """Remove the files of jobs, by number, each with its name in the array; answer whether all is gone now."""
        for number, name in jobs.items():
            shutil.rmtree(self.home / str(number), ignore_errors=True)
            (self.home / f"batch-{name}.log").unlink(missing_ok=True)
        try:
            with (self.home / _GONE).open("a") as file:
                file.write("".join(f"{number}\n" for number in jobs))
            gone = set((self.home / _GONE).read_text().split())
        except FileNotFoundError:
            return True
        if len(gone) < sum(part.count for part in self.parts() if self.array(part)):
            return False
        self.remove()
        return True


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Shared:
    """The folder. ``locks`` is on a disk of this machine."""

    def __init__(self, root: Path, locks: Path) -> None:
        self.root, self._locks, self._closed = root, locks, root / "closed"
        self._known: dict[str, tuple[str, int]] = {}
        self._given: dict[str, tuple[object, Path]] = {}

    def submission(self, key: str) -> Submission:
        return Submission(self.root / "jobs" / key, self._locks / key, self._given)

    def note(self, array: str, key: str, first: int) -> None:
        """Write down which submission an array belongs to. A cluster that begins to count anew takes its numbers."""
        if self._known.get(array) == (key, first):
            return
        path = self.root / "ids" / array
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        draft = path.with_name(f".{array}-{secrets.token_hex(4)}")
        write_once(draft, [key, first])
        draft.rename(path)
        self._known[array] = key, first

    def place(self, job: JobId) -> tuple[str, int] | None:
        """Answer the key and the number of a job; none if it is no job of this system."""
        if job.whole not in self._known:
            found = read(self.root / "ids" / job.whole)
            if found is None:
                return None
            self._known[job.whole] = found[0], found[1]
        key, first = self._known[job.whole]
        return key, first + job.index

    def directory(self, job: JobId) -> Path | None:
        """Answer where the files of a job lie; none if it is no job of this system."""
        place = self.place(job)
        return None if place is None else self.submission(place[0]).home / str(place[1])

    def close(self, submission: Submission) -> None:
        """Give a submission up: files that no job will read go now, and the rest with `sweep`."""
        shutil.rmtree(submission.home / "files", ignore_errors=True)
        self._closed.mkdir(mode=0o700, exist_ok=True)
        (self._closed / submission.home.name).touch(exist_ok=True)

    def sweep(self, now: float) -> None:
        """Remove what is left of submissions that were given up long ago; ``now`` is in seconds since 1970."""
        for mark in self._closed.iterdir() if self._closed.is_dir() else ():
            if now - mark.stat().st_mtime > _KEPT_CLOSED:
                self.submission(mark.name).remove()
                mark.unlink(missing_ok=True)

    def drop(self, arrays: Collection[str]) -> None:
        """Forget which submission arrays belonged to."""
        for array in arrays:
            self._known.pop(array, None)
            (self.root / "ids" / array).unlink(missing_ok=True)


def keep_row(folder: Path, row: Row) -> Row:
    """Write down how Slurm says that a job has ended, once: it forgets; answer what was written first."""
    if not folder.parent.exists():
        return row  # somebody has removed its files
    draft = folder / f".{_OVER}-{secrets.token_hex(4)}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        write_once(draft, asdict(row))
        (folder / _OVER).hardlink_to(draft)
    except FileExistsError:
        return kept_row(folder) or row
    except OSError as error:
        if error.errno not in FULL:
            raise
    finally:
        draft.unlink(missing_ok=True)
    return row


def kept_row(folder: Path) -> Row | None:
    """Answer what was written down of how a job ended."""
    found = _whole(folder / _OVER)
    return None if found is None else Row(**found)


def own_words(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Answer what a job's program wrote on its node: when it began, and how it ended."""
    with suppress(FileNotFoundError):
        os.listdir(folder)  # noqa: PTH208 - what has come from another machine is seen only after that
    return _whole(folder / runner.CLAIM) or {}, _whole(folder / runner.EXIT) or {}


def script(python: str, home: Path, first: int, named: bool) -> str:
    """Write what Slurm runs for each job of a part; its words are quoted, so that a shell makes no others of them."""
    words = [python, "-I", "-S", f"{home}/{PROGRAM}", str(home), str(first), "1" if named else "0"]
    return f"#!/bin/sh\nexec {shlex.join(words)}\n"


@functools.cache
def node_program() -> bytes:
    """Answer the program of the nodes as one file that Python runs."""
    main = "import sys\nfrom server.batch.slurm_node import main\nsys.exit(main(*sys.argv[1:4]))\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bundle:
        bundle.writestr("__main__.py", main)
        bundle.writestr("server/__init__.py", "")
        bundle.writestr("server/batch/__init__.py", "")
        for name, module in (("runner", runner), ("slurm_node", slurm_node)):
            bundle.write(str(module.__file__), f"server/batch/{name}.py")
    return file.getvalue()


def write_once(path: Path, value: object) -> None:
    """Write a file of JSON that only its user can read; it must not be there."""
    with open(os.open(path, _NEW, 0o600), "w") as file:  # noqa: PTH123
        json.dump(value, file)


def read(path: Path) -> Any:
    """Answer what a file of JSON holds; None if there is none.

    Raises:
        OSError: it cannot be read, or is damaged.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as wrong:
        raise OSError(f"{path} is damaged: {wrong}") from wrong


def _whole(path: Path) -> Any:
    """Answer what a file of a job holds; None also if it is damaged: a node that breaks down leaves empty files."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
