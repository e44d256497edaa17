"""The monitor control: looks at running jobs when their time has come, and says what it sees."""

from __future__ import annotations

import logging
import queue
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from pilot.control.checks import disk
from pilot.control.component import Budget, Component
from pilot.control.lanes import Tell
from pilot.control.lifecycle import Event
from pilot.control.news import Look, Matter, Order, Progress
from pilot.errors import PilotError
from pilot.plugins import call
from pilot.runtime import workdir

if TYPE_CHECKING:
    import pluggy

log = logging.getLogger(__name__)


class MonitorControl(Component):
    """``base`` is the folder of the jobs' directories, ``free_disk`` the least space on the node in bytes."""

    def __init__(
        self,
        inbox: queue.Queue[Look],
        budget: Budget,
        tell: Tell,
        plugins: pluggy.PluginManager,
        base: Path,
        free_disk: int,
    ) -> None:
        super().__init__("monitor", inbox, budget)
        self._tell, self._plugins, self._base, self._free_disk = tell, plugins, base, free_disk

    def handle(self, item: Look) -> None:
        if item.matter is Matter.CHECK:
            self._check(item)
        else:
            self._tell(self._progress(item))

    def broke(self, item: Look, error: Exception) -> None:
        """A heartbeat is owed, whatever the payload's output looks like."""
        if item.matter is Matter.HEARTBEAT:
            self._tell(Progress(item.job.key))

    def _check(self, item: Look) -> None:
        place = workdir.of(self._base, item.job.spec)
        problem = disk.check(place.root, self._free_disk) if place.root.is_dir() else None
        if problem is not None:
            self._tell(Order(item.job.key, Event.CHECK, problem))

    def _progress(self, item: Look) -> Progress:
        """Ask the plugins how far the payload is. One that breaks here must not end a job that runs well."""
        place = workdir.of(self._base, item.job.spec)
        try:
            told: Optional[tuple[int, Optional[int]]] = call(
                self._plugins, "payload_progress", spec=item.job.spec, stdout=place.stdout
            )
        except PilotError as failed:  # a plugin may raise a JobFailed of its own
            log.warning("%s", failed)
            told = None
        return Progress(item.job.key, *(told or ()))
