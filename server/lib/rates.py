"""How often somebody may call: a bucket of tokens for each, which fills up as time goes by."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Somebody who was quiet may call so many seconds' worth at once.
BURST = 10.0
#: So many callers are known to a worker; beyond that the oldest calls are forgotten, for whose benefit is no matter.
MOST = 10_000


class Rates:
    """Who has called how often; a worker's own, so that several workers let in several times as much."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, caller: str, per_second: float) -> float:
        """Count a call; answer 0.0, or the seconds to wait when there were too many. A rate of 0 means no limit."""
        if not per_second:
            return 0.0
        now, most = self._clock(), per_second * BURST
        left, at = self._left.get(caller, (most, now))
        left = min(most, left + (now - at) * per_second)
        if left < 1.0:
            return (1.0 - left) / per_second
        if len(self._left) >= MOST and caller not in self._left:
            self._left.clear()
        self._left[caller] = (left - 1.0, now)
        return 0.0

    def forget(self) -> None:
        """Let everybody begin anew."""
        self._left.clear()
