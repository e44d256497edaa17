"""Rules for systems that give nodes for a time: what is free at once, and what is left of an allocation."""

from __future__ import annotations

from server.factory.facts import Facts, Limits

#: More pilots than any rule gives; what an allocation could pay for may be beyond all whole numbers.
_ANY = 1e9


def window(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """Not more pilots than could start at once in the nodes that are free long enough (back-fill)."""
    if facts.free_failed:
        return min(number, 0), f"nobody knows what is free: {facts.free_failed}"
    if facts.free is None:
        return number, "the batch system does not tell what is free"
    wanted, there = limits.pilot_seconds, facts.free.seconds
    if there is not None and wanted is not None and there < wanted:
        return min(number, 0), f"nodes are free for {there:g} s, a pilot wants {wanted:g} s"
    fitting = facts.free.nodes // limits.pilot_nodes - (facts.waiting or 0)
    return min(number, max(0, fitting)), f"{facts.free.nodes} nodes are free, a pilot wants {limits.pilot_nodes}"


def allocation(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """Not more pilots than the node-hours that are left can pay for, each, as those that live, for its wall time."""
    if facts.hours_left is None:
        return number, "the queue has no allocation"
    if limits.pilot_seconds is None:
        left = facts.hours_left > 0
        return number if left else min(number, 0), f"{_hours(facts.hours_left)} left, pilots without a wall time"
    each = limits.pilot_nodes * limits.pilot_seconds / 3600
    paid = int(min(facts.hours_left / each, _ANY))
    return min(number, max(0, paid)), f"{_hours(facts.hours_left)} left, a pilot takes {each:g}"


def _hours(left: float) -> str:
    """Write hours without the part that changes from one cycle to the next."""
    return f"{max(0.0, left):.0f} node-hours"
