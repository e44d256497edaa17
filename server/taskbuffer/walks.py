"""How far a service has come on its way through a table that it reads piece by piece."""

from __future__ import annotations

from server.taskbuffer.models import Walk


def position(name: str) -> int:
    """Answer the last number that was looked at; 0 at the begin."""
    return int(Walk.objects.filter(pk=name).values_list("position", flat=True).first() or 0)


def go_on(name: str, before: int, after: int) -> None:
    """Write down the last number that was looked at, if it has changed."""
    if after != before:
        Walk.objects.update_or_create(pk=name, defaults={"position": after})
