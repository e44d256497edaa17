"""Rules that are the last of every chain, whatever an admin has made of it."""

from __future__ import annotations

from server.factory.facts import Facts, Limits

#: Seconds for which a batch system that has refused pilots is offered no more for that queue.
PATIENCE = 30.0


def patient(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """No pilots for a while after the batch system has refused some: a full queue is not filled by asking again."""
    if facts.refused_ago is None or not 0 <= facts.refused_ago < PATIENCE:  # a clock may have been set back
        return number, "the batch system has not just refused any"
    return min(number, 0), f"the batch system took no more, the next try is {PATIENCE:g} s later: {facts.refusal}"


def max_in_system(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """Not more living pilots of all queues than the batch system is to have."""
    if limits.system_most is None:
        return number, "the batch system may have any number"
    room = max(0, limits.system_most - facts.in_system)
    return min(number, room), f"at most {limits.system_most} pilots in the batch system"


def fresh(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """Nothing is changed on what nobody knows, or on what was known too long ago."""
    if facts.activated is None:
        return 0, "nobody knows how many jobs wait"
    if facts.waiting is None or facts.running is None:
        return 0, "the batch system has not told how its pilots are"
    if facts.jobs_age > limits.max_age:
        return 0, f"the jobs were counted more than {limits.max_age:g} s ago"
    if facts.batch_age > limits.max_age:
        return 0, f"the batch system was asked more than {limits.max_age:g} s ago"
    return number, "what is known is fresh"


def safe(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """Not too many of the running pilots' number at once, unless somebody has confirmed it.

    Of pilots to submit the allowed number is submitted; pilots are cancelled all as wanted, or none.
    """
    allowed = safe_change(facts, limits)
    if abs(number) <= allowed:
        return number, f"a change of at most {allowed} needs no confirmation"
    if number * facts.confirmed > 0 and abs(number) <= abs(facts.confirmed):
        return number, f"a change of {facts.confirmed} was confirmed"
    what = "more pilots are" if number > 0 else "pilots fewer are"
    words = f"{abs(number)} {what} wanted, {allowed} are allowed without a confirmation"
    return min(max(number, 0), allowed), words


def safe_change(facts: Facts, limits: Limits) -> int:
    """Answer how many pilots may be submitted or cancelled at once without asking."""
    return max(limits.safe_pilots, (facts.running or 0) * limits.safe_percent // 100)
