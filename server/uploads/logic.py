"""Everything that writes uploads. A file appears in one step, under a name that is free, and is removed by its age."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction

from server.uploads.models import Upload

#: Names as PanDA's clients make them. Who knows a name may fetch the file, so each holds a number that nobody guesses.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_UNGUESSABLE = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")

#: Files with the sources of a job may be large; what goes with a job beside them is small.
LARGE_PREFIX = "sources."
SMALL_LIMIT = 10 * 2**20

#: What was not wholly received is removed after that time.
_LEFT_OVER = timedelta(days=1)
#: No file may be called so.
_PART = ".part-"

#: Files of one run of the clean-up.
_BATCH = 500


class UploadRefused(ValueError):
    """A file is not taken; the text says why."""


def folder() -> Path:
    """Answer where uploads lie."""
    return Path(settings.ENVIRONMENT.folder) / "cache"


def limit_of(name: str) -> int:
    """Answer the bytes that a file of this name may have."""
    return int(settings.ENVIRONMENT.upload_limit) if name.startswith(LARGE_PREFIX) else SMALL_LIMIT


def store(name: str, chunks: Iterable[bytes], *, owner: str, now: datetime) -> Upload:
    """Keep a file. The same file of the same owner again is no mistake.

    Raises:
        UploadRefused: the name is no good or taken, or the file is too large; nothing is kept.
    """
    _check_name(name)
    folder().mkdir(mode=0o700, exist_ok=True)
    part = folder() / f"{_PART}{uuid.uuid4().hex}"
    try:
        size, sha256, crc = _receive(name, chunks, part)
        known = Upload.objects.filter(name=name).first()
        if known is None:
            known = _keep(Upload(name=name, owner=owner, size=size, sha256=sha256, crc=crc, created_at=now), part)
        if (known.owner, known.sha256) != (owner, sha256):
            raise UploadRefused(f"{name}: there is another file of this name; give yours another one")
        return known
    finally:
        part.unlink(missing_ok=True)


def is_name(name: str) -> bool:
    """Say whether a file may be called so; what may not, as a NUL, not every database can be asked for."""
    return _NAME.fullmatch(name) is not None


def _check_name(name: str) -> None:
    if not is_name(name):
        raise UploadRefused(f"{name[:80]!r} is not a name of 1 to 200 letters, digits, dots, dashes, + and _")
    if not _UNGUESSABLE.search(name):
        example = f"sources.{uuid.UUID(int=0)}.tar.gz"
        raise UploadRefused(f"{name}: who knows the name may fetch the file: have a random UUID in it, as in {example}")


def _receive(name: str, chunks: Iterable[bytes], part: Path) -> tuple[int, str, int | None]:
    """Write the file beside its place; answer its size, its SHA-256 and its CRC-32 if it is gzip."""
    limit, size, digest = limit_of(name), 0, hashlib.sha256()
    head, tail = b"", b""
    with part.open("xb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise UploadRefused(f"{name}: more than {limit} bytes; a file of this name may not have more")
            file.write(chunk)
            digest.update(chunk)
            head, tail = head or chunk[:2], (tail + chunk)[-8:]
    crc = int.from_bytes(tail[:4], "little") if head == b"\x1f\x8b" and size >= 18 else None
    return size, digest.hexdigest(), crc


def _keep(upload: Upload, part: Path) -> Upload:
    """Write the row and give the file its name; who was first by a moment is asked what it has."""
    try:
        with transaction.atomic():
            upload.save(force_insert=True)
            part.replace(folder() / upload.name)
    except IntegrityError:
        return Upload.objects.get(name=upload.name)
    return upload


def forget_old(*, now: datetime) -> int:
    """Remove the files whose days are over, and what was never wholly received; answer how many there were."""
    oldest = now - timedelta(days=settings.ENVIRONMENT.upload_days)
    old = list(Upload.objects.filter(created_at__lt=oldest).order_by("pk")[:_BATCH])
    for upload in old:
        (folder() / upload.name).unlink(missing_ok=True)
    Upload.objects.filter(pk__in=[upload.pk for upload in old]).delete()
    left = [part for part in folder().glob(f"{_PART}*") if _is_older(part, now - _LEFT_OVER)]
    for part in left:
        part.unlink(missing_ok=True)
    return len(old) + len(left)


def _is_older(part: Path, than: datetime) -> bool:
    try:
        return part.stat().st_mtime < than.timestamp()
    except FileNotFoundError:  # it was received just now, and has its name
        return False
