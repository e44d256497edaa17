"""What people may be told of the services."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Max, Q

from server.notify.registry import Notice, event
from server.services import queries
from server.services.models import ServiceRun
from server.services.states import Outcome

#: A service that has failed so often in a row is told of.
FAILURES = 3


@event("service.late", needs="services.view_service")
def service_late(since: datetime, now: datetime) -> Iterator[Notice]:
    """A periodic service should have run, and did not."""
    for line in queries.overview(now):
        if line.late_since is not None and line.next_run is not None:
            due = f"{line.next_run:%Y-%m-%d %H:%M:%S} UTC"
            last = f"{line.last_run:%Y-%m-%d %H:%M:%S} UTC" if line.last_run else "none"
            words = f"{line.what} It was due at {due}. Last run: {last}. {line.words}"
            key = f"{line.name}:{due}"
            yield Notice(key, f"Service {line.name} is late", words, line.late_since, path=_page(line), lasting=True)


@event("service.failing", needs="services.view_service")
def service_failing(since: datetime, now: datetime) -> Iterator[Notice]:
    """A periodic service has failed three times in a row."""
    bad = [line for line in queries.overview(now) if line.enabled and line.failures >= FAILURES]
    well = Q(outcome__in=(Outcome.OK, Outcome.NOTHING))
    runs = ServiceRun.objects.filter(service__in=[line.name for line in bad]).order_by()
    # The last run that was well tells one row of failures from the next.
    last = dict(runs.values_list("service").annotate(last=Max("id", filter=well)))
    for line in bad:
        words = f"{line.failures} times in a row, at last: {line.words}"
        key = f"{line.name}:{last.get(line.name) or 0}"
        began = line.last_run or now
        yield Notice(key, f"Service {line.name} fails", words, began, path=_page(line), lasting=True)


def _page(line: queries.ServiceLine) -> str:
    return f"/admin/services/service/{line.name}/change/"
