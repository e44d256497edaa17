"""A job's files after its program has ended: brought under the names that they are stored as, and looked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.naming import EMPTY_DUMP, WRITTEN_DUMP, FileKind
from pilot.errors import JobFailed
from pilot.job import Problem
from pilot.user.compass.kinds import DUMPS, WorkKind
from pilot.user.compass.orders import output_of


def settle(spec: JobSpec, workdir: Path) -> None:
    """Bring the event dump under its name; where no event was kept, leave the marker that says so.

    Raises:
        JobFailed: a file cannot be renamed or written (FILE_HANDLING).
    """
    dump = output_of(spec, *DUMPS)
    if not dump:
        return
    path, written = workdir / dump, workdir / WRITTEN_DUMP
    try:
        if _is_empty(path) and os.path.lexists(written):
            if written.is_symlink() or not written.is_file():  # never taken for "no event was kept"
                raise JobFailed(ErrorCode.FILE_HANDLING, f"{dump}: {WRITTEN_DUMP} is no file; have it written as one")
            written.replace(path)
        if _is_empty(path):
            path.write_bytes(EMPTY_DUMP)
    except OSError as wrong:
        raise JobFailed(ErrorCode.FILE_HANDLING, f"{dump}: {wrong.strerror}") from wrong


def _is_empty(path: Path) -> bool:
    return not path.exists() or (path.is_file() and not path.stat().st_size)


def missing(kind: WorkKind, spec: JobSpec, workdir: Path) -> Optional[Problem]:
    """Say which file a program that ended well has not written, though its kind of work always does.

    What the job itself allows to be missing (``allowNoOutput``) may be.
    """
    needed = {expected.kind for expected in kind.outputs if not expected.optional}
    for file in spec.outputs:
        found = naming.parse(file.lfn)
        if found is None or found.kind not in needed or file.lfn in spec.allow_no_output:
            continue
        size = _size(workdir / file.lfn)
        if not size:
            how, code = ("is empty", ErrorCode.EMPTY_OUTPUT) if size == 0 else ("is missing", ErrorCode.OUTPUT_MISSING)
            what = f"the program ended well, but the {_WORDS[found.kind]} {file.lfn} {how}"
            return Problem(code, f"{what}; {code.advice}")
    return None


_WORDS: Mapping[object, str] = {
    FileKind.MDST: "mDST",
    FileKind.HISTOGRAMS: "histogram file",
    FileKind.GENERATED: "file of generated events",
    FileKind.MERGED_MDST: "merged mDST",
    FileKind.MERGED_HISTOGRAMS: "merged histogram file",
    FileKind.DUMP: "event dump",
    FileKind.MERGED_DUMP: "merged event dump",
}


def _size(path: Path) -> Optional[int]:
    """Answer a file's size in bytes; ``None`` for one that is not there."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return None
