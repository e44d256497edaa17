"""What differs for COMPASS: how its programs fail, end well and count events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from pilot.contract.job import JobSpec
from pilot.hookspecs import hookimpl
from pilot.job import PayloadOutcome, Problem
from pilot.user.compass import diagnosis, events


@hookimpl
def diagnose_payload(spec: JobSpec, outcome: PayloadOutcome) -> Optional[Problem]:
    """Read the output for what COMPASS's programs say when they fail, also where they end with status 0."""
    return diagnosis.diagnose(spec, outcome)


@hookimpl
def job_metrics(spec: JobSpec, outcome: PayloadOutcome) -> Mapping[str, int]:
    """Count events: what the program says it wrote; the last such line counts."""
    count = events.written(outcome.stdout)
    return {} if count is None else {"nEvents": count}


@hookimpl
def payload_progress(spec: JobSpec, stdout: Path) -> Optional[tuple[int, Optional[int]]]:
    """Say how many events are done, and of how many, from the end of the output."""
    return events.progress(stdout)
