"""What the database says, as Prometheus reads it: queues, jobs, pilots and services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from server.credentials import queries as credentials
from server.credentials.standing import WELL
from server.lib.remembered import Remembered
from server.pilots import queries as pilots
from server.services import queries as services
from server.taskbuffer import queries as taskbuffer

Counts = Mapping[Any, float]  # by as many words as there are labels


class Figures(Collector):
    """Each figure as it stands in the database, read when asked."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        queued = {(queue,): n for queue, n in taskbuffer.ready_by_queue().items()}
        yield _gauge("jobs_queued", "Jobs that stand in their queue.", ["queue"], queued)
        yield _gauge("jobs_live", "Jobs that pilots have.", ["queue", "state"], taskbuffer.live_by_queue())
        latest = {(state,): n for state, n in taskbuffer.latest_by_state().items()}
        yield _gauge("jobs_latest", "The ten thousand latest jobs.", ["state"], latest)
        yield _gauge("pilots", "Pilots in the batch systems.", ["queue", "state"], pilots.counts_by_queue())
        now = timezone.now()
        lines = services.overview(now)
        yield from _cost_of_pilots(pilots.use_by_queue(first=now.date()))
        ages = {(line.name,): (now - line.last_run).total_seconds() for line in lines if line.last_run is not None}
        yield _gauge("service_age_seconds", "Time since a service last ran.", ["service"], ages)
        failures = {(line.name,): float(line.failures) for line in lines}
        yield _gauge("service_failures", "Times that a service has failed since it was well.", ["service"], failures)
        late = {(line.name,): float(line.late_since is not None) for line in lines}
        yield _gauge("service_late", "1: it should have run, and did not.", ["service"], late)
        stand = credentials.standings(now)
        left = {(name,): seconds for name, (_, seconds) in stand.items() if seconds is not None}
        yield _gauge("credential_seconds_left", "Time until a credential ends.", ["credential"], left)
        ill = {(name,): float(word not in WELL) for name, (word, _) in stand.items()}
        yield _gauge("credential_alarm", "1: it ended, ends soon, or cannot be obtained.", ["credential"], ill)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()


def _cost_of_pilots(today: Mapping[str, pilots.Use]) -> Iterator[GaugeMetricFamily]:
    """Say how pilots ended since midnight by UTC, and how much of their time had a job."""
    kinds = ("pilots", "jobless", "failed", "quick", "lost")
    ended = {(queue, kind): float(getattr(use, kind)) for queue, use in today.items() for kind in kinds}
    words = "Pilots that ended since midnight (UTC): all, and those of them that had no job, failed, were lost."
    yield _gauge("pilots_ended_today", words, ["queue", "kind"], ended)
    times = {"wall": "wall_seconds", "busy": "busy_seconds"}
    seconds = {(queue, kind): float(getattr(use, name)) for queue, use in today.items() for kind, name in times.items()}
    words = "Seconds that these pilots ran (wall), and had a job (busy)."
    yield _gauge("pilot_seconds_today", words, ["queue", "kind"], seconds)


def _gauge(name: str, words: str, labels: list[str], counts: Counts) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"compass_{name}", words, labels=labels)
    for values, number in sorted(counts.items()):
        family.add_metric(values, number)
    return family


def _text(_: str) -> bytes:
    registry = CollectorRegistry()
    registry.register(Figures())
    return generate_latest(registry)


#: Counting a long queue takes a while, and a second server may ask for the same.
FIGURES = Remembered(_text, seconds=15.0)
