"""Which files go into which merged file, and whether their sum may be merged at all. Pure rules."""

from __future__ import annotations

from collections.abc import Sequence


def plan_merge(sizes: Sequence[int], *, target: int, most: int = 1000) -> list[range]:
    """Group one run's files, in order, into merged files of at most ``target`` bytes and ``most`` files.

    Args:
        sizes: Size of each file in bytes, ordered by chunk number; n values.
        target: Largest size wanted of one merged file, in bytes. A single file that is larger
            makes a group of its own.
        most: Largest number of files in a group.

    Returns:
        Half-open ranges of indices into ``sizes`` that cover 0..n once, in order; ``[]`` for n = 0.

    Raises:
        ValueError: a size is negative, or ``target`` or ``most`` is not positive.

    Source:
        A. Petrosyan, NEC'2017, CEUR-WS 2023 p. 236: the results of a run are merged into 4 GB
        files, the best size for Castor. 1000 is the production system's limit for event dumps.
    """
    if target <= 0 or most <= 0 or any(size < 0 for size in sizes):
        raise ValueError("sizes must not be negative; target and most must be positive")
    groups: list[range] = []
    start, total = 0, 0
    for index, size in enumerate(sizes):
        if index > start and (total + size > target or index - start == most):
            groups.append(range(start, index))
            start, total = index, 0
        total += size
    if len(sizes) > start:
        groups.append(range(start, len(sizes)))
    return groups
