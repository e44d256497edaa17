"""What was measured: medians with their spread, printed as a table and written as JSON with the machine they are of."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """All readings of one thing, in ``unit``."""

    name: str
    unit: str
    readings: tuple[float, ...]
    goal: float | None = None  # at most so much
    least: float | None = None  # at least so much

    @property
    def median(self) -> float:
        return statistics.median(self.readings)

    @property
    def verdict(self) -> str:
        """Say whether the goal is met; nothing without one."""
        if self.goal is not None:
            return f"{'met' if self.median <= self.goal else 'MISSED'} (at most {self.goal:g})"
        if self.least is not None:
            return f"{'met' if self.median >= self.least else 'MISSED'} (at least {self.least:g})"
        return ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "median": self.median,
            "min": min(self.readings),
            "max": max(self.readings),
            "runs": len(self.readings),
            **({} if self.goal is None else {"goal_at_most": self.goal}),
            **({} if self.least is None else {"goal_at_least": self.least}),
        }


def table(figures: Sequence[Figure]) -> str:
    """Write a line per figure."""
    wide = max(len(figure.name) for figure in figures)
    lines = [f"{'':{wide}}  {'median':>8} {'min':>8} {'max':>8}  runs  goal"]
    for figure in figures:
        shown = " ".join(
            f"{value:8.{_digits(figure)}f}" for value in (figure.median, min(figure.readings), max(figure.readings))
        )
        tail = f"{len(figure.readings):4d}  {figure.verdict}".rstrip()
        lines.append(f"{figure.name:{wide}}  {shown}  {tail}  [{figure.unit}]")
    return "\n".join(lines)


def _digits(figure: Figure) -> int:
    return 3 if figure.median < 10 else 1 if figure.median < 1000 else 0


def machine() -> dict[str, Any]:
    """Say what the figures are of; the load is the mean number of runnable processes of the last minute."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def write_json(path: Path, begun: Mapping[str, Any], figures: Sequence[Figure]) -> None:
    """Write everything to a file; ``begun`` is the machine as it was at the start."""
    content = {
        "begun": dict(begun),
        "ended": machine(),
        "figures": {figure.name: figure.as_dict() for figure in figures},
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
