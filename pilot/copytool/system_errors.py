"""What the operating system says of a file, in the words of a copy tool."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from pilot.copytool.base import CopyFailed, FailureKind

_KINDS = {
    errno.ENOENT: FailureKind.NO_SUCH_FILE,
    errno.ENOTDIR: FailureKind.NO_SUCH_FILE,
    errno.ENOSPC: FailureKind.NO_SPACE,
    errno.EDQUOT: FailureKind.NO_SPACE,
    errno.EFBIG: FailureKind.NO_SPACE,
    errno.EACCES: FailureKind.PERMISSION,
    errno.EPERM: FailureKind.PERMISSION,
    errno.EROFS: FailureKind.PERMISSION,
    errno.EEXIST: FailureKind.EXISTS,
    errno.EISDIR: FailureKind.EXISTS,
    errno.ESTALE: FailureKind.UNREACHABLE,
    errno.EHOSTDOWN: FailureKind.UNREACHABLE,
    errno.ENOTCONN: FailureKind.UNREACHABLE,
    errno.ETIMEDOUT: FailureKind.TIMEOUT,
}


@contextlib.contextmanager
def told(path: Path, what: str) -> Iterator[None]:
    """Turn the system's errors into a copy's failure that names the file and ``what`` could not be done with it."""
    try:
        yield
    except OSError as wrong:
        name = wrong.filename or path
        raise CopyFailed(_KINDS.get(wrong.errno or 0), f"{name} could not be {what}: {wrong.strerror}") from wrong
