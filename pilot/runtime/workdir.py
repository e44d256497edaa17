"""A job's directory: made for its owner alone, locked against other pilots, and removed whatever the payload left."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, NamedTuple

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.errors import JobFailed

#: How the folder of one pilot begins; below it lie its journal, its log and its jobs' directories.
FOLDER = "compass-pilot-"
LOCK_FILE = ".compass-lock"
#: Stands in a directory that somebody wants to look at: no pilot removes it before its folder's log is worn out.
KEPT_FILE = ".compass-kept"
#: The payload's temporary files go here; they are not kept in the log.
TEMPORARY = "tmp"
STDOUT, STDERR = "payload.stdout", "payload.stderr"
#: What stands in a job's directory beside the job's own files.
OWN_NAMES = (LOCK_FILE, TEMPORARY, STDOUT, STDERR)


class Workdir(NamedTuple):
    """Where one attempt of a job happens."""

    root: Path

    @property
    def stdout(self) -> Path:
        """What the payload wrote to its standard output."""
        return self.root / STDOUT

    @property
    def stderr(self) -> Path:
        """What the payload wrote to its standard error."""
        return self.root / STDERR

    @property
    def temporary(self) -> Path:
        """The payload's ``TMPDIR``."""
        return self.root / TEMPORARY


def of(base: Path, spec: JobSpec) -> Workdir:
    """Say where an attempt's directory is or would be; touches nothing."""
    return Workdir(base / naming.workdir(spec.id, spec.attempt))


def create(base: Path, spec: JobSpec) -> Workdir:
    """Make an attempt's directory (mode 0700) below ``base``, which is made when it is not there.

    Raises:
        JobFailed: the disk is full (NO_LOCAL_SPACE), or it cannot be made, or is there already (MKDIR).
    """
    workdir = of(base, spec)
    try:
        base.mkdir(parents=True, exist_ok=True)
        workdir.root.mkdir(mode=0o700)
        workdir.root.chmod(0o700)  # whatever the umask is
        workdir.temporary.mkdir(mode=0o700)
    except OSError as wrong:
        full = wrong.errno in (errno.ENOSPC, errno.EDQUOT)
        code = ErrorCode.NO_LOCAL_SPACE if full else ErrorCode.MKDIR
        raise JobFailed(code, f"{workdir.root}: {wrong.strerror}") from wrong
    return workdir


def keep(workdir: Workdir) -> None:
    """Leave a directory, if it is there, to whoever wants to look at it."""
    with contextlib.suppress(OSError):
        (workdir.root / KEPT_FILE).touch()


def remove(workdir: Workdir) -> None:
    """Remove a directory with all that is in it; one that is not there is no failure.

    A folder that the payload made unreadable is opened up first. Symbolic links are removed, not followed.

    Raises:
        JobFailed: something could not be removed (FILE_HANDLING); the rest is gone.
    """
    left: list[str] = []

    def retry(removing: Callable[..., Any], path: str, why: Any) -> None:
        try:
            parent = Path(path).parent
            if parent != workdir.root.parent:
                parent.chmod(stat.S_IRWXU)
            if removing in (os.open, os.scandir, os.listdir, os.lstat):
                Path(path).chmod(stat.S_IRWXU)
                shutil.rmtree(path)
            else:
                removing(path)
        except FileNotFoundError:
            return
        except OSError as wrong:
            left.append(f"{path}: {wrong.strerror}")

    shutil.rmtree(workdir.root, onerror=retry)
    if left:
        raise JobFailed(ErrorCode.FILE_HANDLING, f"could not be removed: {left[0]}", left=len(left))


@contextlib.contextmanager
def claimed(base: Path) -> Iterator[Path]:
    """Make a folder for one pilot below ``base``, and hold it; nobody ever sees it without its lock.

    Raises:
        OSError: it cannot be made.
        JobFailed: it cannot be locked.
    """
    made = Path(tempfile.mkdtemp(prefix=f".{FOLDER}{os.getpid()}-", dir=base))
    with lock(made):
        folder = base / made.name[1:]
        made.rename(folder)
        yield folder


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a directory against other pilots, and other threads, on this disk. The lock ends with the process.

    Raises:
        JobFailed: somebody holds it (JOB_ALREADY_RUNNING, and who does), or the lock file cannot be written (MKDIR).
    """
    path = folder / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as wrong:
        raise JobFailed(ErrorCode.MKDIR, f"{path}: {wrong.strerror}") from wrong
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as wrong:
            if wrong.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise JobFailed(ErrorCode.FILE_HANDLING, f"{path}: cannot be locked: {wrong.strerror}") from wrong
            holder = file.read().strip() or "another process"
            raise JobFailed(ErrorCode.JOB_ALREADY_RUNNING, f"{folder} is in use by {holder}") from wrong
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        holder = f"process {os.getpid()} on {os.uname().nodename} since {now}\n"
        try:
            file.truncate()
            os.write(descriptor, holder.encode())
        except OSError as wrong:
            raise JobFailed(ErrorCode.FILE_HANDLING, f"{path}: cannot be written: {wrong.strerror}") from wrong
        yield
