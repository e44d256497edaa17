"""How long the pilot's credentials live: the end of a certificate or proxy, and of a token. Verifies no signature."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.routes import PASS_MARK
from pilot.errors import JobFailed
from pilot.site import whole_file

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----")
_SEQUENCE, _EXPLICIT, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_JWT_PARTS, _PASS_PARTS = 3, 5
_NUMBER = re.compile(r"\d{1,12}", re.ASCII)


def certificate_end(path: Path) -> float:
    """Answer when the first of the certificates in a PEM file ends, in seconds since 1970.

    A proxy lives no longer than any certificate of its chain.

    Raises:
        JobFailed: there is no such file, or it holds no certificate that can be read (NO_PROXY).
    """
    try:
        return end_of(path.read_bytes())
    except (OSError, ValueError) as wrong:
        raise JobFailed(ErrorCode.NO_PROXY, f"{path}: {getattr(wrong, 'strerror', None) or wrong}") from wrong


def end_of(text: bytes) -> float:
    """Answer when the first of the certificates in PEM ends, in seconds since 1970.

    Raises:
        ValueError: there is none, or one cannot be read.
    """
    try:
        ends = [_not_after(base64.b64decode(found)) for found in _PEM.findall(text)]
    except (IndexError, StopIteration, ValueError) as wrong:
        raise ValueError(f"a certificate in it cannot be read: {wrong}") from wrong
    if not ends:
        raise ValueError("it holds no certificate")
    return min(ends)


def token_end(token: str) -> Optional[float]:
    """Answer when a token ends, in seconds since 1970; ``None`` for one that does not say.

    JSON web tokens do, and the passes of our server: ``cpp_<token>.<born>.<ends>.<serial>.<signature>``.
    """
    parts = token.split(".")
    if token.startswith(PASS_MARK):
        return float(parts[2]) if len(parts) == _PASS_PARTS and _NUMBER.fullmatch(parts[2]) else None
    if len(parts) != _JWT_PARTS:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (binascii.Error, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def replace_secret(path: Path, text: str) -> None:
    """Write a secret in the place of an old one: readable for its owner alone, whole or not at all.

    Raises:
        OSError: it cannot be written.
        ValueError: it is no ASCII, as every proxy and token is.
    """
    text.encode("ascii")
    whole_file.write(path, text, 0o600)


def _not_after(certificate: bytes) -> float:
    """Read the end of the validity from a certificate in DER (RFC 5280, 4.1)."""
    whole = next(_values(certificate))[1]
    to_be_signed = next(_values(whole))[1]
    fields = [field for field in _values(to_be_signed) if field[0] != _EXPLICIT]
    validity = fields[3][1]  # after serial number, algorithm and issuer
    tag, value = list(_values(validity))[1]
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        year = int(text[:2])
        text = f"{19 if year >= 50 else 20}{text}"
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"a time of the unknown kind {tag}")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()


def _values(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Take DER apart, one level deep: tags and contents."""
    at = 0
    while at < len(content):
        tag, length, at = content[at], content[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(content[at : at + count], "big"), at + count
        if at + length > len(content):
            raise ValueError("it is cut off")
        yield tag, content[at : at + length]
        at += length
