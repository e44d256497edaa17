"""What one pilot of a queue asks of its batch system: what the admin says, and where he says nothing, schedconfig."""

from __future__ import annotations

from server.batch.base import BatchMisconfigured, Needs
from server.factory.models import MB, FactoryQueue
from server.pandaconfig.queries import QueueLimits


def needs_of(row: FactoryQueue, said: QueueLimits | None) -> Needs:
    """Answer what a pilot of the queue wants; sizes in bytes, times in seconds.

    Raises:
        BatchMisconfigured: no pilot can want so much, by the factory's queue or by schedconfig.
    """
    queue = said or QueueLimits("")
    return Needs(
        nodes=row.nodes,
        cores=row.cores or queue.cores or 1,
        memory=row.memory * MB if row.memory else queue.memory or None,
        disk=row.disk * MB if row.disk else None,
        wall_time=row.wall_time or queue.walltime or None,
        whole_nodes=row.whole_nodes,
    )


def needs_or_words(row: FactoryQueue, said: QueueLimits | None) -> tuple[Needs, str]:
    """Answer what a pilot of the queue wants; or the least that one can want, and why nobody can want what is said."""
    try:
        return needs_of(row, said), ""
    except BatchMisconfigured as wrong:
        return Needs(), f"{wrong}; set it in the factory's queue, or mend schedconfig's"
