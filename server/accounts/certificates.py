"""Who calls by a certificate: a web server in front has verified it, and proves itself before it is believed.

The front overwrites these headers in every request. It proves itself by a secret, which a caller that sends them itself
does not know, or by the Unix socket that it alone may open.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from server.accounts.models import Role
from server.accounts.subjects import BadFront, subject_of

#: Set by the front: its proof, whether it verified a certificate, of which subject, and with which VOMS attributes.
PROOF, VERIFIED, SUBJECT, FQANS = (
    "HTTP_X_COMPASS_FRONT", "HTTP_X_COMPASS_VERIFIED", "HTTP_X_COMPASS_SUBJECT", "HTTP_X_COMPASS_FQANS",
)  # fmt: skip

#: Set by our own gateway, and by no header: the request came by the Unix socket.
SOCKET = "compass.socket"

#: Characters of a secret, at least.
SHORTEST = 32

_NOTHING = re.compile(r"/(?:Role|Capability)=NULL")


@dataclass(frozen=True)
class Certificate:
    """The subject of a verified certificate, as people write it, and what its VOMS says of its bearer."""

    subject: str
    fqans: tuple[str, ...] = ()


def certificate_of(meta: Mapping[str, str], secret: str) -> Certificate | None:
    """Answer the certificate that a front has verified; ``None`` for a caller that showed none.

    Args:
        meta: A request's headers, as WSGI has them.
        secret: What the front proves itself with; "" when there is no front.

    Raises:
        BadFront: the proof is wrong, or the proxy is a limited one.
    """
    if not is_proven(meta, secret):
        raise BadFront("this request names a certificate, and no front that we know proves it; send a token")
    if meta.get(VERIFIED, "") != "SUCCESS":
        return None
    subject = subject_of(meta.get(SUBJECT, ""))
    said = re.split(r"[;,\s]+", meta.get(FQANS, ""))
    return Certificate(subject, tuple(_NOTHING.sub("", fqan) for fqan in said if fqan.startswith("/")))


def is_proven(meta: Mapping[str, str], secret: str) -> bool:
    """Say whether a front that we know has passed a request on."""
    if SOCKET in meta:
        return True
    return bool(secret) and hmac.compare_digest(meta.get(PROOF, "").encode(), secret.encode())


def roles_from(text: str) -> tuple[tuple[str, Role], ...]:
    """Read which VOMS attributes mean which roles: ``FQAN=role``, with blanks between them; the first that fits counts.

    Raises:
        ValueError: one is not of this form, or names no role; the text says which.
    """
    found = []
    for entry in text.split():
        fqan, _, role = entry.rpartition("=")
        if not fqan.startswith("/") or role not in {one.value for one in Role}:
            raise ValueError(f"{entry!r} is not FQAN=role, such as /compass/Role=production=production")
        found.append((_NOTHING.sub("", fqan), Role(role)))
    return tuple(found)


def role_of(fqans: Sequence[str], rules: Sequence[tuple[str, Role]]) -> Role | None:
    """Answer the role that somebody's VOMS attributes mean."""
    return next((role for fqan, role in rules if fqan in fqans), None)


@lru_cache(maxsize=4)
def secret_in(path: str) -> str:
    """Read the secret of the front once; "" when no file is named.

    Raises:
        OSError: the file cannot be read.
    """
    return Path(path).expanduser().read_text().strip() if path else ""
