"""The log archive: what is left in a job's directory, as a compressed tar that is the same for the same content."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import stat
import tarfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.compression import GZIP, compressed
from pilot.runtime.workdir import LOCK_FILE, TEMPORARY, write_new

#: The member of the archive that says what is not in it, and why.
LEFT_OUT = "LEFT-OUT.txt"
#: Never kept: temporary files, the lock, and what a proxy or token is usually called.
NEVER = (TEMPORARY, LOCK_FILE, ".compass-*", "x509up_u*", "*.part", "*.token")
BLOCK = 2**20
#: A log is for people: of more files and folders nobody reads any, and each takes memory and time.
MOST_ENTRIES = 50_000
#: So many characters of a folder's name are told when it cannot be read.
NAME_SHOWN = 100


def pack(
    folder: Path,
    target: Path,
    leave_out: Sequence[str],
    *,
    size_limit: Optional[int] = None,
    total_limit: Optional[int] = None,
    compression: str = GZIP,
    secrets: Sequence[str] = (),
) -> Path:
    """Archive a job's directory, atomically: ``target`` is whole or not there.

    The names of folders and files that match ``leave_out`` (``*.root``, ``mDST-1-2.root``) are passed over. Symbolic
    links are kept as links when they lead to somewhere inside, and left out otherwise. Of more than `MOST_ENTRIES`
    files and folders the deepest are left out, and so is what lies deeper than a path may be long. What is left out for
    any other reason than ``leave_out`` is named in the member ``LEFT-OUT.txt``.

    Args:
        folder: The directory; its name is the first part of every member's.
        target: Where the archive is to lie; may be inside ``folder``.
        leave_out: Patterns of names, without slashes.
        size_limit: Most bytes that are kept of any one file: its first quarter and its last three quarters.
        total_limit: Most bytes that are kept of all files together; the longest ones are left out.
        compression: ``gzip`` or ``zstd``; the name of ``target`` says nothing of it.
        secrets: Texts (tokens) that are overwritten by stars wherever they stand in a file.

    Raises:
        JobFailed: it could not be written (LOG_CREATION_FAILED).
    """
    unfinished = target.with_name(target.name + ".part")
    stars = [(secret.encode(), b"*" * len(secret.encode())) for secret in secrets if secret]
    try:
        with write_new(unfinished) as file, _tar(file, compression) as tar:
            _Archive(tar, folder, size_limit, total_limit, stars).add_all((*leave_out, *NEVER, target.name))
        unfinished.replace(target)
    except (OSError, tarfile.TarError, EOFError) as wrong:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise JobFailed(ErrorCode.LOG_CREATION_FAILED, f"{target}: {wrong}") from wrong
    return target


@contextlib.contextmanager
def _tar(file: IO[bytes], compression: str) -> Iterator[tarfile.TarFile]:
    with contextlib.ExitStack() as opened:
        packed = opened.enter_context(compressed(file, compression))
        tar = tarfile.TarFile(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT, copybufsize=BLOCK)
        yield opened.enter_context(tar)


@dataclass(frozen=True)
class _Archive:
    tar: tarfile.TarFile
    folder: Path
    size_limit: Optional[int]
    total_limit: Optional[int]
    stars: Sequence[tuple[bytes, bytes]]

    def add_all(self, leave_out: Sequence[str]) -> None:
        left_out: list[str] = []
        entries = list(islice(_walk(self.folder, leave_out, left_out), MOST_ENTRIES + 1))
        if len(entries) > MOST_ENTRIES:
            entries.pop()
            left_out.append(f"more: there are more than {MOST_ENTRIES} files and folders, the deepest are left out")
        too_much = self._too_much(entries)
        for path in entries:
            try:
                why = too_much.get(path) or self._add(path)
            except OSError as wrong:
                why = wrong.strerror or str(wrong)
            if why:
                left_out.append(f"{path.relative_to(self.folder)}: {why}")
        if left_out:
            words = "".join(f"{line}\n" for line in sorted(left_out)).encode("utf-8", "replace")
            self.tar.addfile(self._header(LEFT_OUT, len(words), 0o644, 0), BytesIO(words))

    def _too_much(self, entries: Sequence[Path]) -> dict[Path, str]:
        """Answer the longest files, as many as are beyond the limit of all, and why they are left out."""
        if self.total_limit is None:
            return {}
        sizes = {path: size for path in entries if (size := _size(path))}
        kept = {path: min(size, self.size_limit or size) for path, size in sizes.items()}
        over, found = sum(kept.values()) - self.total_limit, {}
        for path in sorted(kept, key=kept.__getitem__, reverse=True):
            if over <= 0:
                break
            over -= kept[path]
            found[path] = f"{sizes[path]} bytes, the log may have {self.total_limit} in all"
        return found

    def _header(self, name: str, size: int, mode: int, changed: float) -> tarfile.TarInfo:
        header = tarfile.TarInfo(f"{self.folder.name}/{name}")
        header.size, header.mode, header.mtime = size, mode & 0o755, int(changed)
        return header

    def _add(self, path: Path) -> str:
        """Add one entry; answers why it was left out, "" when it was not."""
        found = path.lstat()
        header = self._header(str(path.relative_to(self.folder)), 0, found.st_mode, found.st_mtime)
        if stat.S_ISREG(found.st_mode):
            return self._add_file(path, header)
        if stat.S_ISDIR(found.st_mode):
            header.type = tarfile.DIRTYPE
        elif stat.S_ISLNK(found.st_mode):
            header.type, header.linkname = tarfile.SYMTYPE, str(path.readlink())
            if not _leads_inside(path, header.linkname, self.folder):
                return f"a link that leads out, to {header.linkname}"
        else:
            return "not a file"
        self.tar.addfile(header)
        return ""

    def _add_file(self, path: Path, header: tarfile.TarInfo) -> str:
        # Not followed, so that a link which takes the file's place meanwhile cannot lead out.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = _Content(file, size, self.size_limit, self.stars)
            header.size = content.size
            self.tar.addfile(header, content)  # type: ignore[arg-type]  # it reads; that is all tarfile asks for
        return f"{size - content.kept} of {size} bytes in its middle" if content.kept < size else ""


class _Content:
    """A file's bytes as they are archived: cut in the middle, secrets starred out, exactly ``size`` of them.

    A file that grows meanwhile is read to its former end; one that shrinks is filled up.
    """

    def __init__(self, file: IO[bytes], size: int, limit: Optional[int], stars: Sequence[tuple[bytes, bytes]]) -> None:
        self._stars = stars
        self.kept, self.size = size, size
        parts = [(0, size)]
        note = b""
        if limit is not None and size > limit:
            head = limit // 4
            note = b"\n[... %d bytes are left out here ...]\n" % (size - limit)
            parts = [(0, head), (size - limit + head, limit - head)]
            self.kept, self.size = limit, limit + len(note)
        self._chunks = self._starred(self._read(file, parts, note))
        self._buffer = b""

    def read(self, size: int) -> bytes:
        """Answer the next bytes."""
        while len(self._buffer) < size:
            # A piece may be empty while the bytes of a secret are looked for.
            piece = next(self._chunks, None)
            self._buffer += b"\0" * (size - len(self._buffer)) if piece is None else piece
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    @staticmethod
    def _read(file: IO[bytes], parts: Sequence[tuple[int, int]], note: bytes) -> Iterator[bytes]:
        for at, (start, length) in enumerate(parts):
            if at:
                yield note
            file.seek(start)
            left = length
            while left and (block := file.read(min(BLOCK, left))):
                left -= len(block)
                yield block
            if left:
                yield b"\0" * left

    def _starred(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Overwrite secrets, also those that stand across two blocks."""
        longest = max((len(secret) for secret, _ in self._stars), default=1) - 1
        carried = b""
        for block in blocks:
            carried += block
            for secret, star in self._stars:
                carried = carried.replace(secret, star)
            safe = max(0, len(carried) - longest)
            yield carried[:safe]
            carried = carried[safe:]
        yield carried


def _walk(root: Path, leave_out: Sequence[str], unreadable: list[str]) -> Iterator[Path]:
    """Give every entry below a folder: what lies higher comes first, and then in the order of names."""
    is_left_out = re.compile("|".join(map(fnmatch.translate, leave_out)) or "(?!)").match
    waiting = deque([root])
    while waiting:
        folder = waiting.popleft()
        try:
            with os.scandir(folder) as found:
                kinds = {entry.name: entry.is_dir(follow_symlinks=False) for entry in islice(found, MOST_ENTRIES + 1)}
        except OSError as wrong:
            unreadable.append(f"{folder.name[:NAME_SHOWN]}/: {wrong.strerror}")
            continue
        for name in sorted(kinds):
            if not is_left_out(name):
                path = folder / name
                yield path
                if kinds[name]:
                    waiting.append(path)


def _size(path: Path) -> int:
    """Answer a file's size in bytes; 0 for what is no file."""
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _leads_inside(link: Path, target: str, folder: Path) -> bool:
    if Path(target).is_absolute():
        return False
    end = os.path.normpath(link.parent / target)  # not resolved: what it leads to may be a link that leads out
    return folder in Path(end).parents
