"""Signs texts: with the ``cryptography`` library where it is installed, else with ``openssl``, which makes the keys.

Keys are files in PEM, without a passphrase. The library takes 0.1 ms for a signature, the program some milliseconds.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

PROGRAM = "openssl"
_LONGEST = 30.0


class SigningFailed(Exception):
    """A key cannot be read or made, or there is nothing to sign with; the words say which."""


def sign(text: bytes, key: Path) -> bytes:
    """Sign a text with the private key in a file; 64 bytes.

    Raises:
        SigningFailed: the key cannot be read, is no Ed25519 key, or nothing here can sign.
    """
    try:
        changed = key.stat().st_mtime_ns
    except OSError as wrong:
        raise SigningFailed(f"{key}: {wrong.strerror}") from wrong
    loaded = _load(key, changed)
    if loaded is None:
        return _by_openssl(text, key)
    signature: bytes = loaded.sign(text)
    return signature


@lru_cache(maxsize=4)
def _load(key: Path, changed: int) -> Any:
    """Read a private key once; ``None`` without the library. ``changed`` makes a replaced file another one."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        return None
    try:
        found = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as wrong:
        raise SigningFailed(f"{key} cannot be read as a private key: {wrong}") from wrong
    if not isinstance(found, Ed25519PrivateKey):
        raise SigningFailed(f"{key} is no Ed25519 key")
    return found


def _by_openssl(text: bytes, key: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="compass-sign-") as folder:
        said, signed = Path(folder) / "text", Path(folder) / "signature"
        said.write_bytes(text)
        # An empty passphrase, so that for a key with one nobody is asked on the terminal.
        words = ("-sign", "-inkey", str(key), "-passin", "pass:", "-rawin", "-in", str(said), "-out", str(signed))
        _openssl("pkeyutl", *words)
        signature = signed.read_bytes()
    if len(signature) != 64:  # of another algorithm
        raise SigningFailed(f"{key} is no Ed25519 key")
    return signature


def make_keys(private: Path, public: Path) -> None:
    """Make a key pair: the private key readable by its owner alone.

    Raises:
        SigningFailed: one of the files exists already or cannot be written, or the program is not there.
    """
    for path in (private, public):
        if path.exists():
            raise SigningFailed(f"{path} exists; remove it, or name another")
    made = _openssl("genpkey", "-algorithm", "ed25519")
    try:
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(made)
        public.write_bytes(_openssl("pkey", "-in", str(private), "-pubout"))
        public.chmod(0o644)
    except OSError as wrong:
        raise SigningFailed(f"{wrong.filename}: {wrong.strerror}") from wrong


def turn_keys(private: Path) -> None:
    """Put the pair that ends in ``.next`` into the place of the one that is used, which ends in ``.old`` from then on.

    At every moment there is a key, the old one or the new one; who signs notices at once.

    Raises:
        SigningFailed: there is no next pair, or it cannot be moved.
    """
    following = Path(f"{private}.next")
    pairs = [(private, following), (Path(f"{private}.pub"), Path(f"{following}.pub"))]
    sign(b"any text", following)
    try:
        for used, _ in pairs:
            old = Path(f"{private}.old{'.pub' if used.suffix == '.pub' else ''}")
            old.unlink(missing_ok=True)
            os.link(used, old)
        for used, new in pairs:
            new.replace(used)
    except OSError as wrong:
        raise SigningFailed(f"{wrong.filename}: {wrong.strerror}") from wrong


def _openssl(*words: str) -> bytes:
    try:
        done = subprocess.run(
            [PROGRAM, *words], capture_output=True, check=False, timeout=_LONGEST, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as wrong:
        needed = f"the {PROGRAM} program, which makes keys, and signs without the cryptography library, cannot be used"
        raise SigningFailed(f"{needed}: {wrong}") from wrong
    if done.returncode:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        raise SigningFailed(f"{PROGRAM} {words[0]}: {last}")
    return done.stdout
