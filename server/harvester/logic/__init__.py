"""Everything that writes of Harvesters; what does not fit is refused by its name, and nothing of it is kept."""

from __future__ import annotations

from server.harvester.logic.commands import KINDS, acknowledge, give_commands, order, sweep, want_slots
from server.harvester.logic.fitting import MOST
from server.harvester.logic.old import prune
from server.harvester.logic.said import beat, dialogs_said, metrics_said, took_jobs, workers_counted, workers_said

__all__ = [
    "KINDS",
    "MOST",
    "acknowledge",
    "beat",
    "dialogs_said",
    "give_commands",
    "metrics_said",
    "order",
    "prune",
    "sweep",
    "took_jobs",
    "want_slots",
    "workers_counted",
    "workers_said",
]
