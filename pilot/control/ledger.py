"""The cores, the memory and the disk of this pilot, and which job has how much of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Callable, Optional

from pilot.contract.named import NamedTuple
from pilot.control.news import Key, Opening

#: A job that waits is overtaken by smaller ones for so many seconds; then what becomes free is kept for it.
PATIENCE = 600.0
#: Work that has to end sooner than this is not worth asking for, in seconds.
SHORTEST = 60.0


class Amount(NamedTuple):
    """So many cores, and bytes of memory and disk. In a total, 0 means that nobody counts them."""

    cores: int = 0
    memory: int = 0
    disk: int = 0

    def plus(self, other: Amount) -> Amount:
        """Answer the sum."""
        return Amount(*(ours + theirs for ours, theirs in zip(self, other)))

    def minus(self, other: Amount) -> Amount:
        """Answer the difference."""
        return Amount(*(ours - theirs for ours, theirs in zip(self, other)))


UNCOUNTED = Amount()


class Waiting(NamedTuple):
    """A job that has not begun. ``seconds`` is the longest time it may run (infinite: nobody knows).

    ``inputs`` are their bytes (``None``: nobody knows); ``fetched``: they are there, or on their way.
    """

    key: Key
    amount: Amount
    seconds: float = math.inf
    since: float = 0.0
    inputs: Optional[int] = None
    fetched: bool = False


class Ahead(NamedTuple):
    """How much may be fetched for jobs that wait: inputs of so many jobs, and so many bytes of them together."""

    jobs: int = 0
    inputs: int = 0


class _Held(NamedTuple):
    amount: Amount
    until: float


class Ledger:
    """Gives out at most ``places`` places, and what is in ``total``.

    A job that wants more than there is gets it when it is alone: the server has chosen it, and a queue's core count is
    often a slot's, not a machine's.
    """

    def __init__(self, places: int, total: Amount = UNCOUNTED, ahead: Ahead = Ahead()) -> None:  # noqa: B008  frozen
        self._places, self._total, self._ahead = places, total, ahead
        self._held: dict[Key, _Held] = {}

    def begin(self, waiting: Sequence[Waiting], now: float) -> list[Key]:
        """Answer which of the jobs that wait, in their order, may begin; what they need is theirs from now on.

        The first that has to wait is overtaken for `PATIENCE` seconds, then only by those that do not keep it back:
        they end before it can begin, or take what it leaves.
        """
        begun: list[Key] = []
        first: Optional[Waiting] = None
        for one in waiting:
            if len(self._held) >= self._places:
                break
            if self._fits(one, self._free(), alone=not self._held) and self._may_overtake(one, first, now):
                self._held[one.key] = _Held(self._whole(one.amount), now + one.seconds)
                begun.append(one.key)
            else:
                first = first or one
        return begun

    def holds(self, key: Key) -> bool:
        """Say whether a job has what it needs to run."""
        return key in self._held

    def fetch(self, waiting: Sequence[Waiting], free: Callable[[], int]) -> list[Key]:
        """Answer which of the jobs that wait may have their inputs brought now, in their order.

        ``free`` answers the bytes that are to be had on the node's disk; what the jobs that run have asked for is left
        to them. A job that asks for more disk than there is would fail of that now, and may find it later.
        """
        jobs = self._ahead.jobs - sum(one.fetched for one in waiting)
        if jobs <= 0 or all(one.fetched for one in waiting):
            return []
        room = self._ahead.inputs - sum(one.inputs or 0 for one in waiting if one.fetched)
        there = free()
        room = min(room, there - sum(held.amount.disk for held in self._held.values()))
        found: list[Key] = []
        for one in waiting:
            if one.fetched or one.inputs is None or one.inputs > room or one.amount.disk > there or len(found) >= jobs:
                continue
            found.append(one.key)
            room, there = room - one.inputs, there - one.inputs
        return found

    def give_back(self, key: Key) -> None:
        """Take back what a job had, if it had anything."""
        self._held.pop(key, None)

    def opening(self, waiting: Sequence[Waiting], now: float) -> Optional[Opening]:
        """Answer what work may be asked for; ``None`` when there is no room for any.

        Where cores are counted that is one job at a time: of several, each could want all that is free.
        """
        places = self._places - len(self._held) - len(waiting)
        if places <= 0:
            return self._opening_ahead(waiting, now)
        free, seconds = self._free(), math.inf
        if waiting and now >= waiting[0].since + PATIENCE:
            at, left = self._start_of(waiting[0])
            if at == math.inf:
                free = left
            else:
                seconds = at - now
        if seconds < SHORTEST or any(total and part <= 0 for total, part in zip(self._total, free)):
            return self._opening_ahead(waiting, now)
        cores, memory, disk = (part if total else None for total, part in zip(self._total, free))
        return Opening(1 if self._total.cores else places, cores, memory, disk, seconds)

    def _opening_ahead(self, waiting: Sequence[Waiting], now: float) -> Optional[Opening]:
        """Answer for what job the inputs may be fetched: one that begins when the first of those that run has ended."""
        if not self._held or len(waiting) >= self._ahead.jobs:
            return None
        first = min(self._held.values(), key=lambda held: held.until)
        free = self._free().plus(first.amount)
        if any(total and part <= 0 for total, part in zip(self._total, free)):
            return None
        cores, memory, disk = (part if total else None for total, part in zip(self._total, free))
        after = max(0.0, first.until - now) if first.until < math.inf else 0.0
        return Opening(1, cores, memory, disk, after=after)

    def _may_overtake(self, one: Waiting, first: Optional[Waiting], now: float) -> bool:
        if first is None or now < first.since + PATIENCE:
            return True
        at, left = self._start_of(first)
        return (one.seconds < math.inf and now + one.seconds <= at) or self._fits(one, left)

    def _start_of(self, first: Waiting) -> tuple[float, Amount]:
        """Answer when a job can begin at the latest, and what is left beside it then."""
        free, at = self._free(), 0.0
        ending = sorted(self._held.values(), key=lambda held: held.until)
        for gone, held in enumerate(ending, start=1):
            free, at = free.plus(held.amount), held.until
            if self._fits(first, free, alone=gone == len(ending)):
                break
        return at, free.minus(self._whole(first.amount))

    def _fits(self, one: Waiting, free: Amount, *, alone: bool = False) -> bool:
        need = self._whole(one.amount)
        return alone or all(not total or part <= left for total, part, left in zip(self._total, need, free))

    def _free(self) -> Amount:
        free = self._total
        for held in self._held.values():
            free = free.minus(held.amount)
        return free

    def _whole(self, need: Amount) -> Amount:
        """Give a job that does not say how much memory it wants the part that goes with its cores."""
        if need.memory or not self._total.memory:
            return need
        parts, of = (need.cores, self._total.cores) if self._total.cores else (1, self._places)
        return need._replace(memory=self._total.memory * parts // of)
