"""Why a kind of jobs can never run in its queue, in words that name what is wrong and what helps. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pilot.contract.job import PANDA_MB
from server.pandaconfig.queries import QueueLimits
from server.taskbuffer.models import Bucket

#: A queue that is online takes all kinds of jobs; one that is offline gives out none until somebody says otherwise.
ONLINE, OFFLINE = "online", "offline"


def obstacle(bucket: Bucket, queue: QueueLimits | None) -> str:
    """Say why no pilot of its queue can ever run jobs of a bucket; nothing when one can, or nobody knows.

    Args:
        bucket: What the jobs ask for; 0 means that nobody said.
        queue: What its queue has; 0 means that nobody said. ``None``: there is no such queue.
    """
    if queue is None:
        return (
            f"computingSite: there is no queue {bucket.queue!r} any more; define it anew in the admin and try the job"
            " again, or submit it to another queue"
        )
    # The column of the queue, what is asked, what there is, and how many of the asked one unit of both is.
    needs = (
        ("coreCount", "corecount", bucket.cores, queue.cores, 1, ""),
        ("minRamCount", "maxrss", bucket.memory, queue.memory, PANDA_MB, " MB"),
        ("maxDiskCount", "maxwdir", bucket.disk, queue.disk, PANDA_MB, " MB"),
        ("maxWalltime", "maxtime", bucket.walltime, queue.walltime, 1, " s"),
    )
    for field, column, needed, there, unit, sign in needs:
        if there and needed > there:
            return (
                f"{field}: {-(-needed // unit)}{sign} are asked for, and queue {bucket.queue!r} has at most"
                f" {there // unit}{sign} ({column}); ask for less, submit it to another queue, or raise {column} in the"
                " admin and try the job again"
            )
    return ""


def was_possible(created: datetime, queue: QueueLimits | None) -> bool:
    """Say whether a job that can never run now may have been possible when it came: its queue was changed since."""
    return queue is None or (queue.changed is not None and created < queue.changed)


def fails_at(created: datetime, queue: QueueLimits | None, since: datetime, grace: float) -> datetime:
    """Answer when a job that can never run fails: at once, or ``grace`` seconds after a change of its queue was seen.

    Args:
        created: When the job came.
        queue: Its queue; ``None``: it is gone.
        since: When it was found out that jobs of its kind can never run.
        grace: Seconds.
    """
    return since + timedelta(seconds=grace) if was_possible(created, queue) else created


def most_memory(queues: Iterable[QueueLimits]) -> int:
    """Answer the most bytes of memory that a job may have in any queue that is online; 0 where one has no limit."""
    limits = [queue.memory for queue in queues if queue.status == ONLINE]
    return max(limits) if limits and all(limits) else 0


def is_offline(queue: QueueLimits | None) -> bool:
    """Say whether a queue is there and gives out no jobs until a person says otherwise."""
    return queue is not None and queue.status == OFFLINE


def why_not_now(bucket: Bucket, queue: QueueLimits | None) -> str:
    """Say what keeps jobs of a bucket from running as its queue stands; nothing when nothing is known to."""
    words = obstacle(bucket, queue)
    if not words and is_offline(queue):
        return f"status: queue {bucket.queue!r} is offline; set it online in the admin, or submit to another queue"
    return words
