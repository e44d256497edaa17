"""What the overview shows, gathered from the other apps' queries; and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pilot.contract.states import JobState
from server.pandaconfig import queries as pandaconfig
from server.pilots import queries as pilots
from server.production import queries as production
from server.services import queries as services
from server.taskbuffer import queries as taskbuffer

if TYPE_CHECKING:
    from server.production.models import TaskEvent

#: States in which jobs are shown even when there are none.
ALWAYS = (JobState.ACTIVATED, JobState.RUNNING, JobState.FINISHED, JobState.FAILED)


@dataclass(frozen=True)
class Tile:
    """A number of jobs in one state."""

    state: str
    count: int


@dataclass(frozen=True)
class QueueLine:
    name: str
    status: str
    waiting: int
    running: int
    pilots: int


@dataclass(frozen=True)
class ServiceLine:
    """A service with one word on its health: well, late, failing, off, or new."""

    name: str
    what: str
    health: str
    said: str
    words: str


@dataclass(frozen=True)
class EventLine:
    """One move, in the words of a page."""

    task: str
    what: str
    after: str
    shown: str
    by: str
    words: str
    job: int | None
    at: datetime


@dataclass(frozen=True)
class Overview:
    now: datetime
    tasks: list[production.TaskLine]
    jobs: list[Tile]
    queues: list[QueueLine]
    services: list[ServiceLine]
    events: list[EventLine]

    def as_json(self) -> dict[str, Any]:
        return {
            "now": self.now.isoformat(),
            "tasks": [line.as_json() for line in self.tasks],
            "jobs": {tile.state: tile.count for tile in self.jobs},
            "queues": [asdict(line) for line in self.queues],
            "pilots": sum(line.pilots for line in self.queues),
            "services": [asdict(line) for line in self.services],
            "events": [{**asdict(line), "at": line.at.isoformat()} for line in self.events],
        }


def overview(now: datetime, *, tasks: int = 20, events: int = 15) -> Overview:
    """Gather everything, in a number of queries that does not depend on how much there is."""
    return Overview(
        now=now,
        tasks=production.recent_tasks(tasks),
        jobs=tiles(taskbuffer.latest_by_state()),
        queues=queue_lines(),
        services=[service_line(line, now) for line in services.overview(now)],
        events=event_lines(production.recent_events(most=events)),
    )


def tiles(counts: Mapping[str, int]) -> list[Tile]:
    """Order states as a job's life does; those without jobs are left out, unless they are always shown."""
    return [
        Tile(state.value, counts.get(state.value, 0))
        for state in JobState
        if counts.get(state.value) or state in ALWAYS
    ]


def queue_lines() -> list[QueueLine]:
    """Answer every queue with what waits and runs there, and its pilots."""
    waiting, live, present = taskbuffer.ready_by_queue(), taskbuffer.live_by_queue(), pilots.counts_by_queue()
    return [
        QueueLine(name, status, waiting.get(name, 0), _of(live, name), _of(present, name))
        for name, status in pandaconfig.statuses().items()
    ]


def _of(counts: Mapping[tuple[str, str], int], queue: str) -> int:
    return sum(number for (name, _), number in counts.items() if name == queue)


def service_line(line: services.ServiceLine, now: datetime) -> ServiceLine:
    """Say how a service does: by its last result, and by whether its worker still runs it."""
    health = _health(line)
    if health == "off":
        said = "switched off"
    else:
        said = "has not run yet" if line.last_run is None else _ago(now - line.last_run)
    return ServiceLine(line.name, line.what, health, said, line.words)


def _health(line: services.ServiceLine) -> str:
    if not line.enabled:
        return "off"
    if line.late_since is not None:
        return "late"
    if line.last_run is None:
        return "new"
    return "failing" if line.failures else "well"


def _ago(time: timedelta) -> str:
    seconds = max(0.0, time.total_seconds())
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def event_lines(events: Iterable[TaskEvent]) -> list[EventLine]:
    return [
        EventLine(
            task=event.task.name,
            what=production.what_moved(event),
            after=event.after,
            shown=event.after.replace("_", " "),
            by=event.by,
            words=event.words,
            job=event.job_id,
            at=event.at,
        )
        for event in events
    ]
