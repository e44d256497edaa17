"""Proxies, tokens and rows of credentials for tests."""

from __future__ import annotations

import base64
import datetime as times
import json
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from server.credentials.keyring import keyring
from server.credentials.logic.renew import place
from server.credentials.models import Credential, Kind, Source
from server.credentials.proofs import _ATTRIBUTES
from server.credentials.rules import Asker

NOW = times.datetime(2026, 11, 22, 12, 0, tzinfo=times.UTC)
HOUR = times.timedelta(hours=1)
ROLE = "compass:/compass/Role=production"
PILOT = Asker("a-pilot")
PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@lru_cache
def key(number=0):
    return ec.generate_private_key(ec.SECP256R1())


def certificate(name, ends_at, *, mine=0, extensions=(), names=()):
    """Make a certificate that its own key has signed."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key(mine).public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(ends_at - times.timedelta(days=400)).not_valid_after(ends_at)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key(mine), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def private(number=0):
    return key(number).private_bytes(*PEM).decode()


def proxy(ends_at=NOW + 12 * HOUR, user_ends=None, attributes_end=None):
    """Make a proxy as a file has it: the proxy, its key, and the user's certificate."""
    found = ()
    if attributes_end is not None:
        said = [f"\x18\x0f{at:%Y%m%d%H%M%S}Z".encode("latin-1") for at in (NOW - HOUR, attributes_end)]
        found = (x509.UnrecognizedExtension(_ATTRIBUTES, b"\x30\x24\x30\x22" + b"".join(said)),)
    user = certificate("user", user_ends or NOW + times.timedelta(days=300), mine=1)
    return (certificate("proxy", ends_at, extensions=found) + private() + user).strip()


def token(ends_at=NOW + HOUR, **claims):
    def part(said):
        return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")

    ends = {} if ends_at is None else {"exp": ends_at.timestamp()}
    return ".".join([part({"alg": "none"}), part({**ends, **claims}), "c2ln"])


def credential(text=None, *, kind=Kind.TOKEN, asked_as="pilot_server", **fields):
    """Make a row; what it is, is sealed in it."""
    said = {"name": f"{kind} of {asked_as}", "source": Source.ENTERED, "obtained_at": NOW - HOUR, **fields}
    row = Credential.objects.create(kind=kind, asked_as=asked_as, **said)
    if text is not None:
        row.sealed = keyring().seal(text, place(row))
        row.save()
    return row
