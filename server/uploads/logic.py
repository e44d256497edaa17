"""Everything that writes uploads. A file appears in one step, under a name that is free, and is removed by its age."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction

from server.uploads import queries
from server.uploads.models import Upload
from server.uploads.parts import Part, UploadRefused, sweep

#: Names as PanDA's clients make them. Who knows a name may fetch the file, so each holds a number that nobody guesses.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_UNGUESSABLE = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")

#: Files with the sources of a job may be large; what goes with a job beside them is small.
LARGE_PREFIX = "sources."
SMALL_LIMIT = 10 * 2**20

#: Files of one run of the clean-up.
_BATCH = 500


def folder() -> Path:
    """Answer where uploads lie."""
    return Path(settings.ENVIRONMENT.folder) / "cache"


def limit_of(name: str) -> int:
    """Answer the bytes that a file of this name may have."""
    return int(settings.ENVIRONMENT.upload_limit) if name.startswith(LARGE_PREFIX) else SMALL_LIMIT


def begin(name: str, *, owner: str) -> Part:
    """Begin to receive a file; whoever does writes into it, and keeps it or leaves it.

    Raises:
        UploadRefused: the name is no good, or there is no room.
    """
    _check_name(name)
    folder().mkdir(mode=0o700, exist_ok=True)
    room, words = _room(owner, apart_from=name)
    return Part(folder(), name, limit=limit_of(name), room=room, no_room=words)


def keep(part: Part, *, owner: str, now: datetime) -> Upload:
    """Keep a file that has wholly come. The same file of the same owner again is no mistake.

    Raises:
        UploadRefused: its name is taken, it is not what its name says, or there is no room any more; it is not kept.
    """
    part.check()
    known = Upload.objects.filter(name=part.name).first()
    if known is None:
        row = Upload(name=part.name, owner=owner, size=part.size, sha256=part.sha256, crc=part.crc, created_at=now)
        known = _keep(row, part)
    if (known.owner, known.sha256) != (owner, part.sha256):
        raise UploadRefused(f"{part.name}: there is another file of this name; give yours another one")
    return known


def store(name: str, chunks: Iterable[bytes], *, owner: str, now: datetime) -> Upload:
    """Receive a file and keep it; raises as both do."""
    with begin(name, owner=owner) as part:
        for chunk in chunks:
            part.write(chunk)
        return keep(part, owner=owner, now=now)


def _room(owner: str, *, apart_from: str) -> tuple[int, str]:
    """Answer the bytes that an owner may still send, and what to tell when they do not suffice."""
    quota, whole = settings.ENVIRONMENT.upload_quota, settings.ENVIRONMENT.upload_total
    mine, number, oldest = queries.used_by(owner, apart_from)
    if quota - mine <= (rest := whole - queries.used(apart_from)):
        words = f"{apart_from}: you have {number} files of {mine} bytes here, and may have {quota} bytes"
        if oldest is not None:
            goes = oldest + timedelta(days=settings.ENVIRONMENT.upload_days)
            words += f"; the oldest goes at {goes:%Y-%m-%d %H:%M} UTC"
        return quota - mine, words
    return rest, f"{apart_from}: the server has room for {max(rest, 0)} bytes; try again later, or tell who runs it"


def is_name(name: str) -> bool:
    """Say whether a file may be called so; what may not, as a NUL, not every database can be asked for."""
    return _NAME.fullmatch(name) is not None


def _check_name(name: str) -> None:
    if not is_name(name):
        raise UploadRefused(f"{name[:80]!r} is not a name of 1 to 200 letters, digits, dots, dashes, + and _")
    if not _UNGUESSABLE.search(name):
        example = f"sources.{uuid.UUID(int=0)}.tar.gz"
        raise UploadRefused(f"{name}: who knows the name may fetch the file: have a random UUID in it, as in {example}")


def _keep(upload: Upload, part: Part) -> Upload:
    """Write the row and give the file its name; who was first by a moment is asked what it has."""
    try:
        with transaction.atomic():
            # Looked at once more: others of the owner's may have come meanwhile.
            room, words = _room(upload.owner, apart_from=upload.name)
            if upload.size > room:
                raise UploadRefused(words)
            upload.save(force_insert=True)
            part.place(folder() / upload.name)
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
    return len(old) + sweep(folder(), now)
