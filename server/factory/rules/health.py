"""Rules that hold pilots back where they would be wasted: queues that are off or in test, nodes that eat pilots."""

from __future__ import annotations

from pilot.contract.exit_codes import ExitCode
from pilot.contract.queue import ONLINE
from server.factory.facts import End, Facts, Limits

#: Ends that say nothing bad about a node: all went well, no work was left, or somebody killed the job.
INNOCENT = frozenset({ExitCode.OK.value, ExitCode.NO_JOBS.value, ExitCode.JOB_KILLED.value})
#: Ends of pilots are read for queues alone that want pilots.
NONE_WANTED = "no pilots that could be held back"

#: What is said of a queue that is none.
WELL = "the last pilots did not all fail at once"


def queue_status(number: int, facts: Facts, limits: Limits, *, in_test: int = 1) -> tuple[int, str]:
    """No pilots for a queue that is offline or unknown; so many at a time for a queue in test."""
    number, words = status_offline(number, facts, limits)
    return status_test(number, facts, limits, pilots=in_test) if facts.status == "test" else (number, words)


def status_offline(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """No pilots for a queue that is offline or unknown."""
    if facts.status is None:
        return min(number, 0), "schedconfig does not have the queue"
    return number if facts.status in ONLINE else min(number, 0), f"the queue is {facts.status}"


def status_test(number: int, facts: Facts, limits: Limits, *, pilots: int = 1) -> tuple[int, str]:
    """Not more than so many living pilots for a queue in test."""
    if facts.status != "test":
        return number, "the queue is not in test"
    words = f"the queue is in test: {pilots} pilot{'s' if pilots != 1 else ''} at a time"
    return min(number, max(0, pilots - facts.living)), words


def black_hole(number: int, facts: Facts, limits: Limits) -> tuple[int, str]:
    """One pilot at a time, with a pause, while the last ones all failed within seconds of their start."""
    if number <= 0:
        return number, NONE_WANTED
    count = limits.black_hole_pilots
    last = facts.ends[:count]
    if not count or len(last) < count or not all(_is_black(end, limits.black_hole_seconds) for end in last):
        return number, WELL
    codes = ", ".join(sorted({str(end.exit_code) for end in last}))
    why = f"the last {count} pilots failed within {limits.black_hole_seconds:g} s (exit codes {codes})"
    if facts.living:
        return min(number, 0), f"{why}: one at a time, and one lives"
    if facts.idle is not None and 0 <= facts.idle < limits.black_hole_pause:  # below: a clock was set back
        return min(number, 0), f"{why}: the next one in {limits.black_hole_pause - facts.idle:.0f} s"
    return min(number, 1), f"{why}: one at a time"


def is_black_hole(rule: str, reason: str) -> bool:
    """Say whether this rule has held a queue back, by the reason that it has given."""
    return rule == black_hole.__name__ and reason not in (WELL, NONE_WANTED)


def throttle(
    number: int,
    facts: Facts,
    limits: Limits,
    *,
    window: float = 3600.0,
    seconds: float = 120.0,
    share: float = 0.5,
    least: int = 10,
) -> tuple[int, str]:
    """One pilot per cycle while too large a share of those that ended lately failed too soon.

    ``window`` is what lately means and ``seconds`` what too soon means; fewer than ``least`` ends tell nothing.
    """
    if number <= 0:
        return number, NONE_WANTED
    last = [end for end in facts.ends if end.ago <= window]
    short = sum(_is_black(end, seconds) for end in last)
    if len(last) < least or short <= share * len(last):
        return number, f"not more than {100 * share:g} % of the pilots of {window:g} s failed within {seconds:g} s"
    return min(number, 1), f"{short} of the last {len(last)} pilots failed within {seconds:g} s: one per cycle"


def _is_black(end: End, seconds: float) -> bool:
    return end.exit_code not in INNOCENT and (end.seconds is None or end.seconds < seconds)
