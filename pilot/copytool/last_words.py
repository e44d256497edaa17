"""What the last words of other people's programs mean: one table, from what they are known to say to a kind."""

from __future__ import annotations

import re
from typing import Optional

from pilot.copytool.base import FailureKind

#: The first that fits counts: what says why stands before what only says that something is not there.
_SAYINGS: tuple[tuple[FailureKind, tuple[str, ...]], ...] = (
    (
        FailureKind.CHECKSUM,
        (r"checksum (error|mismatch|.*differ)", r"(adler32|md5) mismatch", r"checksums? (do|does) not match"),
    ),
    (
        FailureKind.NO_SPACE,
        (r"no space left", r"not enough space", r"quota exceeded", r"out of space", r"insufficient storage", r"ENOSPC"),
    ),
    (
        FailureKind.AUTHENTICATION,
        (
            r"auth(entication)? failed",
            r"not authenticated",
            r"unauthorized",
            r"(certificate|credentials?|proxy|token) (is |has |have )?(been )?expired",
            r"expired (certificate|credential|proxy|token)",
            r"no (valid )?(credential|proxy)",
            r"could not (get|find) .*(credential|proxy)",
            r"invalid token",
            r"permission denied \((publickey|password|gssapi)",
            r"host key verification failed",
            r"certificate verif(y|ication) failed",
            r"alert (unknown ca|bad certificate|certificate (unknown|required|revoked))",
            r"could not verify credential",
            r"credentials? could not be found",
            r"credential failure",
            r"could not open the user cert",
            r"expired \d+ minutes ago",
            r"gridmap lookup failure",
            r"login incorrect",
            r"must perform GSSAPI authentication",
            r"HTTP 401",
        ),
    ),
    (FailureKind.TIMEOUT, (r"timed? ?out", r"time-out", r"operation expired", r"deadline exceeded", r"ETIMEDOUT")),
    (
        FailureKind.UNREACHABLE,
        (
            r"connection (refused|reset|closed|error)",
            r"no route to host",
            r"network is (unreachable|down)",
            r"host (is )?unreachable",
            r"(could not|cannot|unable to|failed to) (connect|resolve|reach)",
            r"name or service not known",
            r"temporary failure in name resolution",
            r"unknown host",
            r"invalid address",
            r"service unavailable",
            r"bad gateway",
            r"lost connection",
        ),
    ),
    (
        FailureKind.PERMISSION,
        (
            r"permission (denied|refused)",
            r"not authorized",
            r"access denied",
            r"forbidden",
            r"not permitted",
            r"read-only file",
        ),
    ),
    (FailureKind.EXISTS, (r"file exists", r"already exists", r"is a directory")),
    (
        FailureKind.NO_SUCH_FILE,
        (r"no such (file|key|object|did)", r"not found", r"does not exist", r"unable to (stat|locate)", r"ENOENT"),
    ),
    (FailureKind.UNREACHABLE, (r"globus_xio",)),  # which it writes before whatever it says
)
_COMPILED = tuple((kind, re.compile("|".join(sayings), re.IGNORECASE)) for kind, sayings in _SAYINGS)


def kind_of(words: str) -> Optional[FailureKind]:
    """Answer what kind of failure a program has told of; ``None`` when its words tell nothing that is known here."""
    return next((kind for kind, pattern in _COMPILED if pattern.search(words)), None)


def last_of(output: str, most: int = 400) -> str:
    """Answer the end of what a program has said, on one line of at most so many characters."""
    words = " ".join(output.split())
    return words if len(words) <= most else "..." + words[3 - most :]
