"""Which error code a copy's failure becomes: one table by (kind, direction)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec
from pilot.copytool.base import CopyFailed, FailureKind
from pilot.errors import JobFailed


class Direction(str, Enum):
    """Seen from the worker node."""

    IN = "in"
    OUT = "out"


_IN, _OUT = Direction.IN, Direction.OUT

CODES: Mapping[tuple[Optional[FailureKind], Direction], ErrorCode] = {
    (FailureKind.AUTHENTICATION, _IN): ErrorCode.STAGE_IN_AUTHENTICATION,
    (FailureKind.AUTHENTICATION, _OUT): ErrorCode.STAGE_OUT_AUTHENTICATION,
    (FailureKind.NO_SUCH_FILE, _IN): ErrorCode.MISSING_INPUT,
    # The engine has seen the output: what is missing is on the storage's side.
    (FailureKind.NO_SUCH_FILE, _OUT): ErrorCode.STAGE_OUT_FAILED,
    (FailureKind.NO_SPACE, _IN): ErrorCode.NO_LOCAL_SPACE,
    (FailureKind.NO_SPACE, _OUT): ErrorCode.NO_REMOTE_SPACE,
    (FailureKind.CHECKSUM, _IN): ErrorCode.GET_ADLER_MISMATCH,
    (FailureKind.CHECKSUM, _OUT): ErrorCode.PUT_ADLER_MISMATCH,
    (FailureKind.SIZE, _IN): ErrorCode.INPUT_SIZE_MISMATCH,
    (FailureKind.SIZE, _OUT): ErrorCode.OUTPUT_SIZE_MISMATCH,
    (FailureKind.TIMEOUT, _IN): ErrorCode.STAGE_IN_TIMEOUT,
    (FailureKind.TIMEOUT, _OUT): ErrorCode.STAGE_OUT_TIMEOUT,
    (FailureKind.UNREACHABLE, _IN): ErrorCode.UNREACHABLE_NETWORK,
    (FailureKind.UNREACHABLE, _OUT): ErrorCode.UNREACHABLE_NETWORK,
    (FailureKind.PERMISSION, _IN): ErrorCode.STORAGE_PERMISSION,
    (FailureKind.PERMISSION, _OUT): ErrorCode.STORAGE_PERMISSION,
    (FailureKind.EXISTS, _IN): ErrorCode.FILE_EXISTS,
    (FailureKind.EXISTS, _OUT): ErrorCode.FILE_EXISTS,
    (None, _IN): ErrorCode.STAGE_IN_FAILED,
    (None, _OUT): ErrorCode.STAGE_OUT_FAILED,
}

#: Of more files than these that failed, the number is told.
NAMED = 20
#: Worth another try by the same pilot, a little later.
PASSING = frozenset([FailureKind.CHECKSUM, FailureKind.SIZE, FailureKind.TIMEOUT, FailureKind.UNREACHABLE, None])


def passes(failure: CopyFailed) -> bool:
    """Say whether the same copy may succeed when it is tried again."""
    return failure.kind in PASSING


def job_failure(failure: CopyFailed, direction: Direction, file: FileSpec, **facts: object) -> JobFailed:
    """Answer the failure of a job whose file was not copied."""
    code = CODES[failure.kind, direction]
    if code is ErrorCode.GET_ADLER_MISMATCH and (file.checksum or "").startswith("md5:"):
        code = ErrorCode.GET_MD5_MISMATCH
    return JobFailed(code, f"{file.lfn}: {failure.words}", lfn=file.lfn, **facts)


def together(failures: Sequence[JobFailed], count: int) -> JobFailed:
    """Answer the failure of a job of whose ``count`` files some failed: by the first one's code, naming all of them.

    A copy that was given up because the job was to end says nothing of its file; it counts when there is no other.
    """
    telling = [failure for failure in failures if failure.code is not ErrorCode.COPY_CANCELLED] or list(failures)
    first = telling[0]
    if len(failures) == 1:
        return first
    others = [str(failure.facts.get("lfn")) for failure in telling[1:]]
    names = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")
    words = f"{first.detail}; {len(failures)} of {count} files failed" + (f", also {names}" if names else "")
    lfns = tuple(failure.facts.get("lfn") for failure in failures)
    return JobFailed(first.code, words, **{**first.facts, "lfns": lfns})
