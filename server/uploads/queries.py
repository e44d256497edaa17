"""What is known of uploads."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Min, Sum

from server.uploads.models import Upload


def used_by(owner: str, apart_from: str) -> tuple[int, int, datetime | None]:
    """Answer the bytes and files of an owner, but for one name, and when the oldest came."""
    found = Upload.objects.filter(owner=owner).exclude(name=apart_from)
    said = found.aggregate(size=Sum("size"), number=Count("pk"), oldest=Min("created_at"))
    return int(said["size"] or 0), int(said["number"]), said["oldest"]


def used(apart_from: str) -> int:
    """Answer the bytes of all files but for one name."""
    return int(Upload.objects.exclude(name=apart_from).aggregate(size=Sum("size"))["size"] or 0)


def same(owner: str, size: int, checksum: str) -> Upload | None:
    """Answer the newest file of this owner with this size, and this CRC-32 of gzip or SHA-256."""
    found = Upload.objects.filter(owner=owner, size=size)
    if checksum.isascii() and checksum.isdigit() and len(checksum) <= 10:
        return found.filter(crc=int(checksum)).first()
    return found.filter(sha256=checksum.lower()).first()


def by_name(name: str) -> Upload | None:
    return Upload.objects.filter(name=name).first()
