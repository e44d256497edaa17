"""The files in which ranges' outputs come: whether they may be taken, and how several become one archive."""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from pilot.contract.events import ARCHIVE_PREFIX, CLIENT_FILE, JOURNAL_FILE, SOCKET_FILE
from pilot.copytool import checksum
from pilot.copytool.base import Deadline
from pilot.runtime.workdir import OWN_NAMES, write_new

#: What the pilot itself has in a job's directory.
NOT_OUTPUTS = frozenset([*OWN_NAMES, CLIENT_FILE, JOURNAL_FILE, SOCKET_FILE])
#: An archive's checksum does not take longer than this, in seconds.
_PATIENCE = 10800.0


class NoOutput(Exception):
    """A payload's words lead to no file that may be stored; they say why."""


class Output(NamedTuple):
    """A range's output; ``path`` is absolute."""

    range_id: str
    path: str


def find(said: str, folder: Path, seen_at: Sequence[str] = ()) -> Path:
    """Answer the file that a payload named: a regular one in the job's directory, reached without any link.

    Args:
        said: An absolute path, as the payload sees it.
        folder: The job's directory.
        seen_at: Where a container shows that directory besides at its own path.

    Raises:
        NoOutput: it is none that may be stored.
    """
    if "\0" in said:
        raise NoOutput(f"{said} is no name of a file")
    root = os.path.normpath(folder)
    path = _outside(os.path.normpath(said), root, seen_at)
    if not path.startswith(root + os.sep):
        raise NoOutput(f"{said} is not in the job's directory {folder}")
    inside = os.path.relpath(path, root)
    if inside in NOT_OUTPUTS or inside.startswith(ARCHIVE_PREFIX):
        raise NoOutput(f"{said} is the pilot's own file")
    if os.path.realpath(path) != os.path.join(os.path.realpath(root), inside):  # noqa: PTH118  # no need for a Path
        raise NoOutput(f"{said} is, or lies behind, a symbolic link")
    _check(path, said)
    return Path(path)


def _outside(path: str, root: str, seen_at: Sequence[str]) -> str:
    """Answer the path on the node of what a container shows elsewhere."""
    for other in seen_at:
        shown = os.path.normpath(other)
        if path.startswith(shown + os.sep) and not path.startswith(root + os.sep):
            return root + path[len(shown) :]
    return path


def _check(path: str, said: str) -> None:
    try:
        found = os.stat(path, follow_symlinks=False)  # noqa: PTH116
    except OSError as wrong:
        raise NoOutput(f"{said}: {wrong.strerror}") from wrong
    if not stat.S_ISREG(found.st_mode):
        raise NoOutput(f"{said} is no file")
    if not found.st_size:
        raise NoOutput(f"{said} is empty")


def archive_name(range_id: str) -> str:
    """Name an archive after the first range in it, which is in no other."""
    return f"{ARCHIVE_PREFIX}{range_id}.tar"


def pack(archive: Path, outputs: Sequence[Output]) -> tuple[list[str], Mapping[str, str]]:
    """Write outputs into one archive; answer the ranges whose outputs are in it, and why others are not.

    An output keeps its name, unless another one in the archive has it too; then its range's stands before it. A file
    that is not there any more, or is a link now, is left out.

    Raises:
        OSError: the archive cannot be written; nothing is left of it.
    """
    packed: list[str] = []
    without: dict[str, str] = {}
    names: set[str] = set()
    try:
        with write_new(archive) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for output in outputs:
                try:
                    source = _open(output.path, archive.parent)
                except OSError as wrong:
                    without[output.range_id] = f"{output.path}: {wrong.strerror or wrong}"
                    continue
                with source:
                    name = Path(output.path).name
                    name = f"{output.range_id}.{name}" if name in names else name
                    names.add(name)
                    tar.addfile(tar.gettarinfo(arcname=name, fileobj=source), source)
                    packed.append(output.range_id)
    except (OSError, tarfile.TarError) as wrong:
        with contextlib.suppress(OSError):
            archive.unlink()
        if isinstance(wrong, OSError):
            raise
        raise OSError(f"{archive}: {wrong}") from wrong
    return packed, without


@contextlib.contextmanager
def _above(path: str, folder: Path) -> Iterator[tuple[int, str]]:
    """Answer a descriptor of the folder in which a file lies, and its name; no link on the way to it is followed.

    Its payload runs, in a container perhaps, and may have put one there that leads to what only the pilot can reach.
    """
    *folders, name = Path(os.path.relpath(path, folder)).parts
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = below
        yield at, name
    finally:
        os.close(at)


def _open(path: str, folder: Path) -> IO[bytes]:
    """Open an output; what its payload has put in its place meanwhile is not followed, nor waited for."""
    with _above(path, folder) as (at, name):
        found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    file = os.fdopen(found, "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("no file any more")
    return file


def facts(archive: Path) -> tuple[int, str]:
    """Answer an archive's size in bytes, and its checksum (``adler32:...``)."""
    return archive.stat().st_size, checksum.of_file(archive, checksum.ADLER32, Deadline(_PATIENCE))


def is_whole(archive: Path, size: int) -> bool:
    """Say whether an archive is still a file of so many bytes: its payload could put something else there."""
    try:
        found = archive.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def drop(paths: Sequence[str], folder: Path) -> None:
    """Remove what has been stored, from the job's directory or below."""
    for path in paths:
        with contextlib.suppress(OSError), _above(path, folder) as (at, name):
            os.unlink(name, dir_fd=at)  # a Path knows no descriptors
