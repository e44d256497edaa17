"""Rules that hold the number between bounds; a negative number, pilots to be cancelled, passes every upper bound."""

from __future__ import annotations

from server.factory.facts import Facts, Limits


def min_per_cycle(number: int, facts: Facts, limits: Limits, *, least: int) -> tuple[int, str]:
    """At least so many pilots at once, whether jobs wait or not."""
    return max(number, least), f"at least {least} per cycle"


def max_per_cycle(number: int, facts: Facts, limits: Limits, *, most: int = 0) -> tuple[int, str]:
    """Not more pilots at once than allowed; 0: as the queue's row says."""
    most = most or limits.max_per_cycle
    return _cap(number, most, f"at most {most} per cycle")


def min_waiting(number: int, facts: Facts, limits: Limits, *, least: int) -> tuple[int, str]:
    """So many more that at least that many pilots wait for a slot."""
    if facts.waiting is None:
        return 0, "nobody knows how many pilots wait"
    return max(number, least - facts.waiting), f"at least {least} wait"


def max_waiting(number: int, facts: Facts, limits: Limits, *, most: int = 0) -> tuple[int, str]:
    """Not more pilots without a slot than allowed; 0: as the queue's row says."""
    most = most or limits.max_waiting
    return _cap(number, most - (facts.waiting or 0), f"at most {most} wait")


def max_running(number: int, facts: Facts, limits: Limits, *, most: int = 0) -> tuple[int, str]:
    """Not more pilots than the queue has slots; 0: as the queue's row says."""
    if facts.running is None:
        return 0, "nobody knows how many pilots run"
    most = most or limits.slots
    return _cap(number, most - facts.living, f"{most} slots")


def max_in_factory(number: int, facts: Facts, limits: Limits, *, most: int) -> tuple[int, str]:
    """Not more living pilots of all queues together."""
    return _cap(number, most - facts.in_factory, f"at most {most} pilots of all queues")


def max_nodes(number: int, facts: Facts, limits: Limits, *, most: int) -> tuple[int, str]:
    """Not more nodes for the queue's living pilots together."""
    room = (most - facts.nodes) // limits.pilot_nodes
    return _cap(number, room, f"at most {most} nodes, {limits.pilot_nodes} a pilot")


def _cap(number: int, most: int, words: str) -> tuple[int, str]:
    return min(number, max(0, most)), words
