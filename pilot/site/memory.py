"""The node's memory and swap."""

from __future__ import annotations

from dataclasses import dataclass

from pilot.site.tree import Tree

KB = 1024


@dataclass(frozen=True)
class Memory:
    """All in bytes; ``available`` is what the kernel would give to new programs without swapping."""

    total: int
    available: int
    swap: int
    swap_free: int


def read(tree: Tree) -> Memory:
    """Read ``/proc/meminfo``; a line that is not there counts as 0."""
    found = tree.pairs("proc/meminfo")

    def size(name: str) -> int:
        number = (found.get(name) or "0").split()[0]
        return int(number) * KB if number.isdigit() else 0

    return Memory(size("MemTotal"), size("MemAvailable") or size("MemFree"), size("SwapTotal"), size("SwapFree"))
