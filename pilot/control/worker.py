"""The lane in which a pilot is somebody's worker: begins, gives signs of life, hears that it is to end, ends."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.control.component import END, Budget, Component

if TYPE_CHECKING:
    from pilot.api.worker import Worker

BEGIN: Any = object()
BEAT: Any = object()


class WorkerLane(Component):
    """Nothing of the pilot waits for it.

    ``beat`` is the time between two signs of life in seconds; ``ended`` is called with the reason when somebody wants
    the pilot to end.
    """

    def __init__(self, workers: Sequence[Worker], budget: Budget, beat: float, ended: Callable[[str], None]) -> None:
        super().__init__("worker", queue.Queue(), budget)
        self._workers, self._ended = workers, ended
        # Who only says that it begins and ends costs nothing in between.
        self._beat: Optional[float] = beat if any(worker.beats for worker in workers) else None
        self._begun = False

    def take(self) -> Any:
        if not self._begun:
            self._begun = True
            return BEGIN
        try:
            item = self.inbox.get(timeout=self._beat)
        except queue.Empty:
            return BEAT
        if item is END:
            for worker in self._workers:
                worker.end()
        return item

    def handle(self, item: Any) -> None:
        for worker in self._workers:
            if item is BEGIN:
                worker.begin()
            if (reason := worker.beat()) is not None:
                self._ended(reason)
