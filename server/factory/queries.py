"""Reading the factory: what it last decided for each queue and why, its systems, and what its pilots cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from server.factory.models import FactoryConfirmation, FactoryCycle, FactoryQueue, FactorySystem, FactorySystemState
from server.factory.readings import USES
from server.factory.record import SAME_WISH, last_cycles
from server.factory.replay import present_limits, replay
from server.factory.systems import LOCAL
from server.pilots import fleet
from server.pilots.fleet import Fleet
from server.pilots.queries import Use

#: Cycles that are told of one queue.
LATEST = 20
#: Queues that one page shows.
MOST_QUEUES = 500


@dataclass(frozen=True)
class Decision:
    """The last decision for a queue: how many pilots, and the rule that had the last word on it."""

    queue: str
    enabled: bool
    at: datetime | None
    number: int
    reason: str


def decisions() -> list[Decision]:
    """Answer the last decision for each queue of the factory."""
    last = last_cycles()
    return [_decision(row, last.get(row.queue)) for row in FactoryQueue.objects.all()]


def _decision(row: FactoryQueue, last: FactoryCycle | None) -> Decision:
    if last is None:
        return Decision(row.queue, row.enabled, None, 0, "no cycle yet")
    return Decision(row.queue, row.enabled, last.latest, last.number, last.words or reason_of(last.trace))


def reason_of(trace: list[dict[str, Any]]) -> str:
    """Answer the reason of the rule that brought the number to what it is: the last one that changed it."""
    reason, before = "", None
    for step in trace:
        if step["number"] != before:
            reason = str(step["reason"])
        before = step["number"]
    return reason


@dataclass(frozen=True)
class QueueLine:
    """A queue of the factory: what was decided, how many pilots it has, and what pilots without jobs have cost."""

    queue: str
    enabled: bool
    batch_system: str
    decision: Decision
    fleet: Fleet
    slots: int
    use: Use  # since yesterday
    change: int  # that waits for a confirmation

    @property
    def jobless_percent(self) -> int | None:
        """Answer how many of the pilots since yesterday had no job; none when none ended."""
        return round(100 * self.use.jobless / self.use.pilots) if self.use.pilots else None

    @property
    def idle_hours(self) -> float:
        """Answer the hours that its pilots ran without a job."""
        return (self.use.wall_seconds - self.use.busy_seconds) / 3600

    def as_json(self) -> dict[str, Any]:
        last = self.decision
        at = None if last.at is None else last.at.isoformat()
        return {
            **{"queue": self.queue, "enabled": self.enabled, "batch_system": self.batch_system, "slots": self.slots},
            "decision": {"at": at, "number": last.number, "reason": last.reason},
            "pilots": asdict(self.fleet),
            "cost": {
                **{"ended": self.use.pilots, "jobless": self.use.jobless},
                **{"jobless_percent": self.jobless_percent, "idle_hours": round(self.idle_hours, 2)},
            },
            "change_to_confirm": self.change,
        }


@dataclass(frozen=True)
class SystemLine:
    """A batch system: how it answered last, and the pilots that it has."""

    name: str
    kind: str
    enabled: bool
    queues: int
    pilots: int
    max_pilots: int | None
    state: FactorySystemState | None

    @property
    def health(self) -> str:
        """Answer one word: well, silent, off or new."""
        if not self.enabled:
            return "off"
        if self.state is None:
            return "new"
        return "silent" if self.state.words else "well"

    def as_json(self) -> dict[str, Any]:
        state = self.state
        said = {
            "answered_at": state.answered_at.isoformat() if state and state.answered_at else None,
            "seconds": state.seconds if state else None,
            "words": state.words if state else "",
        }
        values = {"name": self.name, "kind": self.kind, "enabled": self.enabled, "health": self.health}
        return {**values, "queues": self.queues, "pilots": self.pilots, "max_pilots": self.max_pilots, **said}


@dataclass(frozen=True)
class Overview:
    """The whole factory: its systems, and its queues, those first that somebody has to look at."""

    systems: list[SystemLine]
    queues: list[QueueLine]

    def as_json(self) -> dict[str, Any]:
        return {"systems": [one.as_json() for one in self.systems], "queues": [one.as_json() for one in self.queues]}


def overview(queue: str = "") -> Overview:
    """Answer the factory in a number of statements that does not depend on how large it is; or one queue of it."""
    rows = list(FactoryQueue.objects.filter(pk=queue) if queue else FactoryQueue.objects.all())
    last, uses, wanted = last_cycles([queue] if queue else None), USES.of(None), _wanted_changes()
    found = fleet.fleets(started_after=timezone.now())
    lines = [
        QueueLine(
            *(row.queue, row.enabled, row.batch_system),
            decision=_decision(row, last.get(row.queue)),
            fleet=found.queues.get(row.queue, Fleet()),
            slots=row.slots,
            use=uses.get(row.queue, Use()),
            change=wanted.get(row.queue, 0),
        )
        for row in rows
    ]
    return Overview(_systems(rows, found.systems), sorted(lines, key=lambda line: (not line.change, line.queue)))


def _wanted_changes() -> dict[str, int]:
    recent = timezone.now() - timedelta(seconds=SAME_WISH)
    rows = FactoryConfirmation.objects.filter(done_at=None, confirmed_at=None, latest__gt=recent).order_by("pk")
    return dict(rows.values_list("queue_id", "change"))


def _systems(rows: Iterable[FactoryQueue], pilots: dict[str, int]) -> list[SystemLine]:
    states = {state.name: state for state in FactorySystemState.objects.all()}
    described = {row.name: row for row in FactorySystem.objects.all()}
    named = [row.batch_system for row in rows]
    names = sorted({*described, *named, *pilots})
    return [
        SystemLine(
            name,
            kind=described[name].kind if name in described else LOCAL if name == LOCAL else "not there",
            enabled=described[name].enabled if name in described else True,
            queues=named.count(name),
            pilots=pilots.get(name, 0),
            max_pilots=described[name].max_pilots if name in described else None,
            state=states.get(name),
        )
        for name in names
    ]


def explain(queue: str) -> dict[str, Any]:
    """Answer the last decision for a queue, rule by rule, with what was known, and the decisions before it.

    Raises:
        LookupError: the factory has no such queue.
    """
    row = _row(queue)
    lines = overview(queue).queues
    cycles = list(FactoryCycle.objects.filter(queue=row).order_by("-pk")[:LATEST])
    return {
        **lines[0].as_json(),
        "limits": asdict(present_limits(row)),
        "facts": cycles[0].facts if cycles else {},
        "trace": cycles[0].trace if cycles else [],
        "cycles": [_cycle_json(one) for one in cycles],
    }


def _cycle_json(one: FactoryCycle) -> dict[str, Any]:
    times = {"began": one.began.isoformat(), "latest": one.latest.isoformat(), "times": one.times}
    counts = {name: getattr(one, name) for name in ("activated", "waiting", "running", "number")}
    done = {"submitted": one.submitted, "cancelled": one.cancelled}
    return {"cycle": one.pk, **times, **counts, **done, "reason": one.words or reason_of(one.trace)}


def replayed(queue: str, settings: Iterable[str], cycle: int | None = None) -> dict[str, Any]:
    """Answer what the rules say of the facts of a queue's last cycle, or of another, by other settings.

    Raises:
        LookupError: the factory has no such queue, or the queue no such cycle.
        ContractError: a setting is not there, or its value is of the wrong kind.
    """
    row = _row(queue)
    cycles = FactoryCycle.objects.filter(queue=row).exclude(facts={})
    one = (cycles.filter(pk=cycle) if cycle is not None else cycles.order_by("-pk")).first()
    if one is None:
        raise LookupError(f"{queue} has no such cycle whose facts were kept; wait for the next one")
    return replay(one, row, settings)


def _row(queue: str) -> FactoryQueue:
    row = FactoryQueue.objects.select_related("allocation").filter(pk=queue).first()
    if row is None:
        raise LookupError(f"queue: the factory has no queue {queue!r}; 'compass factory show' lists them")
    return row
