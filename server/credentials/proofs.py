"""What a credential says of itself: whether it is one, and when it ends. No error's words hold any of it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

#: Characters of the longest credential.
MOST = 2**16

_KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
#: The extension in which VOMS writes attributes, and the two times of their validity there (RFC 5755).
_ATTRIBUTES = x509.ObjectIdentifier("1.3.6.1.4.1.8005.100.100.5")
_VALIDITY = re.compile(rb"\x30\x22\x18\x0f\d{14}Z\x18\x0f(\d{14})Z")
_JWT_PARTS = 3


class NotGood(ValueError):
    """This is no credential of its kind; the words say why."""


def proxy_end(text: str) -> datetime:
    """Answer when a proxy ends: the first of all certificates of its chain, and of its VOMS attributes.

    Raises:
        NotGood: it is none, or has not the key that belongs to its first certificate.
    """
    if not text.isascii():
        raise NotGood("it is no PEM text")
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
        ends = [end for one in chain for end in (one.not_valid_after_utc, *_attribute_ends(one))]
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise NotGood("it holds no certificates in PEM that can be read") from None
    if _public(text) != chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise NotGood("its key does not belong to its first certificate")
    return min(ends)


def _public(text: str) -> bytes:
    found = _KEY.search(text)
    if found is None:
        raise NotGood("it holds no private key in PEM")
    try:
        key = load_pem_private_key(found[0].encode(), password=None)
    except TypeError:
        raise NotGood("its key needs a passphrase, which nobody can enter") from None
    except (ValueError, UnsupportedAlgorithm):
        raise NotGood("its private key cannot be read") from None
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _attribute_ends(one: x509.Certificate) -> list[datetime]:
    try:
        found = one.extensions.get_extension_for_oid(_ATTRIBUTES).value
    except x509.ExtensionNotFound:
        return []
    said = found.value if isinstance(found, x509.UnrecognizedExtension) else b""
    return [datetime.strptime(end.decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC) for end in _VALIDITY.findall(said)]


def token_end(text: str) -> datetime | None:
    """Answer when a token ends; ``None`` for one that is no JSON web token, or does not say.

    Raises:
        NotGood: it holds what no token has.
    """
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise NotGood("it is empty, or has blanks, or characters that no token has")
    parts = text.split(".")
    if len(parts) != _JWT_PARTS:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (binascii.Error, ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return None


def pair_in(text: str) -> tuple[str, str]:
    """Read the two keys of an object storage, a line each: the public one, then the private one.

    Raises:
        NotGood: they are not two.
    """
    lines = text.split()
    if len(lines) != 2 or not all(line.isascii() and line.isprintable() for line in lines):
        raise NotGood("it is not two lines, the public key and the private key")
    return lines[0], lines[1]
