"""The lane that has the conductor give signs of life, for whoever started the pilot and watches it."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any, Callable

from pilot.control.component import Budget, Component
from pilot.control.news import News, Sign

#: Seconds between two signs.
PERIOD = 60.0


class SignLane(Component):
    """Asks the conductor for a sign, at once and then from time to time: a conductor that hangs gives none."""

    def __init__(self, path: Path, budget: Budget, tell: Callable[[News], None], period: float = PERIOD) -> None:
        super().__init__("signs", queue.Queue(), budget)
        self._sign, self._tell, self._period = Sign(path), tell, period
        self._begun = False

    def take(self) -> Any:
        """Wait for the end, or for the next sign's time."""
        if not self._begun:
            self._begun = True
            return self._sign
        try:
            return self.inbox.get(timeout=self._period)
        except queue.Empty:
            return self._sign

    def handle(self, item: Any) -> None:
        self._tell(item)
