"""When it is looked for what dead pilots have left. Used by the conductor, in its thread."""

from __future__ import annotations

from pilot.control import news
from pilot.control.means import Means, Outbox
from pilot.control.timers import Timers

#: So long a pilot that has nothing else to do waits for what dead ones may have left, in seconds.
SETTLING = 30.0
#: When it has looked for that so long ago, it looks again before it ends.
UNSEEN = 60.0


class Settling:
    """``recover`` is where the looking is done. ``again``: it is to be looked for once more, before the end."""

    def __init__(self, means: Means, recover: Outbox, timers: Timers) -> None:
        self._means, self._recover, self._timers = means, recover, timers
        self.again, self.under_way = True, False
        self._times, self._at = 0, 0.0

    def begin(self) -> None:
        """Have it seen to what dead pilots have left."""
        self.under_way, self.again = True, False
        self._times, self._at = self._times + 1, self._means.clock()
        self._recover.put(news.Settled())
        self._timers.set(self._at + SETTLING, news.Settled())

    def settled(self, settled: news.Settled) -> None:
        """Take it that it was seen to; what could not be settled at the start is tried once more."""
        self.under_way = False
        self.again = self.again or (settled.left > 0 and self._times == 1)

    def more(self) -> bool:
        """Say whether dead pilots' jobs may still come; they are looked for once more before the end."""
        again = self.again or self._means.clock() - self._at > UNSEEN
        if again and not self.under_way:
            self.begin()
        return self.under_way
