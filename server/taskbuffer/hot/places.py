"""From where in each bucket a worker looks for jobs: what stood before it has been taken.

Rows that were deleted stay in an index as long as a long transaction (a backup, a report) may still look at them. Who
begins at the top passes over all of them with each claim; who begins where the last job was passes over none.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: Below every rank.
TOP = -(2**63)

#: Seconds after which a worker looks from the top again: others may have put something there.
LOOK_FROM_TOP = 1.0


class Places:
    """The rank of the last job that this worker has taken, by bucket, for a moment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[int, tuple[int, float]] = {}

    def start(self, bucket: int) -> int:
        """Answer the least rank that is worth a look; `TOP` when it is time to look from there."""
        place, until = self._known.get(bucket, (TOP, 0.0))
        if self._clock() < until:
            return place
        self._known[bucket] = (TOP, self._clock() + LOOK_FROM_TOP)
        return TOP

    def took(self, bucket: int, place: int) -> None:
        """Note that the first jobs of a bucket, up to this rank, were taken."""
        if bucket in self._known:
            self._known[bucket] = (place, self._known[bucket][1])

    def put(self, bucket: int, place: int) -> None:
        """Note that this worker has queued a job, perhaps before the others."""
        if bucket in self._known and place < self._known[bucket][0]:
            self._known[bucket] = (place, self._known[bucket][1])

    def forget(self) -> None:
        """Look into every bucket from the top."""
        self._known.clear()


#: Of this worker.
PLACES = Places()
