"""The cores of this pilot and who has them. Pure."""

from __future__ import annotations

from pilot.control.news import Key


class Ledger:
    """Gives out at most ``jobs`` places and ``cores`` cores (0: nobody counts them).

    A job that wants more cores than there are gets them when it is alone: the server has chosen it, and a queue's core
    count is often a slot's, not a machine's.
    """

    def __init__(self, jobs: int, cores: int = 0) -> None:
        self._places, self._cores = jobs, cores
        self._held: dict[Key, int] = {}

    def places(self) -> int:
        """Answer how many more jobs may begin, if they want no more cores than are free."""
        if self._cores and self._held and self._free() <= 0:
            return 0
        return max(0, self._places - len(self._held))

    def take(self, key: Key, cores: int) -> bool:
        """Give a job its place, or say that it has to wait."""
        if len(self._held) >= self._places or (self._cores and self._held and cores > self._free()):
            return False
        self._held[key] = cores
        return True

    def give_back(self, key: Key) -> None:
        """Take back what a job had, if it had anything."""
        self._held.pop(key, None)

    def _free(self) -> int:
        return self._cores - sum(self._held.values())
