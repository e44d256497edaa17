"""What people may be told of how pilots fare at queues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from server.notify.registry import Notice, event
from server.pilots.queries import use_by_queue


@event("queue.broken")
def queue_broken(since: datetime, now: datetime) -> Iterator[Notice]:
    """More than half of today's pilots or jobs at a queue have failed; once a day."""
    for queue, use in use_by_queue(first=now.date()).items():
        if not use.is_suspect:
            continue
        words = f"Today {use.failed} of {use.pilots} pilots failed, {use.lost} were lost, and {use.jobs_failed} of"
        words += f" {use.jobs} jobs failed."
        subject = f"Queue {queue} seems to be broken"
        yield Notice(f"{queue}:{now:%Y-%m-%d}", subject, words, now, {"queue": queue}, f"/pilots?queue={queue}")
