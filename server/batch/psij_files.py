"""The folder that a server shares with the nodes of a system that psij speaks with, and what became of each job.

Below its root: ``jobs/KEY/`` is one submission, with ``plan.json`` (how many jobs), ``order.json`` (what is started),
``files/``, the programs of the nodes, ``batch/`` (what psij wrote), and of each job, by its number, ``said-NUMBER``
(what the command answered that submitted it), ``part-NUMBER`` (its id there, for ever) and a directory · ``closed/KEY``
marks a submission that was given up: what may still be on its way finds that for some time.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from server.batch import psij_node, slurm_node
from server.batch.base import BatchFailed, Template
from server.batch.slurm_files import node_program, read, write_once

PROGRAM, MODULES = "psij_node.py", "node.pyz"
_PLAN, _GONE = "plan.json", "gone"
#: Seconds for which the folder of a submission that was given up stays.
_KEPT_CLOSED = 86400.0
#: Seconds after which the order to end is passed on to a job that still lives: most systems give it to all processes of
#: a job, and a second one may come in the middle of its end.
_DELAY = 2.0


@contextmanager
def holding(lock: Path, key: str) -> Iterator[int]:
    """Hold a submission; what is started with this file descriptor holds it, too.

    Raises:
        BatchFailed: somebody else holds it: it is still being sent.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BatchFailed(f"{key}: is still being submitted; ask again") from None
        yield file.fileno()


class Submission:
    """The files of one submission. A server holds ``lock`` while it sends, each command ``command_lock``."""

    def __init__(self, home: Path, locks: Path) -> None:
        self.home, self.key = home, home.name
        self.lock, self.command_lock = locks / self.key, locks / f"{self.key}.command"

    def write(self, template: Template, count: int) -> None:
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
            _copy(path, self.home / "files" / name)
        order = {
            "argv": list(template.argv),
            "environment": dict(template.environment),
            "grace": template.grace,
            "delay": min(_DELAY, template.grace / 2),
            "files": {name: f"{self.home}/files/{name}" for name in template.files},
        }
        write_once(self.home / slurm_node.ORDER, order)
        (self.home / MODULES).write_bytes(node_program())
        shutil.copyfile(psij_node.__file__, self.home / PROGRAM)
        # What has no plan was never sent: it is there as a whole, or not at all.
        draft = self.home / f".{_PLAN}"
        write_once(draft, {"count": count})
        draft.rename(self.home / _PLAN)

    def numbers(self) -> Sequence[int]:
        """Answer the numbers of its jobs; none of one that broke before anything could be sent."""
        return range((read(self.home / _PLAN) or {"count": 0})["count"])

    def native(self, number: int) -> str | None:
        """Answer the id of a job; the empty text if it never starts, None while nobody knows."""
        with suppress(FileNotFoundError):
            return self._part(number).read_text()
        return None

    def open_numbers(self) -> Sequence[int]:
        """Answer the jobs of which nobody knows what becomes of them."""
        return [number for number in self.numbers() if self.native(number) is None]

    def taken(self) -> Mapping[int, str]:
        """Answer the ids, within this system, of the jobs that were taken."""
        return {number: f"{self.key}/{number}" for number in self.numbers() if self.native(number)}

    def accept(self, number: int, native: str) -> bool:
        """Say once for ever that a job was taken; answer whether it was not given up before."""
        slurm_node.settle(str(self._part(number)), native)
        settled = self.native(number)
        if settled and settled != native:  # it runs already, and knows itself by another name
            draft = self.home / f".part-{secrets.token_hex(4)}"
            draft.write_text(native)
            draft.rename(self._part(number))
        return bool(settled)

    def give_up(self) -> None:
        """Have nothing start any more of what was not surely taken: a job that comes all the same does nothing."""
        for number in self.open_numbers():
            slurm_node.settle(str(self._part(number)), "")

    def answers(self) -> Mapping[int, str]:
        """Answer what the commands have said by which jobs were submitted of which nobody knows yet."""
        found = {}
        for number in self.open_numbers():
            with suppress(FileNotFoundError):
                found[number] = (self.home / f"said-{number}").read_text(errors="replace")
        return {number: text for number, text in found.items() if text}

    def _part(self, number: int) -> Path:
        return self.home / f"part-{number}"

    def forget(self, natives: Mapping[int, str]) -> None:
        """Remove the files of jobs, by number, each with its id; with the last one's go all."""
        for number, native in natives.items():
            shutil.rmtree(self.home / str(number), ignore_errors=True)
            for name in (f"{number}.job", f"{native}.out", f"{native}.nodefile"):
                (self.home / "batch" / name).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            with (self.home / _GONE).open("a") as file:
                file.write("".join(f"{number}\n" for number in natives))
            gone = set((self.home / _GONE).read_text().split())
            if gone.issuperset(map(str, self.taken())):
                self.remove()

    def remove(self) -> None:
        """Remove everything: nothing of it is there, or on its way."""
        shutil.rmtree(self.home, ignore_errors=True)
        for lock in (self.lock, self.command_lock):
            lock.unlink(missing_ok=True)


def _copy(path: Path, target: Path) -> None:
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with path.open("rb") as source, open(os.open(target, new, 0o600), "wb") as copy:  # noqa: PTH123
        shutil.copyfileobj(source, copy)
    target.chmod(0o700 if os.access(path, os.X_OK) else 0o600)


class Shared:
    """The folder. ``locks`` is on a disk of this machine."""

    def __init__(self, root: Path, locks: Path) -> None:
        self.root, self._locks, self._closed = root, locks, root / "closed"

    def submission(self, key: str) -> Submission:
        return Submission(self.root / "jobs" / key, self._locks)

    def close(self, submission: Submission) -> None:
        """Give a submission up of which nothing was taken: its files go now, and the rest with `sweep`."""
        shutil.rmtree(submission.home / "files", ignore_errors=True)
        self._closed.mkdir(mode=0o700, exist_ok=True)
        (self._closed / submission.key).touch(exist_ok=True)

    def sweep(self, now: float) -> None:
        """Remove what is left of submissions that were given up long ago; ``now`` is in seconds since 1970."""
        for mark in self._closed.iterdir() if self._closed.is_dir() else ():
            if now - mark.stat().st_mtime > _KEPT_CLOSED:
                self.submission(mark.name).remove()
                mark.unlink(missing_ok=True)
