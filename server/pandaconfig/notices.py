"""What people may be told of queues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from server.notify.registry import Notice, event
from server.pandaconfig.models import Change

#: Statuses in which a queue gets no new jobs.
OFF = frozenset({"offline", "brokeroff"})


@event("queue.off")
def queue_off(since: datetime, now: datetime) -> Iterator[Notice]:
    """A queue was set offline or brokeroff, by somebody or by itself."""
    for change in Change.objects.filter(table="schedconfig", at__gte=since).order_by("id")[:500]:
        before, after = ((words or {}).get("status") for words in (change.before, change.after))
        if after not in OFF or before == after:
            continue
        queue = change.label or change.key
        who = change.person or "the server itself"
        words = f"It was {before or 'new'}. By {who}, {change.get_way_display()}. {change.reason}"
        yield Notice(str(change.pk), f"Queue {queue} is {after}", words, change.at, {"queue": change.key}, "/factory")
