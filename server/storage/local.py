"""A storage that is a folder of this machine, or of a file system that is mounted here."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self
from urllib.parse import quote

from server.storage.base import Fault, FaultKind, Found, Space, Storage, StorageUnavailable
from server.storage.paths import folder_of, sort_out
from server.storage.place import Place

#: Bytes read at once.
BLOCK = 2**20
_KINDS = {
    errno.ENOENT: FaultKind.ABSENT,
    errno.EACCES: FaultKind.FORBIDDEN,
    errno.EPERM: FaultKind.FORBIDDEN,
    errno.EROFS: FaultKind.FORBIDDEN,
    errno.EBUSY: FaultKind.BUSY,
}
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class LocalOptions:
    """``marker``: a file in the root without which the storage is unavailable, as while its disk is not mounted."""

    marker: str = ""


class LocalStorage(Storage):
    """A folder. It is never left: symbolic links in it are refused, not followed."""

    name = "local"

    def __init__(self, root: Path, options: LocalOptions | None = None) -> None:
        self._path, self._options = root, options or LocalOptions()

    @classmethod
    def open(cls, place: Place) -> Self:
        host, slash, folder = place.root.partition("://")[2].partition("/")
        if place.scheme != "file" or host not in ("", "localhost") or not slash:
            raise place.wrong("root", f"{place.root} is no folder of this machine, such as file:///folder")
        return cls(Path(f"/{folder}"), place.read_options(LocalOptions))

    def url(self, path: str) -> str:
        return f"file://{quote(str(self._path / path))}"

    def look(self, paths: Sequence[str], *, checksums: bool = False) -> Mapping[str, Found | Fault]:
        good, refused = sort_out(paths)
        with self._root() as root:
            return {**refused, **{path: _look(root, path, checksums) for path in good}}

    def remove(self, paths: Sequence[str]) -> Mapping[str, Fault | None]:
        good, refused = sort_out(paths)
        with self._root() as root:
            return {**refused, **{path: _remove(root, path) for path in good}}

    def list_below(self, folder: str) -> Iterable[tuple[str, Found]]:
        below = folder_of(folder)
        if below is None:
            return
        with self._root() as root:
            try:
                with _parent(root, f"{below}/." if below else ".") as (top, _):
                    yield from _list(top, below)
            except (FileNotFoundError, NotADirectoryError):
                return

    def space(self) -> Space | None:
        with self._root() as root:
            found = os.fstatvfs(root)
        return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    @contextmanager
    def _root(self) -> Iterator[int]:
        """Hold the root open: everything is looked for from there."""
        try:
            root = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as wrong:
            raise StorageUnavailable(f"{self._path}: {wrong.strerror}") from wrong
        try:
            self._check_marker(root)
            yield root
        finally:
            os.close(root)

    def _check_marker(self, root: int) -> None:
        if not self._options.marker:
            return
        try:
            os.stat(self._options.marker, dir_fd=root)
        except OSError as wrong:
            words = f"{self._path / self._options.marker}: {wrong.strerror}; is it mounted?"
            raise StorageUnavailable(words) from wrong


@contextmanager
def _parent(root: int, path: str) -> Iterator[tuple[int, str]]:
    """Hold the folder open in which a file lies, reached from the root without following any link."""
    *folders, name = path.split("/")
    held = os.dup(root)
    try:
        for folder in folders:
            held, left = os.open(folder, _FOLDER, dir_fd=held), held
            os.close(left)
        yield held, name
    finally:
        os.close(held)


def _look(root: int, path: str, checksums: bool) -> Found | Fault:
    try:
        with _parent(root, path) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            fault = _unfit(found)
            return fault or Found(found.st_size, checksum=_checksum(folder, name) if checksums else None)
    except OSError as wrong:
        return _fault(root, path, wrong)


def _remove(root: int, path: str) -> Fault | None:
    try:
        with _parent(root, path) as (folder, name):
            fault = _unfit(os.stat(name, dir_fd=folder, follow_symlinks=False))
            if fault is None:
                os.unlink(name, dir_fd=folder)
            return fault
    except OSError as wrong:
        fault = _fault(root, path, wrong)
        return None if fault.kind is FaultKind.ABSENT else fault


def _unfit(found: os.stat_result) -> Fault | None:
    """Say why something is no file, if it is none."""
    if stat.S_ISREG(found.st_mode):
        return None
    if stat.S_ISDIR(found.st_mode):
        return Fault(FaultKind.FAILED, "it is a folder")
    return Fault(FaultKind.FORBIDDEN, "a symbolic link is not followed" if stat.S_ISLNK(found.st_mode) else "no file")


def _fault(root: int, path: str, wrong: OSError) -> Fault:
    if wrong.errno == errno.ENOTDIR:  # something on the way is a file, or a link
        if _has_link(root, path):
            return Fault(FaultKind.FORBIDDEN, "a symbolic link on the way is not followed")
        return Fault(FaultKind.ABSENT, "something on the way is a file")
    return Fault(_KINDS.get(wrong.errno or 0, FaultKind.FAILED), wrong.strerror or str(wrong))


def _has_link(root: int, path: str) -> bool:
    """Say whether the first thing on the way that is no folder is a link."""
    parts = path.split("/")
    for length in range(1, len(parts)):
        mode = os.stat("/".join(parts[:length]), dir_fd=root, follow_symlinks=False).st_mode
        if not stat.S_ISDIR(mode):
            return stat.S_ISLNK(mode)
    return False


def _checksum(folder: int, name: str) -> str:
    """Read a file through once."""
    value, block = 1, memoryview(bytearray(BLOCK))
    # O_NONBLOCK: what has become a pipe in the meantime must not hold us.
    with open(name, "rb", buffering=0, opener=lambda path, flags: _open(path, flags, folder)) as file:
        while count := file.readinto(block):
            value = zlib.adler32(block[:count], value)
    return f"adler32:{value:08x}"


def _open(name: str, flags: int, folder: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)


def _list(top: int, below: str) -> Iterator[tuple[str, Found]]:
    for folder, _, names, held in os.fwalk(".", dir_fd=top, onerror=_refuse_to_guess):
        way = "/".join(part for part in (below, folder[2:]) if part)
        for name in names:
            try:
                found = os.stat(name, dir_fd=held, follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed while we were looking
            if stat.S_ISREG(found.st_mode):
                yield (f"{way}/{name}" if way else name), Found(found.st_size)


def _refuse_to_guess(wrong: OSError) -> NoReturn:
    """A list with a hole in it would make its reader believe that files are gone."""
    raise StorageUnavailable(f"{wrong.filename}: {wrong.strerror}") from wrong
