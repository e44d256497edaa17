"""A thread with an inbox; no loop is written twice. Here, and only here, anything that is raised may be caught."""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from typing import Any, Callable, Optional

log = logging.getLogger(__name__)

#: The last item of an inbox: what was queued before it is still handled.
END: Any = object()

HOUR = 3600.0


class Budget:
    """How often something may break within an hour before it is given up."""

    def __init__(self, times: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._times, self._clock = times, clock
        self._broken: deque[float] = deque()

    def spend(self) -> bool:
        """Note one more breakage. False when the budget is used up."""
        now = self._clock()
        self._broken.append(now)
        while self._broken[0] <= now - HOUR:
            self._broken.popleft()
        return len(self._broken) <= self._times


class Component:
    """Blocks on its inbox, handles one item at a time, and ends at `END`; idle, it costs nothing.

    An item that breaks is told to `broke`, so that its job fails; the thread goes on until its budget is used up.
    """

    def __init__(self, name: str, inbox: queue.Queue[Any], budget: Budget) -> None:
        self.name, self.inbox, self.budget = name, inbox, budget

    def take(self) -> Any:
        return self.inbox.get()

    def handle(self, item: Any) -> None:
        raise NotImplementedError

    def broke(self, item: Any, error: Exception) -> None:
        """Say that an item could not be handled; a component that owes an answer for it gives it here."""

    def run(self) -> bool:
        """Work until the end. True when it came by `END`, False when the component kept breaking."""
        untold: Optional[tuple[Any, Exception]] = None
        worn_out = False
        while True:
            item, telling, untold = None, untold, None
            try:
                if telling is not None:
                    self.broke(*telling)
                if worn_out:
                    return False
                item = self.take()
                if item is END:
                    return True
                self._handle(item)
            except Exception as error:
                log.exception("%s broke on %s", self.name, type(item).__name__)
                # What breaks while it is told, or before there was an item, has nobody to be told to.
                untold = None if item is None else (item, error)
                worn_out = not self.budget.spend()

    def _handle(self, item: Any) -> None:
        """Handle an item; what a copy tool of a plugin calls must not end this thread without a word."""
        try:
            self.handle(item)
        except SystemExit as ended:
            raise RuntimeError(f"sys.exit({ended.code!r}) was called") from ended
