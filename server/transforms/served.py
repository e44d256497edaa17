"""The files below ``/trf/``: the program that runs a COMPASS job, and our pilot's bundle where the server has one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

PROGRAM, BUNDLE = "compass-job", "pilot.pyz"
_SOURCE = Path(__file__).with_name("compass_job.py")


@dataclass(frozen=True)
class Transform:
    """A file as it is served: its bytes, their SHA-256, and its kind as HTTP names it."""

    content: bytes
    sha256: str
    kind: str


def transform(name: str) -> Transform | None:
    """Answer a file by its name; ``None`` when there is none."""
    path, kind = _places().get(name, (None, ""))
    if path is None or not path.is_file():
        return None
    found = path.stat()
    return _read(path, kind, found.st_mtime_ns, found.st_size)


def _places() -> dict[str, tuple[Path | None, str]]:
    return {
        PROGRAM: (_SOURCE, "text/plain; charset=utf-8"),
        BUNDLE: (settings.PILOT_BUNDLE, "application/zip"),
    }


@lru_cache(maxsize=4)
def _read(path: Path, kind: str, changed: int, size: int) -> Transform:
    """Read a file once, until it changes."""
    content = path.read_bytes()
    return Transform(content, hashlib.sha256(content).hexdigest(), kind)
