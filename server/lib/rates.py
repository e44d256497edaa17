"""How often somebody may call: a bucket of tokens for each, which fills up as time goes by."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

#: Somebody who was quiet may call so many seconds' worth at once, unless it is told otherwise.
BURST = 10.0
#: So many callers are known to a worker; beyond that who has been quiet longest is forgotten.
MOST = 10_000


class Rates:
    """Who has called how often; a worker's own, so that several workers let in several times as much."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, burst: float = BURST) -> None:
        """``burst`` is how many seconds' worth somebody may call at once who was quiet."""
        self._clock, self._burst = clock, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # the last who has called stands last

    def take(self, caller: str, per_second: float) -> float:
        """Count a call; answer 0.0, or the seconds to wait when there were too many. A rate of 0 means no limit."""
        if not per_second:
            return 0.0
        now, left = self._now_left(caller, per_second)
        # One step each, so that threads do not see the table half changed.
        self._left.pop(caller, None)
        self._left[caller] = (left - 1.0, now) if left >= 1.0 else (left, now)
        if len(self._left) > MOST:
            self._left.popitem(last=False)
        return 0.0 if left >= 1.0 else (1.0 - left) / per_second

    def wait_of(self, caller: str, per_second: float) -> float:
        """Answer what `take` would, and count nothing."""
        if not per_second:
            return 0.0
        _, left = self._now_left(caller, per_second)
        return max(0.0, (1.0 - left) / per_second)

    def _now_left(self, caller: str, per_second: float) -> tuple[float, float]:
        now, most = self._clock(), round(per_second * self._burst, 6)
        left, at = self._left.get(caller, (most, now))
        return now, min(most, left + (now - at) * per_second)

    def forget(self) -> None:
        """Let everybody begin anew."""
        self._left.clear()
