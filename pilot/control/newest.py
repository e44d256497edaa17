"""An inbox for a lane that may be slower than what comes: of what says the same, the newest counts."""

from __future__ import annotations

import queue
from collections.abc import Hashable
from typing import Any, Callable, Optional

from pilot.control.lifecycle import Effect
from pilot.control.news import Look, Work


class Newest(queue.Queue[Any]):
    """What is put takes the place of what still waits and is about the same, so that no lane falls behind for ever.

    ``about`` answers what an item is about; ``None``: nothing takes its place, and it takes nobody's.
    """

    def __init__(self, about: Callable[[Any], Optional[Hashable]]) -> None:
        super().__init__()
        self._about = about

    def _put(self, item: Any) -> None:  # as the library's own kinds of queues have it; under the queue's lock
        about = self._about(item)
        for at, waiting in enumerate(self.queue):
            if about is not None and self._about(waiting) == about:
                self.queue[at] = item
                return
        super()._put(item)


def of_report(item: Any) -> Optional[Hashable]:
    """Answer whose report this is: a newer one says all that an older one does, but for what people asked to see."""
    if not isinstance(item, Work) or item.effect not in (Effect.REPORT, Effect.FINAL_REPORT):
        return None
    return None if item.answers else item.key


def of_look(item: Any) -> Optional[Hashable]:
    """Answer what is to be looked at, and for what."""
    return (item.job.key, item.matter, item.argv) if isinstance(item, Look) else None
