"""What the desk's first page shows, gathered from the other apps' queries: only what this person may look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pilot.contract.states import JobState
from server.credentials import queries as credentials
from server.credentials.queries import WELL
from server.incidents import queries as incidents
from server.pandaconfig import queries as pandaconfig
from server.pilots import queries as pilots
from server.services import queries as services
from server.taskbuffer import queries as taskbuffer

#: How a service may do, what matters most first; the first two are for somebody to look at.
HEALTH = ("late", "failing", "new", "running", "well", "off")
ILL = frozenset(HEALTH[:2])
#: Statuses that are shown even when no queue has them, and those after which nobody has to look.
STATUSES = ("online", "test", "offline", "brokeroff")
FINE = frozenset({"online"})
#: States of jobs that are shown even when there are none.
ALWAYS = (JobState.ACTIVATED, JobState.RUNNING, JobState.FINISHED, JobState.FAILED)
#: So many lines of queues or credentials; the list itself has the others.
MOST = 12


@dataclass(frozen=True)
class Service:
    """A periodic service: ``health`` is a word of ``HEALTH``."""

    name: str
    what: str
    health: str
    line: services.ServiceLine

    @property
    def may_run(self) -> bool:
        """Whether asking for a run now makes sense."""
        return self.health != "running"


@dataclass(frozen=True)
class Services:
    """How many services do how, those that somebody has to look at, and the others."""

    counts: list[tuple[str, int]]
    looked_at: list[Service]
    others: list[Service]

    def __bool__(self) -> bool:
        return bool(self.counts)


@dataclass(frozen=True)
class Queues:
    """How many queues have which status, and those that are not online."""

    counts: list[tuple[str, int]]
    waiting: int
    others: list[tuple[str, str, str]]
    more: int


@dataclass(frozen=True)
class Credential:
    """How a credential stands; ``left`` is the time until it ends, empty when it does not."""

    name: str
    standing: str
    well: bool
    left: str


@dataclass(frozen=True)
class Counts:
    """How many there are in each state, and all together."""

    states: list[tuple[str, int]]

    @property
    def total(self) -> int:
        return sum(number for _, number in self.states)


def dashboard(may: Callable[[str], bool], now: datetime) -> dict[str, Any]:
    """Gather the page, in a number of queries that does not depend on how much there is.

    Args:
        may: Says whether somebody has a permission (``app.view_table``).
        now: The time of the page.

    Returns:
        One entry for each part that may be looked at.
    """
    parts: dict[str, tuple[str, Callable[[], Any]]] = {
        "services": ("services.view_service", lambda: service_states(services.overview(now))),
        "queues": ("pandaconfig.view_schedconfig", _queues),
        "credentials": ("credentials.view_credential", lambda: credential_lines(now)),
        "pilots": ("pilots.view_pilot", lambda: pilot_counts(pilots.counts_by_queue())),
        "jobs": ("taskbuffer.view_job", lambda: job_counts(taskbuffer.latest_by_state())),
        "incidents": ("incidents.view_incident", lambda: incidents.last_hour(now)),
    }
    return {name: read() for name, (permission, read) in parts.items() if may(permission)}


def service_states(lines: Iterable[services.ServiceLine]) -> Services:
    """Count the services by how they do; those that are late or fail come by themselves."""
    shown = [Service(line.name, line.what, health(line), line) for line in lines]
    ordered = sorted(shown, key=lambda one: (HEALTH.index(one.health), one.name))
    counts = Counter(one.health for one in shown)
    return Services(
        counts=[(word, counts[word]) for word in HEALTH if counts[word]],
        looked_at=[one for one in ordered if one.health in ILL],
        others=[one for one in ordered if one.health not in ILL],
    )


def health(line: services.ServiceLine) -> str:
    """Say in one word how a service does."""
    if not line.enabled:
        return "off"
    if line.late_since is not None:
        return "late"
    if line.running:
        return "running"
    if line.failures:
        return "failing"
    return "new" if line.last_run is None else "well"


def queue_states(statuses: Mapping[str, str], waiting: Mapping[str, int], holds: Mapping[str, str]) -> Queues:
    """Count the queues by status; name those that are not online, in the order of their names, with until when."""
    counts = Counter(statuses.values())
    shown = [*STATUSES, *sorted(set(counts) - set(STATUSES))]
    others = sorted((name, status, holds.get(name, "")) for name, status in statuses.items() if status not in FINE)
    return Queues(
        counts=[(status, counts[status]) for status in shown] if statuses else [],
        waiting=sum(waiting.values()),
        others=others[:MOST],
        more=max(0, len(others) - MOST),
    )


def _queues() -> Queues:
    return queue_states(pandaconfig.statuses(), taskbuffer.ready_by_queue(), pandaconfig.holds())


def credential_lines(now: datetime) -> list[Credential]:
    """Answer the credentials: first those that are not well, then those that end first."""
    found = credentials.standings(now).items()
    ordered = sorted(found, key=lambda one: (one[1][0] in WELL, one[1][1] is None, one[1][1] or 0.0, one[0]))
    return [
        Credential(name, standing.value, standing in WELL, "" if left is None else lasting(left))
        for name, (standing, left) in ordered[:MOST]
    ]


def lasting(seconds: float) -> str:
    """Say a time in its largest unit; none is left of what has passed."""
    time = timedelta(seconds=seconds)
    for length, unit in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if time >= length:
            return f"{time // length} {unit}"
    return "less than a minute" if seconds > 0 else ""


def pilot_counts(counts: Mapping[tuple[str, str], int]) -> Counts:
    """Count the living pilots by state; a state without any is left out."""
    states: Counter[str] = Counter()
    for (_, state), number in counts.items():
        states[state] += number
    return Counts(sorted(states.items()))


def job_counts(counts: Mapping[str, int]) -> Counts:
    """Order the states as a job's life does; those without jobs are left out, unless they are always shown."""
    return Counts([
        (state.value, counts.get(state.value, 0)) for state in JobState if counts.get(state.value) or state in ALWAYS
    ])  # fmt: skip
