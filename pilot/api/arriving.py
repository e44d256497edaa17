"""A file on its way here: in a folder of its own until it is whole, so that two who bring one file do not meet."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pilot.contract.codes import ErrorCode
from pilot.copytool.base import CopyFailed
from pilot.copytool.room import part_of
from pilot.errors import JobFailed

if TYPE_CHECKING:
    from pilot.api.staging import Item


def own_folder(folder: Path) -> Path:
    """Answer the path of a new folder; what dies leaves it behind."""
    return folder / f"stage-{random.SystemRandom().getrandbits(48):012x}.part"


def arrived(item: Item) -> int:
    """Answer how many bytes are there of a file that is on its way."""
    if item.own is not None:
        with contextlib.suppress(OSError):
            return part_of(item.own / item.file.lfn).stat().st_size
    return 0


@contextlib.contextmanager
def alone(item: Item) -> Iterator[Path]:
    """Make the folder of an item, in which its file is to come to lie; then give the file its place, whatever is there.

    Raises:
        JobFailed: the folder cannot be made, or the file not be placed; nothing of it stays.
    """
    from pilot.copytool.failures import Direction, job_failure
    from pilot.copytool.system_errors import told

    own, target = item.own or own_folder(item.folder), item.folder / item.file.lfn
    try:
        _make(own)
        try:
            yield own
            with told(target, "made"):
                if target.is_dir():  # of two names, the system would tell the other one
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
                (own / item.file.lfn).replace(target)
        finally:
            shutil.rmtree(own, ignore_errors=True)
    except CopyFailed as failed:
        raise job_failure(failed, Direction.IN, item.file) from failed


def _make(own: Path) -> None:
    try:
        own.mkdir()
    except OSError as wrong:
        full = wrong.errno in (errno.ENOSPC, errno.EDQUOT)
        code = ErrorCode.NO_LOCAL_SPACE if full else ErrorCode.MKDIR
        raise JobFailed(code, f"{own.parent} takes no file: {wrong.strerror}") from wrong
