"""What people may be told of how the factory fares with queues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from server.factory.record import last_cycles
from server.factory.rules.health import is_black_hole
from server.notify.registry import Notice, event


@event("queue.black_hole")
def queue_black_hole(since: datetime, now: datetime) -> Iterator[Notice]:
    """The last pilots of a queue have all failed at once, and it gets one at a time; once a day."""
    for queue, cycle in last_cycles().items():
        words = next((one["reason"] for one in cycle.trace if is_black_hole(one["rule"], one["reason"])), "")
        if words and cycle.latest >= since:
            subject = f"Queue {queue} seems to be a black hole"
            text = f"{words[:1].upper()}{words[1:]}."
            yield Notice(f"{queue}:{now:%Y-%m-%d}", subject, text, now, {"queue": queue}, f"/factory/{queue}")
