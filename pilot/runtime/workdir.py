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
from typing import IO, Any, Callable

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.named import NamedTuple
from pilot.errors import JobFailed

#: How the folder of one pilot begins; below it lie its journal, its log and its jobs' directories.
FOLDER = "compass-pilot-"
LOCK_FILE = ".compass-lock"
#: Stands in a directory that somebody wants to look at: no pilot removes it before its folder's log is worn out.
KEPT_FILE = ".compass-kept"
#: Stands in the directory of a job whose payload was handed to an allocation, and names that; see `pilot.hpc.record`.
ALLOCATED = ".compass-allocation.json"
#: The payload's temporary files go here; they are not kept in the log.
TEMPORARY = "tmp"
STDOUT, STDERR = "payload.stdout", "payload.stderr"
#: How the names of the pilot's own notes in a job's directory begin; what they say is believed.
OWN_BEGINNING = ".compass-"
#: How the folders begin, in a pilot's folder, in which outputs have a second name while their payload still runs.
EARLY = ".early-"
#: What stands in a job's directory beside the job's own files.
OWN_NAMES = (LOCK_FILE, TEMPORARY, STDOUT, STDERR)
#: When a tree is too deep for Python, it is removed in parts of so many folders above each other.
DEEPEST = 8


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


def is_allocated(workdir: Workdir) -> bool:
    """Say whether an attempt's payload was handed to an allocation."""
    return os.path.lexists(workdir.root / ALLOCATED)


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
    try:
        _remove_tree(workdir, left)
    except RecursionError:  # of Python before 3.13
        _flatten(workdir.root)
        _remove_tree(workdir, left)
    if left:
        raise JobFailed(ErrorCode.FILE_HANDLING, f"could not be removed: {left[0]}", left=len(left))


def _remove_tree(workdir: Workdir, left: list[str]) -> None:
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


def _flatten(root: Path) -> None:
    """Bring folders that lie too deep up to the top, so that no path to one is too long."""
    waiting, brought = [(str(root), 0)], 0
    while waiting:
        folder, depth = waiting.pop()
        with contextlib.suppress(OSError):  # told by whoever removes it
            with os.scandir(folder) as entries:
                inside = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            for path in inside:
                os.chmod(path, stat.S_IRWXU)  # noqa: PTH101  # a path of text is enough
                if depth < DEEPEST:
                    waiting.append((path, depth + 1))
                else:
                    brought += 1
                    higher = str(root / f"{KEPT_FILE}-{brought}")
                    os.rename(path, higher)  # noqa: PTH104
                    waiting.append((higher, 1))


def is_own(folder: Path) -> bool:
    """Say whether a folder was made by this account, and nobody else can have put anything into it."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    others = stat.S_IWGRP | stat.S_IWOTH
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & others


def write_new(path: Path) -> IO[bytes]:
    """Open a new file of the pilot's own (mode 0600) in the place of whatever a payload has put there.

    No link is followed: it might lead to where a payload, in its container, could not write by itself.

    Raises:
        OSError: it cannot be made.
    """
    clear(path)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def read_own(path: Path, most: int) -> bytes:
    """Read a file that a payload may have replaced: no link is followed, no pipe waited for.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no file, or longer than ``most`` bytes.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            raise ValueError(f"{path}: no file, or one of more than {most} bytes")
        return file.read(most)


def forget_secrets(workdir: Workdir) -> None:
    """Remove what only a payload was to know, once it has ended: others may come to see its directory."""
    with contextlib.suppress(OSError):
        clear(workdir.root / naming.SECRETS_FILE)


def clear(path: Path) -> None:
    """Remove whatever lies there; a link, not what it leads to.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except IsADirectoryError:
        shutil.rmtree(path)


@contextlib.contextmanager
def claimed(base: Path) -> Iterator[Path]:
    """Make a folder for one pilot below ``base``, and hold it; nobody ever sees it without its lock.

    Raises:
        OSError: it cannot be made.
        JobFailed: it cannot be locked.
    """
    made = Path(tempfile.mkdtemp(prefix=f".{FOLDER}{os.getpid()}-", dir=base))
    folder = base / made.name[1:]
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(lock(made))
            made.rename(folder)
        except (JobFailed, OSError):
            shutil.rmtree(made, ignore_errors=True)
            raise
        yield folder


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a directory against other pilots, and other threads, on this disk. The lock ends with the process.

    Raises:
        JobFailed: somebody holds it (JOB_ALREADY_RUNNING, and who does), the lock file cannot be made (MKDIR),
            or the file system knows no locks (FILE_HANDLING).
    """
    path = folder / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as wrong:
        raise JobFailed(ErrorCode.MKDIR, f"{path}: {wrong.strerror}") from wrong
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as wrong:
            if wrong.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                words = f"{path}: cannot be locked: {wrong.strerror}; the file system has to know flock"
                raise JobFailed(ErrorCode.FILE_HANDLING, words) from wrong
            holder = file.read().strip() or "another process"
            raise JobFailed(ErrorCode.JOB_ALREADY_RUNNING, f"{folder} is in use by {holder}") from wrong
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        holder = f"process {os.getpid()} on {os.uname().nodename} since {now}\n"
        with contextlib.suppress(OSError):  # held all the same; on a full disk what dead pilots left has to go
            file.truncate()
            os.write(descriptor, holder.encode())
        yield
