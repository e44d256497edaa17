"""What the past of a share counts for now: cores on average, of which each half-life leaves half; pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time

DAY = 86400.0

#: Days that are older than so many half-lives count for less than one part in 250.
HALF_LIVES = 8


def days_back(half_life: float) -> int:
    """Answer how many days before today count, for a half-life in seconds."""
    return math.ceil(HALF_LIVES * half_life / DAY)


def average_cores(core_seconds: Iterable[tuple[str, date, float]], now: datetime, half_life: float) -> dict[str, float]:
    """Answer the cores that each share has had of late.

    A share that has had the same number of cores for ever is answered that number; one that had them a half-life ago,
    and none since, half of it.

    Args:
        core_seconds: By share and day.
        now: The time.
        half_life: In seconds; above 0.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for share, day, seconds in core_seconds:
        found[share] += seconds * 0.5 ** (_age(day, now) / half_life) * math.log(2) / half_life
    return dict(found)


def _age(day: date, now: datetime) -> float:
    """Answer how old the middle of a day is, in seconds; of today, the middle of what is over of it."""
    since_begin = max(0.0, (now - datetime.combine(day, time(), UTC)).total_seconds())
    return since_begin / 2 if since_begin < DAY else since_begin - DAY / 2
