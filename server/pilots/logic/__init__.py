"""Everything that writes pilots: the factory orders and confirms them, batch systems and pilots say how they are.

Pilots that are workers of a Harvester say so, too, and what their nodes are.
"""

from __future__ import annotations

from server.pilots.logic.days import count_ended
from server.pilots.logic.old import forget_pilots, prune
from server.pilots.logic.orders import (
    Place,
    confirm,
    forget_files,
    note_cancelled,
    note_held,
    note_reprieved,
    order,
    took_jobs,
)
from server.pilots.logic.sightings import Sighting, observe, observe_many
from server.pilots.logic.workers import gpus_said, node_said, without_slot, worker_said

__all__ = [
    "Place",
    "Sighting",
    "confirm",
    "count_ended",
    "forget_files",
    "forget_pilots",
    "gpus_said",
    "node_said",
    "note_cancelled",
    "note_held",
    "note_reprieved",
    "observe",
    "observe_many",
    "order",
    "prune",
    "took_jobs",
    "without_slot",
    "worker_said",
]
