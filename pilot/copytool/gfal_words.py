"""What gfal2's words and numbers mean: they tell who failed, and often not why."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from typing import Optional

from pilot.copytool import grid
from pilot.copytool.base import CopyFailed, FailureKind
from pilot.copytool.last_words import kind_of, last_of

_NUMBER = re.compile(r"\berror: (\d+) \(")
#: What may be a secret in an address.
_USER = re.compile(r"//[^/\s@]*@")
#: What a server's end looks like from here that refuses a proxy and does not say so.
_DROPPED = re.compile(r"connection reset|broken pipe|handshake|network dropped", re.IGNORECASE)
#: What its libraries say when a server is gone in the midst of a copy.
_LOST = re.compile(
    r"GLOBUS_FTP_CLIENT_\w+ not allowed here|XrdCl\S+: \[ERROR\] Initialization error|\(Neon\): Could not (read|send)"
)
#: What gfal2's numbers mean where its words say nothing better.
_NUMBERS: Mapping[int, FailureKind] = {
    errno.ENOENT: FailureKind.NO_SUCH_FILE,
    errno.EACCES: FailureKind.PERMISSION,
    errno.EPERM: FailureKind.PERMISSION,
    errno.EROFS: FailureKind.PERMISSION,
    errno.EEXIST: FailureKind.EXISTS,
    errno.ENOSPC: FailureKind.NO_SPACE,
    errno.EDQUOT: FailureKind.NO_SPACE,
    errno.EILSEQ: FailureKind.CHECKSUM,
    errno.ETIMEDOUT: FailureKind.TIMEOUT,
    errno.EKEYEXPIRED: FailureKind.AUTHENTICATION,
    errno.EBADE: FailureKind.AUTHENTICATION,  # XRootD's, when no way to log in was left
    **dict.fromkeys(
        (
            errno.ENXIO,
            errno.ECONNREFUSED,
            errno.ECONNRESET,
            errno.ENETRESET,
            errno.EHOSTDOWN,
            errno.EHOSTUNREACH,
            errno.ENETUNREACH,
        ),
        FailureKind.UNREACHABLE,
    ),
}
#: Kinds that words tell better than numbers: they say why, where the number says only what could not be done.
_BY_WORDS = (FailureKind.CHECKSUM, FailureKind.AUTHENTICATION, FailureKind.NO_SPACE, FailureKind.PERMISSION)


class NotHere(CopyFailed):
    """There is no gfal2 on this node: what the system says of its programs is nothing of a file."""


def explained(failed: CopyFailed, url: str, paths: Mapping[str, str]) -> CopyFailed:
    """Answer a failure with the kind that gfal2's words and numbers tell, and what they leave out of a proxy."""
    if failed.kind is not None or isinstance(failed, NotHere):
        return failed
    kind, words = meaning(failed.words), _USER.sub("//***@", f"{url}: {last_of(failed.words)}")
    if (kind in (None, FailureKind.UNREACHABLE)) and _DROPPED.search(words) and (wrong := grid.objection(paths)):
        kind, words = FailureKind.AUTHENTICATION, f"{wrong}; {words}"
    return CopyFailed(kind, words)


def meaning(words: str) -> Optional[FailureKind]:
    """Answer what kind of failure gfal2 tells of."""
    told, number = kind_of(words), _NUMBER.search(words)
    if told in _BY_WORDS or number is None:
        return told
    if _LOST.search(words):
        return FailureKind.UNREACHABLE
    return _NUMBERS.get(int(number[1]), told)
