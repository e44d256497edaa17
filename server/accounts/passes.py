"""A pilot's pass: made from a token without writing anything down, signed by the server, and good for hours.

A thousand pilots of a queue have a thousand passes of one token: to know one costs a signature, not a look into the
database, and to revoke the token ends them all.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pilot.contract.routes import PASS_MARK

#: Every pass begins so, which lets a scanner of secrets find one that leaked, and tells it from a token.
MARK = PASS_MARK

#: Seconds from its first beginning in which a pass may be renewed; longer than any job takes.
LONGEST = 14 * 86400.0

_SHAPE = re.compile(r"cpp_(\d{1,18})\.(\d{1,12})\.(\d{1,12})\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})", re.ASCII)


class BadPass(ValueError):
    """This is no pass of this server, or it has ended; the words say what to do."""


@dataclass(frozen=True)
class Pass:
    """Which token it was made from, and from when to when it is good, in seconds since 1970."""

    token: int
    born: int
    ends: int
    serial: str


def begin(token: int, *, now: float, lifetime: float) -> Pass:
    """Begin a new pass of a token; times in seconds."""
    return Pass(token, int(now), int(now + lifetime), secrets.token_hex(8))


def prolong(old: Pass, *, now: float, lifetime: float) -> Pass:
    """Answer the pass that follows one; times in seconds.

    Raises:
        BadPass: it has been prolonged for as long as may be.
    """
    ends = int(min(now + lifetime, old.born + LONGEST))
    if ends <= now:
        raise BadPass(f"the pass is older than {LONGEST / 86400:.0f} days and is not renewed any more; ask for another")
    return replace(old, ends=ends, serial=secrets.token_hex(8))


def write(one: Pass, key: bytes) -> str:
    """Write a pass as it travels."""
    said = f"{MARK}{one.token}.{one.born}.{one.ends}.{one.serial}"
    return f"{said}.{_signature(said, key)}"


def read(text: str, keys: Sequence[bytes], *, now: float) -> Pass:
    """Read a pass that is good at this moment, signed by any of these keys.

    Raises:
        BadPass: it is none, another server's, altered, or has ended.
    """
    found = _SHAPE.fullmatch(text)
    said = text.rpartition(".")[0]
    if found is None or not any(hmac.compare_digest(_signature(said, key), found[5]) for key in keys):
        raise BadPass("this pass is not of this server, or was altered; its pilot needs another")
    one = Pass(int(found[1]), int(found[2]), int(found[3]), found[4])
    if one.ends <= now:
        raise BadPass(f"this pass ended {now - one.ends:.0f} s ago; its pilot needs another")
    return one


def _signature(said: str, key: bytes) -> str:
    return urlsafe_b64encode(hmac.digest(key, said.encode(), "sha256")).decode().rstrip("=")
