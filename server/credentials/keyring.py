"""Seals what the database keeps of credentials and secrets: AES-256 in GCM, by keys in a file of the server's home.

Each line of the file is a key; the first one seals, all of them open. What was sealed for one row opens for no other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

#: The file's name in the home.
NAME = "credential_keys"

_LENGTH, _ID, _NONCE = 32, 8, 12


class KeysMissing(Exception):
    """There is no file with keys, or it cannot be used; the words say what to do."""


class SealBroken(Exception):
    """What was sealed cannot be opened: its key is gone, or it is another row's, or was altered."""


class Keyring:
    """Keys by which texts are sealed and opened. None of them is shown by anything that shows this."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take keys of 32 bytes each, the one that seals first."""
        self._keys = {id_of(key): AESGCM(key) for key in keys}
        self.newest = id_of(keys[0])

    @property
    def ids(self) -> list[bytes]:
        """Answer what tells the keys from each other, the one that seals first."""
        return list(self._keys)

    def seal(self, text: str, about: str) -> bytes:
        """Seal a text for one place, which ``about`` names."""
        nonce = os.urandom(_NONCE)
        return self.newest + nonce + self._keys[self.newest].encrypt(nonce, text.encode(), about.encode())

    def open(self, sealed: bytes | memoryview[int], about: str) -> str:
        """Open what was sealed for this place.

        Raises:
            SealBroken: it cannot be opened.
        """
        sealed = bytes(sealed)  # some drivers answer views
        key = self._keys.get(key_of(sealed))
        if key is None:
            raise SealBroken(f"the key that it was sealed with is not in {NAME} any more; enter it anew")
        try:
            nonce = sealed[_ID : _ID + _NONCE]
            return key.decrypt(nonce, sealed[_ID + _NONCE :], about.encode()).decode()
        except (InvalidTag, ValueError):
            raise SealBroken("it was altered, or was sealed for another row; enter it anew") from None


def id_of(key: bytes) -> bytes:
    """Answer what tells a key from others, and nothing of the key."""
    return hashlib.sha256(b"COMPASS credential key\0" + key).digest()[:_ID]


def key_of(sealed: bytes | memoryview[int]) -> bytes:
    """Answer the id of the key that something was sealed with."""
    return bytes(sealed)[:_ID]


def new_key() -> str:
    """Make a key, as a line of the file."""
    return base64.b64encode(secrets.token_bytes(_LENGTH)).decode()


def keyring() -> Keyring:
    """Answer the keys of this server, as the file has them now.

    Raises:
        KeysMissing: the file cannot be used.
    """
    path = Path(settings.ENVIRONMENT.folder) / NAME
    try:
        found = path.stat()
    except OSError as wrong:
        raise KeysMissing(f"{path}: {wrong.strerror}; `compass-server init` makes it") from wrong
    if found.st_mode & 0o077:
        raise KeysMissing(f"others may read {path}; run: chmod 600 {path}")
    return _read(path, found.st_ino, found.st_mtime_ns)


@lru_cache(maxsize=2)
def _read(path: Path, inode: int, changed: int) -> Keyring:
    """Read the file once; its number and time make a replaced file another one."""
    try:
        keys = lines_in(path.read_text())
    except (OSError, UnicodeDecodeError) as wrong:
        raise KeysMissing(f"{path} cannot be read: {type(wrong).__name__}") from wrong
    return Keyring(keys)


def lines_in(text: str) -> list[bytes]:
    """Read the lines of the file.

    Raises:
        KeysMissing: there is none, or one is no key; the words do not repeat it.
    """
    keys = []
    for number, line in enumerate(text.split(), 1):
        try:
            key = base64.b64decode(line, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != _LENGTH:
            raise KeysMissing(f"{NAME}, line {number}: this is no key of {_LENGTH} bytes in base64")
        keys.append(key)
    if not keys:
        raise KeysMissing(f"{NAME} holds no key; put back a copy of it, or remove it and run `compass-server init`")
    return keys
