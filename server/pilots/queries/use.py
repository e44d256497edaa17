"""What pilots cost, by day and by node: reads the sums, not the pilots."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.db.models import F, QuerySet, Sum

from server.pilots.models import PilotUse
from server.pilots.sums import COLUMNS

#: A node is suspect when so many pilots ended there, and more than this share of them badly.
FEW, MANY = 5, 0.5


@dataclass(frozen=True)
class Use:
    """Pilots that ended: how many and how, the seconds that they ran, and those of these in which they had a job."""

    pilots: int = 0
    jobless: int = 0
    failed: int = 0
    quick: int = 0
    lost: int = 0
    jobs: int = 0
    jobs_failed: int = 0
    wall_seconds: int = 0
    busy_seconds: int = 0

    @property
    def efficiency(self) -> float | None:
        """The share of the pilots' time in which they had a job; none when they had no time."""
        return self.busy_seconds / self.wall_seconds if self.wall_seconds else None

    @property
    def percent(self) -> int | None:
        return None if self.efficiency is None else round(100 * self.efficiency)

    @property
    def is_suspect(self) -> bool:
        """Say whether so much went wrong that jobs should not be sent there: a black hole eats pilots, or jobs."""
        if self.pilots < FEW:
            return False
        eats_jobs = self.jobs >= FEW and self.jobs_failed > MANY * self.jobs
        return eats_jobs or self.failed + self.lost > MANY * self.pilots

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "efficiency": None if self.efficiency is None else round(self.efficiency, 4)}


@dataclass(frozen=True)
class NodeUse:
    """What pilots of a queue did on a node."""

    node: str
    queue: str
    use: Use

    def as_json(self) -> dict[str, Any]:
        return {"node": self.node, "queue": self.queue, **self.use.as_json(), "suspect": self.use.is_suspect}


def use_by_day(queue: str, *, first: date) -> list[tuple[date, Use]]:
    """Answer what pilots of a queue cost on each day since the first, latest first."""
    return [(row.pop("day"), Use(**row)) for row in _sums(PilotUse.objects.filter(queue=queue, day__gte=first), "day")]


def use_by_queue(*, first: date) -> dict[str, Use]:
    """Answer what pilots of each queue cost since a day."""
    return {row.pop("queue"): Use(**row) for row in _sums(PilotUse.objects.filter(day__gte=first), "queue")}


def _sums(rows: QuerySet[PilotUse], *names: str) -> list[dict[str, Any]]:
    totals = {f"sum_{name}": Sum(name) for name in COLUMNS}
    found = rows.order_by(*(f"-{name}" for name in names)).values(*names).annotate(**totals)
    return [{name.removeprefix("sum_"): value for name, value in row.items()} for row in found]


def use_by_node(*, first: date, queue: str = "", most: int = 200) -> list[NodeUse]:
    """Answer the nodes where pilots ended since a day, those first where most went wrong."""
    rows = PilotUse.objects.filter(day__gte=first).exclude(node="")
    rows = rows.filter(queue=queue) if queue else rows
    totals = {f"sum_{name}": Sum(name) for name in COLUMNS}
    bad = F("sum_failed") + F("sum_lost") + F("sum_jobs_failed")
    found: QuerySet[Any, Any] = rows.order_by().values("node", "queue").annotate(**totals).annotate(bad=bad)
    worst: Any = found.order_by("-bad", "node", "queue")[:most]
    lines = [NodeUse(row["node"], row["queue"], Use(**{name: row[f"sum_{name}"] for name in COLUMNS})) for row in worst]
    return sorted(lines, key=lambda line: not line.use.is_suspect)
