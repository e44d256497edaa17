"""Rules that say how many pilots are wanted: by the jobs that wait, or by a number that is to be kept."""

from __future__ import annotations

import math

from server.factory.facts import Facts, Limits

NOBODY_KNOWS = "nobody knows how many jobs or pilots wait"


def ready(number: int, facts: Facts, limits: Limits, *, offset: int = 0) -> tuple[int, str]:
    """A pilot for each activated job that no pilot is on its way to; ``offset`` jobs are left without one."""
    if facts.activated is None or facts.waiting is None:
        return 0, NOBODY_KNOWS
    if limits.by_cores:
        return _ready_by_cores(facts, limits, offset)
    on_the_way = facts.waiting + facts.jobless
    missing = max(0, facts.activated - offset - on_the_way)
    return missing, f"{facts.activated} jobs activated, {on_the_way} pilots on their way{_cost(facts)}"


def _ready_by_cores(facts: Facts, limits: Limits, offset: int) -> tuple[int, str]:
    pilot = limits.pilot_cores
    wanted = sum(cores * jobs for cores, jobs in facts.job_cores if cores <= pilot)
    too_wide = sum(jobs for cores, jobs in facts.job_cores if cores > pilot)
    missing = max(0, math.ceil((wanted - facts.on_the_way_cores) / pilot) - offset)
    words = f"activated jobs want {wanted} cores, {facts.on_the_way_cores} are on their way, a pilot has {pilot}"
    if too_wide:
        words += f"; {too_wide} jobs want more than that"
    return missing, words + _cost(facts)


def _cost(facts: Facts) -> str:
    """Say what pilots without work have cost; in tens, so that each pilot does not make a new reason."""
    if not facts.jobless_share:
        return ""
    return f"; about {10 * round(10 * facts.jobless_share)} % of the pilots since yesterday had no job"


def weighted(
    number: int, facts: Facts, limits: Limits, *, activated: float = 1.0, pending: float = 1.0
) -> tuple[int, str]:
    """As ``ready``, with a weight on the activated jobs and one on the pilots that are on their way."""
    if facts.activated is None or facts.waiting is None:
        return 0, NOBODY_KNOWS
    on_the_way = facts.waiting + facts.jobless
    missing = max(0, math.floor(facts.activated * activated - on_the_way * pending))
    return missing, f"{facts.activated} jobs activated × {activated:g}, {on_the_way} pilots on their way × {pending:g}"


def keep_running(number: int, facts: Facts, limits: Limits, *, pilots: int) -> tuple[int, str]:
    """So many pilots in all, running or waiting, whether there are jobs or not; surplus makes it negative.

    Of a surplus, those that were told to end already are not to be told for others again.
    """
    if facts.waiting is None or facts.running is None:
        return 0, "nobody knows how many pilots there are"
    missing = pilots - facts.living
    number = missing if missing >= 0 else min(0, missing + facts.retiring)
    return number, f"{pilots} pilots are kept, {facts.running} run and {facts.waiting} wait"


def keep_queue_life(number: int, facts: Facts, limits: Limits, *, pilots: int = 0) -> tuple[int, str]:
    """As ``keep_running``, without those that were told to end; 0: the number before is the number to keep."""
    if facts.waiting is None or facts.running is None:
        return 0, "nobody knows how many pilots there are"
    wanted, stay = pilots or number, facts.living - facts.retiring
    return wanted - stay, f"{wanted} pilots are kept alive, {stay} live and {facts.retiring} were told to end"


def scale(number: int, facts: Facts, limits: Limits, *, factor: float) -> tuple[int, str]:
    """The number before, times a factor; a part of a pilot is a whole one."""
    return math.ceil(number * factor), f"{number} × {factor:g}"


def fixed(number: int, facts: Facts, limits: Limits, *, pilots: int) -> tuple[int, str]:
    """So many pilots in each cycle, whatever the rules before said."""
    return pilots, f"always {pilots} pilots"


def null(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """No pilots at all."""
    return 0, "this queue gets none"
