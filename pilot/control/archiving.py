"""Outputs that are stored together: their archives are made in the job's directory when its payload has ended well.

An archive is a zip or a tar, by its name, and holds its members as they are: so programs can read one of them where it
lies. The same members make the same bytes, whichever pilot puts them together.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from pilot.contract.archives import kind
from pilot.contract.codes import ErrorCode
from pilot.contract.job import Archive, JobSpec
from pilot.contract.messages import StoredFile
from pilot.copytool import checksum, outward
from pilot.copytool.base import Cancel, Deadline
from pilot.copytool.room import free_on
from pilot.errors import JobFailed
from pilot.runtime.workdir import OWN_BEGINNING, clear, write_new

#: What an archive is called until it is whole.
PART = f"{OWN_BEGINNING}archive.part"
#: All members have the same: everybody reads them, and they are of the first day that a zip knows.
_MODE, _DAY = 0o644, (1980, 1, 1, 0, 0, 0)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Patience:
    """How long, and whether still."""

    def __init__(self, deadline: Deadline, cancel: Cancel) -> None:
        self._deadline, self._cancel = deadline, cancel

    def check(self, name: str) -> None:
        """Look whether to go on.

        Raises:
            JobFailed: the job is ended (COPY_CANCELLED), or the time is over (STAGE_OUT_TIMEOUT).
        """
        if self._cancel:
            raise JobFailed(ErrorCode.COPY_CANCELLED, f"{name} was not put together", lfn=name)
        if not self._deadline.left():
            raise JobFailed(ErrorCode.STAGE_OUT_TIMEOUT, f"{name}: there was no time to put it together", lfn=name)


def make(
    spec: JobSpec, folder: Path, stored: Sequence[StoredFile], patience: Patience
) -> Mapping[str, tuple[StoredFile, ...]]:
    """Make a job's archives out of what lies in its directory; answer, by their names, what is in them.

    Whatever has an archive's name is replaced. One that is stored, with all its members told, is left out.

    Raises:
        JobFailed: a member is missing (as `outward.found`), all are, there is no room (NO_LOCAL_SPACE), or an archive
            cannot be written (FILE_HANDLING); or as `Patience.check`.
    """
    told = {file.lfn for file in stored}
    found = {}
    for archive in spec.archives:
        left = [lfn for lfn in archive.members if lfn not in told]
        if archive.name not in told or _found(spec, left, folder):
            found[archive] = _found(spec, archive.members, folder)
    return {
        archive.name: _made(archive, members, folder, patience)
        for archive, members in found.items()
        if members or not _may_be_missing(spec, archive)
    }


def inside(archive: StoredFile, member: StoredFile) -> StoredFile:
    """Say of a member where it lies; it is no file of its own on any storage."""
    return StoredFile(member.lfn, member.size, member.checksum, member.guid, archive.url)


def _found(spec: JobSpec, names: Sequence[str], folder: Path) -> list[outward.Output]:
    files = {file.lfn: file for file in spec.outputs}
    there = [outward.found(spec, files[lfn], folder) for lfn in names]
    return [output for output in there if output is not None]


def _may_be_missing(spec: JobSpec, archive: Archive) -> bool:
    if archive.name in spec.allow_no_output:
        return True
    words = f"{archive.name} has nothing in it: none of {', '.join(archive.members)} was written"
    raise JobFailed(ErrorCode.OUTPUT_MISSING, words, lfn=archive.name)


def _made(
    archive: Archive, members: Sequence[outward.Output], folder: Path, patience: Patience
) -> tuple[StoredFile, ...]:
    name, needed, free = archive.name, sum(member.size for member in members), free_on(folder)
    if needed > free:
        words = f"{name} takes {needed} bytes besides its members, {folder} has room for {free}"
        raise JobFailed(ErrorCode.NO_LOCAL_SPACE, words, needed=needed, free=free)
    write = _write_zip if kind(name) == "zip" else _write_tar
    part = folder / PART
    try:
        with write_new(part) as file:
            sums = write(file, [_Member(member, name, patience) for member in members])
            os.fchmod(file.fileno(), _MODE)
        clear(folder / name)
        part.rename(folder / name)
    except OSError as wrong:
        code = ErrorCode.NO_LOCAL_SPACE if wrong.errno in _FULL else ErrorCode.FILE_HANDLING
        raise JobFailed(code, f"{name} cannot be put together: {wrong}", lfn=name) from wrong
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return tuple(
        StoredFile(one.file.lfn, one.size, sum_, one.file.guid or outward.new_guid())
        for one, sum_ in zip(members, sums)
    )


class _Member:
    """A member that is read once: what passes is summed up."""

    def __init__(self, output: outward.Output, archive: str, patience: Patience) -> None:
        self.name, self.size, self.path = output.file.lfn, output.size, output.path
        self._archive, self._patience, self._sum, self._read = archive, patience, checksum.Adler32(), 0

    def read(self, size: int = -1, /) -> bytes:
        self._patience.check(self._archive)
        block = self._source.read(size)
        self._sum.update(block)
        self._read += len(block)
        if self._read > self.size:
            raise OSError(f"{self.name} grows")
        return block

    def __enter__(self) -> _Member:
        self._source: IO[bytes] = self.path.open("rb", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def summed(self) -> str:
        """Answer the checksum.

        Raises:
            OSError: the file is another one than was looked at.
        """
        if self._read != self.size or self._source.read(1):
            raise OSError(f"{self.name} does not stay as it is")
        return f"{checksum.ADLER32}:{self._sum.hexdigest()}"


def _write_zip(file: IO[bytes], members: Sequence[_Member]) -> list[str]:
    sums = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            entry = zipfile.ZipInfo(member.name, _DAY)
            entry.file_size, entry.external_attr, entry.create_system = member.size, (stat.S_IFREG | _MODE) << 16, 3
            with member, archive.open(entry, "w") as target:
                shutil.copyfileobj(member, target, checksum.BLOCK)
                sums.append(member.summed())
    return sums


def _write_tar(file: IO[bytes], members: Sequence[_Member]) -> list[str]:
    sums = []
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            entry = tarfile.TarInfo(member.name)
            entry.size, entry.mode = member.size, _MODE
            with member:
                archive.addfile(entry, member)
                sums.append(member.summed())
    return sums
