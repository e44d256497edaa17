"""Reading the pilots: for the factory's decisions and for pages."""

from __future__ import annotations

from server.pilots.queries.listing import (
    MOST,
    STATES,
    Listed,
    Wanted,
    count_states,
    find_pilot,
    find_worker,
    listed,
    pilot_json,
    pilots_of,
)
from server.pilots.queries.living import (
    LivingPilot,
    counts_by_queue,
    ended_before,
    living_in,
    pilot_of_batch,
    queues_with_files,
)
from server.pilots.queries.use import NodeUse, Use, use_by_day, use_by_node, use_by_queue

__all__ = [
    "MOST",
    "STATES",
    "Listed",
    "LivingPilot",
    "NodeUse",
    "Use",
    "Wanted",
    "count_states",
    "counts_by_queue",
    "ended_before",
    "find_pilot",
    "find_worker",
    "listed",
    "living_in",
    "pilot_json",
    "pilot_of_batch",
    "pilots_of",
    "queues_with_files",
    "use_by_day",
    "use_by_node",
    "use_by_queue",
]
