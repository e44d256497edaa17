"""What Harvesters say of themselves, their workers and machines; a list is taken entry by entry where they ask so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from pilot.contract.codec import INTEGER, TEXT, ContractError, Dialect, decode, read, read_json, says_something, shown
from server.harvester.logic.commands import ask_for_missing
from server.harvester.logic.fitting import fitting, name_of, one_line, plain, refuse_many
from server.harvester.models import Dialog, Harvester, HarvesterWorker, ServiceMetric, WorkerCount, WorkerJob
from server.harvester.values import MOMENT, WorkerLine

_LEVELS = ("INFO", "WARNING", "ERROR")
#: Jobs of one worker that are kept of one call, and the highest number that a column holds.
_MOST_JOBS, _HIGHEST = 1000, 2**63 - 1


def beat(harvester: str, said: Mapping[str, Any] | None, *, now: datetime) -> None:
    """Note that a Harvester lives, and what it says of itself, if it does."""
    more = {"said": plain(said)} if said else {}
    Harvester.objects.update_or_create(name=name_of(harvester), defaults={"heartbeat_at": now, **more})


def workers_said(harvester: str, entries: Sequence[Mapping[str, Any]], *, now: datetime) -> list[bool]:
    """Keep what a Harvester says of its workers; answer for each whether it was understood."""
    refuse_many(entries, "workers")
    name = name_of(harvester)
    return [_worker_said(name, entry, now) for entry in entries]


def _worker_said(harvester: str, entry: Mapping[str, Any], now: datetime) -> bool:
    try:
        line = decode(WorkerLine, entry, Dialect.LEGACY)
        line = dataclasses.replace(line, words=one_line(line.words), log=one_line(line.log))
        said = {
            spec.name: fitting(getattr(line, spec.name), HarvesterWorker._meta.get_field(spec.name), spec.name)
            for spec in dataclasses.fields(line)
        }
    except ContractError:
        return False
    number = said.pop("worker_id")
    HarvesterWorker.objects.update_or_create(
        harvester=harvester, worker_id=number, defaults={**said, "updated_at": now}
    )
    took_jobs(harvester, number, _jobs_in(entry.get("pandaid_list")), now=now)
    return True


def _jobs_in(said: Any) -> list[int]:
    """Answer the numbers of jobs in what a Harvester says of a worker; anything else there is passed over."""
    listed = said if isinstance(said, list) else []
    return [number for number in listed[:_MOST_JOBS] if type(number) is int and 0 < number <= _HIGHEST]


def took_jobs(harvester: str, worker_id: int, jobs: Sequence[int], *, now: datetime) -> None:
    """Note that a worker has had these jobs; what is said again is kept once, and who cannot be a worker has none."""
    if jobs and len(harvester) <= 50 and 0 <= worker_id <= _HIGHEST:
        rows = [WorkerJob(harvester=harvester, worker_id=worker_id, job=job, said_at=now) for job in jobs]
        WorkerJob.objects.bulk_create(rows, ignore_conflicts=True)


@transaction.atomic
def workers_counted(harvester: str, queue: str, statistics: str, *, now: datetime) -> None:
    """Keep how many workers a Harvester has at a queue, in place of what it had counted before.

    Args:
        harvester: Its name.
        queue: The queue.
        statistics: JSON: kind of jobs -> resource type -> state -> number.
        now: The time.
    """
    whose = {"harvester": name_of(harvester), "queue": fitting(queue, WorkerCount._meta.get_field("queue"), "queue")}
    rows = [
        WorkerCount(**whose, job_type=kind, resource_type=resource, state=state, count=count, counted_at=now)
        for kind, resource, state, count in _counts(statistics)
    ]
    WorkerCount.objects.filter(**whose).delete()
    WorkerCount.objects.bulk_create(rows)
    ask_for_missing(whose["harvester"], whose["queue"], now)


def _counts(statistics: str) -> Iterable[tuple[str, str, str, int]]:
    try:
        found = read_json(statistics)
        levels = [
            (kind, resource, state, number)
            for kind, resources in found.items()
            for resource, states in resources.items()
            for state, number in states.items()
        ]
    except (ValueError, AttributeError) as wrong:
        text = "statistics: JSON of kind -> resource type -> state -> number is expected"
        raise ContractError(text, field_name="statistics") from wrong
    refuse_many(levels, "statistics")
    for kind, resource, state, number in levels:
        for value, column in ((kind, "job_type"), (resource, "resource_type"), (state, "state")):
            fitting(value, WorkerCount._meta.get_field(column), "statistics")
        yield kind, resource, state, read(number, INTEGER, f"statistics: {state}")


def dialogs_said(harvester: str, entries: Sequence[Mapping[str, Any]], *, now: datetime) -> None:
    """Keep messages of a Harvester's to people; one that is said again is kept once."""
    refuse_many(entries, "dialogs")
    name = name_of(harvester)
    rows = []
    for at, entry in enumerate(entries):
        where = f"dialogs[{at}]"
        texts = {key: _text(entry.get(key), f"{where}.{key}") for key in ("moduleName", "identifier", "diagMessage")}
        level = _text(entry.get("messageLevel"), f"{where}.messageLevel").upper()
        rows.append(
            Dialog(
                harvester=name,
                number=read(entry.get("diagID"), INTEGER, f"{where}.diagID"),
                module=one_line(texts["moduleName"])[:100],
                identifier=one_line(texts["identifier"])[:100],
                level=level if level in _LEVELS else "",
                words=one_line(texts["diagMessage"]),
                said_at=_moment(entry.get("creationTime"), f"{where}.creationTime", now),
            )
        )
    Dialog.objects.bulk_create(rows, ignore_conflicts=True)


def _text(raw: Any, name: str) -> str:
    return str(read(raw, TEXT, name)) if says_something(raw) else ""


def _moment(raw: Any, name: str, otherwise: datetime) -> datetime:
    found: datetime = read(raw, MOMENT, name) if says_something(raw) else otherwise
    return found


def metrics_said(harvester: str, entries: Sequence[Any], *, now: datetime) -> None:
    """Keep figures of the machines on which a Harvester runs: a list of [time, host, figures]."""
    refuse_many(entries, "metrics")
    name = name_of(harvester)
    rows = []
    for at, entry in enumerate(entries):
        if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[2], Mapping):
            text = f"metrics[{at}]: {shown(entry)} is not [time, host, figures]"
            raise ContractError(text, field_name="metrics")
        moment, host, figures = entry
        host = fitting(_text(host, f"metrics[{at}]"), ServiceMetric._meta.get_field("host"), f"metrics[{at}]")
        at_time = _moment(moment, f"metrics[{at}]", now)
        rows.append(ServiceMetric(harvester=name, host=host, measured_at=at_time, figures=plain(figures)))
    ServiceMetric.objects.bulk_create(rows)
