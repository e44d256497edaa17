"""What jobs have of queues."""

from __future__ import annotations

from collections.abc import Iterator

from server.lib.uses import MOST, Use
from server.taskbuffer.models import Live, Ready


def uses(table: str, keys: list[str]) -> Iterator[Use]:
    if table == "schedconfig":
        waiting = Ready.objects.filter(bucket__queue__in=keys).order_by()
        yield Use("jobs that wait there", waiting[: MOST + 1].count())
        yield Use("jobs that run there", Live.objects.filter(queue__in=keys).order_by()[: MOST + 1].count())
