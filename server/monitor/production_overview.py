"""The production manager's first page: are the services alive, what moved, what is stuck and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from pilot.contract.codec import ContractError
from server.credentials import queries as credentials
from server.lib.http import envelope
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.asked import Asked, refused
from server.monitor.overview import QueueLine, ServiceLine, queue_lines, service_line
from server.monitor.paging import page
from server.production import queries as production
from server.production.queries import tape
from server.services import queries as services

#: The services that productions live on begin so.
OURS = ("production.", "dataservice.", "factory.")


@dataclass(frozen=True)
class Health:
    """A service with when it runs next."""

    line: ServiceLine
    next_run: datetime | None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self.line), "next_run": self.next_run.isoformat() if self.next_run else None}


@dataclass(frozen=True)
class Depth:
    """A queue with what waits there, beside how many jobs productions put there at most."""

    line: QueueLine
    most: int

    @property
    def full(self) -> bool:
        return self.line.waiting >= self.most

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self.line), "most": self.most}


@dataclass(frozen=True)
class Ending:
    """A credential: how it stands, and how many seconds it has left; none: it does not end."""

    name: str
    standing: str
    left: float | None
    well: bool


@readable
@require_safe
def show_production(request: HttpRequest) -> HttpResponse:
    """Show how the production's services do, what moved in the last hour and day, and what is stuck, by cause."""
    try:
        Asked(request)
    except ContractError as wrong:
        return refused(request, wrong)
    now = timezone.now()
    found = production.productions(now)
    health = [
        Health(service_line(one, now), one.next_run) for one in services.overview(now) if one.name.startswith(OURS)
    ]
    bands, lines = tape.tape_page(now).bands, queue_lines()
    caps = production.caps_of([line.name for line in lines])
    queues = [Depth(line, caps[line.name]) for line in lines]
    ends = [
        Ending(name, how.value, left, how in credentials.WELL)
        for name, (how, left) in sorted(credentials.standings(now).items())
    ]
    if wants_json(request):
        told: dict[str, Any] = {"tape": [{"age": words, "requests": count} for words, count in bands]}
        told |= {"queues": [one.as_json() for one in queues], "credentials": [asdict(one) for one in ends]}
        return envelope({**found.as_json(), **told, "services": [one.as_json() for one in health]})
    bad = [one for one in health if one.line.health in ("late", "failing", "off")]
    context: dict[str, Any] = {"page": "production", "found": found, "health": health, "bad": bad, "now": now}
    context |= {"tape": [band for band in bands if band[1]], "queues": queues, "credentials": ends}
    return page(request, "production", context)
