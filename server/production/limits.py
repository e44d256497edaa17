"""Every number that steers the production steps, with COMPASS's own value as its default.

``PRODUCTION = {"merge_target": 2_000_000_000}`` in the Django settings changes one; an unknown name is refused.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

GB = 10**9


@dataclass(frozen=True)
class Limits:
    """Sizes are bytes. Sources: the production system's public code and the NEC'2017 paper on it."""

    merge_target: int = 4 * GB
    """Largest merged mDST wanted."""
    histogram_target: int = 4_500_000_000
    """Largest sum of histogram files in a merge."""
    dump_target: int = 2_150_000_000
    """Largest merged event dump wanted."""
    merge_refusal: int = 6 * GB
    """The merging program refuses a larger sum of inputs; such a group goes to a person."""
    merge_files: int = 1000
    """Most files in one merge."""
    jobs_per_task: int = 50
    """Most jobs of one task submitted in one cycle."""
    queued_per_queue: int = 10_000
    """Nothing is submitted to a queue that has so many jobs waiting."""
    max_attempts: int = 5
    """Attempts of a job, the first included, unless the task says otherwise."""
    retry_delay: int = 60
    """Seconds before a second attempt; doubled with each further one, up to a day."""
    processing_priority: int = 2000
    filtering_priority: int = 1000
    """Of DDD filtering."""
    merging_priority: int = 5000
    chunks_per_task: int = 100_000
    """Most chunks that one task may define: they are written, and cancelled, in one transaction."""
    counted_per_task: int = 3000
    """Chunks of a task whose number of events is filled in from the catalogue in one cycle."""
    user_task_jobs: int = 5000
    """Most jobs of a user's task."""
    user_task_files: int = 20_000
    """Most input files of a user's task."""
    events_per_cycle: int = 5000
    """Most job events looked at in one cycle of collecting."""
    probe_jobs: int = 10
    """Jobs of a new task at a time until its first one has finished; PanDA's scouts are as many."""
    failing_jobs: int = 5
    """When so many jobs of a task have failed since the last one that finished, only probes are sent."""
    failing_probes: int = 2
    """Jobs at a time of a task whose last ones have all failed."""
    failure_percent: int = 50
    """When more than so many percent of a task's or a queue's jobs fail, only the part that finishes is sent."""
    results_needed: int = 20
    """Fewer results say nothing about that."""
    result_window: int = 14_400
    """Seconds within which results of a task's jobs count."""
    latest_results: int = 50
    """So many of the latest of them count."""
    queue_floor: int = 200
    """Jobs that may always wait in a queue."""
    queue_fill: int = 3
    """So many jobs for each one that runs, or could, keep a queue busy; more wait with their task."""
    decisions_kept: int = 100
    """Decisions on a task's submission that are kept."""


def limits() -> Limits:
    """Read the limits from the settings.

    Raises:
        ImproperlyConfigured: a name is unknown, or a value is not a positive whole number.
    """
    chosen = getattr(settings, "PRODUCTION", {})
    known = [field.name for field in fields(Limits)]
    for name, value in chosen.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
            raise ImproperlyConfigured(f"PRODUCTION[{name!r}] is not a limit of the production{hint}")
        if not isinstance(value, int) or isinstance(value, bool) or value < (name != "retry_delay"):
            raise ImproperlyConfigured(f"PRODUCTION[{name!r}] = {value!r}: give a whole number above 0")
    return Limits(**chosen)
