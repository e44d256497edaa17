"""Every number that steers the production steps, with COMPASS's own value as its default.

``PRODUCTION = {"merge_target": 2_000_000_000}`` in the Django settings changes one; an unknown name is refused. A type
of task, a site and a task may have their own, as far as `SCOPES` lets them; the most specific one holds
(`server.production.task_limits`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from pilot.contract.codec import shown

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
    log_target: int = 4 * GB
    """Largest sum of logs in a packed file wanted."""
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
    prestage_runs: int = 5
    """Runs of a task whose files are asked for on tape in one cycle."""
    prestage_lifetime: int = 604_800
    """Seconds that a file from tape is kept on disk for its chunk; one that has no job by then is asked for anew."""
    prestage_attempts: int = 3
    """Requests for a file that do not bring it, before a person looks."""
    prestage_delay: int = 3600
    """Seconds before a second request for a file; doubled with each further one, up to a day."""
    staged_cap: int = 30_000
    """Chunks that come from tape, or wait on disk for their jobs, in the whole system."""
    staged_per_storage: int = 30_000
    """The same at one storage."""
    archive_files: int = 50
    """Most files of one task that are asked for on tape in one cycle."""
    archive_attempts: int = 5
    """Requests for a file on tape; each has the data service's own tries."""
    archive_delay: int = 600
    """Seconds before a second request for a file on tape; doubled with each further one, up to a day."""
    clean_files: int = 1000
    """Most files of one task that are asked to be removed in one cycle."""
    clean_attempts: int = 5
    """Requests to remove a file; each has the data service's own tries."""
    clean_delay: int = 3600
    """Seconds before a second request to remove a file; doubled with each further one, up to a day."""


#: Who may have a limit of its own: the steps look there for each of these, and for no other.
SCOPES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            *("merge_target", "histogram_target", "dump_target", "log_target", "merge_refusal", "merge_files"),
            *("jobs_per_task", "retry_delay", "counted_per_task", "probe_jobs", "failing_jobs", "failing_probes"),
            *("failure_percent", "results_needed", "result_window", "latest_results"),
            *("archive_files", "archive_attempts", "archive_delay"),
            *("clean_files", "clean_attempts", "clean_delay"),
            *("prestage_runs", "prestage_lifetime", "prestage_attempts", "prestage_delay"),
        ),
        frozenset({"type", "site", "task"}),
    ),
    # A task has these in fields of its own; they are filled in when it is defined.
    **dict.fromkeys(
        ("processing_priority", "filtering_priority", "merging_priority", "max_attempts", "chunks_per_task"),
        frozenset({"type", "site"}),
    ),
    **dict.fromkeys(("user_task_jobs", "user_task_files"), frozenset({"type", "site"})),
    **dict.fromkeys(("queued_per_queue", "queue_floor", "queue_fill"), frozenset({"site"})),
}
_FIELDS = {
    "processing_priority": "priority",
    "filtering_priority": "priority",
    "merging_priority": "merging_priority",
    "max_attempts": "max_attempts",
}
#: Smaller ones are slips: days for seconds would have tapes asked for the same files each minute.
_LEAST = {"retry_delay": 0, "prestage_lifetime": 3600}
#: Larger ones are slips: seconds of three centuries; ten terabytes.
LARGEST, MOST_BYTES = 10**10, 10**13
#: What becomes a task's field has that one's bound.
_MOST = {**dict.fromkeys(_FIELDS, 10_000), "max_attempts": 100}


def slip_of(name: str, value: Any) -> str:
    """Say why this is no limit, or cannot be its value; "" when it can."""
    known = [field.name for field in fields(Limits)]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        return f"is not a limit of the production; {hint}"
    most = _MOST.get(name, MOST_BYTES if name.endswith(("_target", "_refusal")) else LARGEST)
    least = _LEAST.get(name, 1)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        return f"{shown(value)}: give a whole number from {least} to {most}"
    return ""


def read_own(said: Any, scope: str) -> dict[str, int]:
    """Read the limits that a type, a site or a task has itself.

    Args:
        said: By the names of `Limits`.
        scope: ``type``, ``site`` or ``task``.

    Raises:
        ValueError: it is no object, or a name or a value in it cannot be; the text says what can.
    """
    if not isinstance(said, Mapping):
        raise ValueError(f'{shown(said)} is no object; give limits by their names, such as {{"jobs_per_task": 200}}')
    for name, value in said.items():
        if slip := slip_of(str(name), value):
            raise ValueError(f"{shown(name)} {slip}")
        if scope not in SCOPES.get(name, ()):
            raise ValueError(f"{name!r} is not for a {scope}: {_remedy(name, scope)}")
    return dict(said)


def _remedy(name: str, scope: str) -> str:
    if scope == "task" and name in _FIELDS:
        return f"give the field {_FIELDS[name]}"
    places = [one for one in ("type", "site") if one in SCOPES.get(name, ())]
    return f"a {' or a '.join(places)} may have it" if places else "it is the whole system's; set it in PRODUCTION"


def limits() -> Limits:
    """Read the limits from the settings.

    Raises:
        ImproperlyConfigured: a name is unknown, or a value is not a positive whole number.
    """
    chosen = getattr(settings, "PRODUCTION", {})
    for name, value in chosen.items():
        if slip := slip_of(name, value):
            raise ImproperlyConfigured(f"PRODUCTION[{name!r}] {slip}")
    return Limits(**chosen)
