"""Which text a job's signature is made over, and how the signature is written. Signing and verifying is elsewhere.

Signed is what decides what is run, for whom, and with which files: every field of a job but those of `NOT_SIGNED`,
under the field's own name. A field that holds its default is left out, so that a job stays signed when a later version
of this program knows more fields. GUIDs are not signed, and a log counts by the name of its first attempt: both change
with the attempt.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Any

from pilot.contract.codec import ContractError, shown
from pilot.contract.job import FileSpec, JobSpec
from pilot.contract.naming import log_of_attempt

#: Of the signed text; the number stands in the text and in the signature.
VERSION = 1
_HEADER = "COMPASS job, version {version}\n"
#: Bytes of an Ed25519 signature.
LENGTH = 64

#: What may change between attempts, or bounds a job without deciding what it does.
NOT_SIGNED = frozenset(
    [
        *("attempt", "priority", "signature", "debug"),
        *("max_walltime", "max_cpu_time", "memory", "disk", "resource_type", "looping_check"),
    ]
)
_FILE_FIELDS = ("lfn", "scope", "dataset", "size", "checksum", "endpoint")


def signed_text(spec: JobSpec) -> bytes:
    """Write what a job's signature is made over: a line with the version, then JSON with sorted keys.

    Sign what a pilot will read: ``from_panda(to_panda(spec))``, in which absent texts are empty.
    """
    said: dict[str, Any] = {}
    for declared in fields(spec):
        value = getattr(spec, declared.name)
        default = declared.default if declared.default is not MISSING else None
        if declared.name not in NOT_SIGNED and value != default:
            said[declared.name] = _plain(value)
    if spec.log is not None:
        said["log"]["lfn"] = _first_name(spec.log.lfn, spec.attempt)
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return (_HEADER.format(version=VERSION) + text).encode("ascii")


def _first_name(log: str, attempt: int) -> str:
    """Answer the name that a log had in the first attempt; whatever its name, a later one's number is at its end."""
    number = f".{attempt}"
    bare = log[: -len(number)] if attempt > 1 and log.endswith(number) else log
    return log_of_attempt(bare, 1)


def _plain(value: Any) -> Any:
    if isinstance(value, FileSpec):
        found = {name: getattr(value, name) for name in _FILE_FIELDS}
        return {name: part for name, part in found.items() if part not in ("", None)}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if value is None or isinstance(value, (str, int, float)):
        return value
    inside = {declared.name: getattr(value, declared.name) for declared in fields(value)}
    return {name: _plain(part) for name, part in inside.items()}


def write(signature: bytes) -> str:
    """Write a signature as a job carries it: the version of the text, and base64."""
    return f"{VERSION}:{base64.b64encode(signature).decode('ascii')}"


def read(text: str) -> bytes:
    """Read a signature.

    Raises:
        ContractError: it is none, or belongs to another version of the text.
    """
    version, _, rest = text.partition(":")
    if version != str(VERSION):
        wanted = f"a signature of version {VERSION}, {VERSION}:<base64>"
        raise ContractError(f"compassSignature: {shown(text)} is not {wanted}", field_name="compassSignature")
    try:
        found = base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != LENGTH:
        words = f"compassSignature: {shown(text)} does not hold {LENGTH} bytes in base64"
        raise ContractError(words, field_name="compassSignature")
    return found


def stricter(*levels: str) -> str:
    """Answer the strictest of some words of `LEVELS`."""
    return max(levels, key=LEVELS.index)


#: Which jobs' signatures are verified, the strictest last.
LEVELS: Sequence[str] = ("never", "when_signed", "always")
