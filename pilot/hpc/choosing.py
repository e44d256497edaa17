"""What a queue's allocations are to be like: the admin's settings, and what the queue says in ``params.hpc``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError, JobFailed
from pilot.hpc.values import Wishes

if TYPE_CHECKING:
    from pilot.contract.queue import QueueData
    from pilot.settings import Settings
    from pilot.settings.hpc import Hpc

#: What a queue may say; words for commands are the admin's alone.
SAID_BY_QUEUES = frozenset(
    [
        *("jobs", "gather", "quiet", "cores_per_node", "ranks_per_node", "most_nodes", "wall_time", "reserve", "turns"),
        *("launcher", "batch", "project", "queue", "allocations"),
    ]
)


def chosen(settings: Hpc, queue: QueueData) -> Hpc:
    """Answer the settings as they are for a queue.

    Raises:
        JobFailed: ``params.hpc`` names what is no setting, or gives it a value that it cannot have.
    """
    said = queue.params.get("hpc", {})
    where = f"params.hpc of queue {queue.name}"
    if not isinstance(said, Mapping):
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, f"{where}: {said!r}; keys and values are expected")
    if not said:
        return settings
    if others := sorted(set(map(str, said)) - SAID_BY_QUEUES):
        words = f"{where}: {others[0]} is not for a queue to say; there are {', '.join(sorted(SAID_BY_QUEUES))}"
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, words)
    from pilot.settings import load

    ours = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    try:
        return load([("settings", {"hpc": ours}), (where, {"hpc": dict(said)})]).settings.hpc
    except ConfigError as wrong:
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, wrong.detail) from wrong


def wishes(settings: Hpc) -> Wishes:
    """Answer what shapes an allocation."""
    return Wishes(
        cores_per_node=settings.cores_per_node,
        ranks_per_node=settings.ranks_per_node,
        most_nodes=settings.most_nodes,
        wall_time=settings.wall_time,
        turns=settings.turns,
        launcher=settings.launcher,
        options=settings.launcher_options,
        project=settings.project,
        queue=settings.queue,
        batch_options=settings.batch_options,
    )


def adjusted(settings: Settings, queue: Optional[QueueData] = None) -> Settings:
    """Answer the settings of a pilot that gathers: as many jobs at once as an allocation may have payloads.

    Args:
        settings: The pilot's.
        queue: Its queue, when that has asked for it; what it says of the number of jobs counts.
    """
    hpc = replace(settings.hpc, mode="always")
    jobs = hpc.jobs if queue is None else chosen(hpc, queue).jobs
    return settings.evolve(hpc=hpc, job=replace(settings.job, at_once=jobs))
