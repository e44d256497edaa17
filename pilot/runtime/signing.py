"""Verifies an Ed25519 signature: by the ``cryptography`` library where that is installed, else by ``openssl``."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed

#: ``openssl`` takes a few milliseconds.
_LONGEST = 30.0
PROGRAM = "openssl"


def is_signed(text: bytes, signature: bytes, keys: Sequence[str], *, program: str = PROGRAM) -> bool:
    """Say whether a signature over a text is by any of these keys, files in PEM.

    While keys are being changed, one may not be on this node yet, or not any more: a good signature by another counts.

    Raises:
        JobFailed: nobody can tell (SIGNATURE_UNVERIFIABLE): no key is named, or the signature is by none of those that
            can be used, and one cannot be read or is of another kind; or there is nothing to verify with.
    """
    unusable: Optional[JobFailed] = None
    for key in keys:
        try:
            if _is_by(text, signature, key, program):
                return True
        except JobFailed as wrong:
            unusable = unusable or wrong
    if unusable is not None:
        raise unusable
    if not keys:
        raise _unverifiable("verify.keys names no public key")
    return False


def _is_by(text: bytes, signature: bytes, key: str, program: str) -> bool:
    try:
        pem = Path(key).read_bytes()
    except OSError as wrong:
        raise _unverifiable(f"verify.keys: {key} cannot be read: {wrong.strerror}") from wrong
    try:
        import cryptography.hazmat.primitives.serialization  # noqa: F401
    except ImportError:
        return _by_openssl(text, signature, key, program)
    return _by_library(text, signature, key, pem)


def _unverifiable(words: str) -> JobFailed:
    return JobFailed(ErrorCode.SIGNATURE_UNVERIFIABLE, words)


def _by_library(text: bytes, signature: bytes, key: str, pem: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as wrong:
        raise _unverifiable(f"verify.keys: {key} cannot be read as a public key: {wrong}") from wrong
    if not isinstance(public, Ed25519PublicKey):
        raise _unverifiable(f"verify.keys: {key} is no Ed25519 key")
    try:
        public.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _by_openssl(text: bytes, signature: bytes, key: str, program: str) -> bool:
    """Ask the program twice: whether it can read the key, so that a bad key is not taken for a bad signature."""
    described = _run([program, "pkey", "-pubin", "-in", key, "-noout", "-text_pub"])
    if described.returncode or "ED25519" not in described.stdout.upper():
        words = (described.stderr.strip().splitlines() or ["it is no Ed25519 key"])[-1]
        raise _unverifiable(f"verify.keys: {key} cannot be read as a public key: {words}")
    try:
        with tempfile.TemporaryDirectory(prefix="compass-verify-") as folder:
            said, signed = Path(folder) / "text", Path(folder) / "signature"
            said.write_bytes(text)
            signed.write_bytes(signature)
            argv = [program, "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", str(said)]
            done = _run([*argv, "-sigfile", str(signed)])
    except OSError as wrong:
        words = f"the {program} program needs temporary files, and none can be written: {wrong.strerror}"
        raise _unverifiable(words) from wrong
    if done.returncode == 0:
        return True
    if "verif" in (done.stdout + done.stderr).lower() and "fail" in (done.stdout + done.stderr).lower():
        return False
    words = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
    raise _unverifiable(f"{program} pkeyutl cannot verify here, OpenSSL 3 is needed: {words}")


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            timeout=_LONGEST,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as wrong:
        words = f"neither the cryptography library nor the {argv[0]} program can be used: {wrong}"
        raise _unverifiable(words) from wrong
