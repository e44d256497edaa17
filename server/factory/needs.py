"""What one pilot of a queue asks of its batch system: what the admin says, and where he says nothing, schedconfig."""

from __future__ import annotations

from server.batch.base import Needs
from server.factory.models import MB, FactoryQueue
from server.pandaconfig.queries import QueueLimits


def needs_of(row: FactoryQueue, said: QueueLimits | None) -> Needs:
    """Answer what a pilot of the queue wants; sizes in bytes, times in seconds."""
    queue = said or QueueLimits("")
    return Needs(
        nodes=row.nodes,
        cores=row.cores or queue.cores or 1,
        memory=row.memory * MB if row.memory else queue.memory or None,
        disk=row.disk * MB if row.disk else None,
        wall_time=float(row.wall_time or queue.walltime) or None,
        whole_nodes=row.whole_nodes,
    )
