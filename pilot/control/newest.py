"""An inbox for a lane that may be slower than what comes: of what says the same, the newest counts."""

from __future__ import annotations

import queue
from collections import OrderedDict
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

    # As the library's own kinds of queues have it; each is called under the queue's lock.

    def _init(self, maxsize: int) -> None:
        self._waiting: OrderedDict[Hashable, Any] = OrderedDict()

    def _qsize(self) -> int:
        return len(self._waiting)

    def _put(self, item: Any) -> None:
        about = self._about(item)
        self._waiting[object() if about is None else about] = item  # where the older one was

    def _get(self) -> Any:
        return self._waiting.popitem(last=False)[1]


def of_report(item: Any) -> Optional[Hashable]:
    """Answer whose report this is: a newer one says all that an older one does, but for what people asked to see."""
    if not isinstance(item, Work) or item.effect not in (Effect.REPORT, Effect.FINAL_REPORT):
        return None
    return None if item.answers else item.key


def of_look(item: Any) -> Optional[Hashable]:
    """Answer what is to be looked at, and for what."""
    return (item.job.key, item.matter, item.argv) if isinstance(item, Look) else None
