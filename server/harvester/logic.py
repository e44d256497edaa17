"""Everything that writes of Harvesters; what does not fit is refused by its name, and nothing of it is kept.

A list is taken entry by entry where Harvester asks for an answer to each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction

from pilot.contract.codec import INTEGER, TEXT, ContractError, Dialect, decode, read, read_json, says_something, shown
from server.harvester.models import (
    Command,
    Dialog,
    Harvester,
    HarvesterWorker,
    ServiceMetric,
    TargetSlots,
    WorkerCount,
)
from server.harvester.values import ENDED, MOMENT, WorkerLine

#: Entries of one call.
MOST = 5000
#: What is over, or only said, is forgotten after that time.
KEPT = timedelta(days=30)
#: Objects and lists within each other, as in a body; a text in it may be JSON that is deeper.
_MOST_LEVELS = 100
#: Rows of one table that a run of the clean-up deletes.
_BATCH = 5000

#: The command by which a Harvester ends workers that it has submitted.
SWEEP = "KILL_WORKERS"
#: The command by which a Harvester submits so many new workers.
SUBMIT = "SET_N_WORKERS_JOBTYPE"
#: A Harvester is told of a queue's missing workers so often at most: it takes time to submit some.
TOLD_EVERY = timedelta(minutes=5)

_LEVELS = ("INFO", "WARNING", "ERROR")


def name_of(harvester: str) -> str:
    """Answer a Harvester's name, if it can be one."""
    return str(_fitting(harvester, Harvester._meta.get_field("name"), "harvester_id"))


def _fitting(value: Any, column: Any, name: str) -> Any:
    """Answer a value that its column takes.

    Raises:
        ContractError: it is too long, or too large.
    """
    most = getattr(column, "max_length", None)
    if most is not None and (len(value) > most or not value.isprintable()):
        text = f"{name}: {shown(value)} is not text of at most {most} characters without control characters"
        raise ContractError(text, field_name=name)
    return value


def beat(harvester: str, said: Mapping[str, Any] | None, *, now: datetime) -> None:
    """Note that a Harvester lives, and what it says of itself, if it does."""
    more = {"said": _plain(said)} if said else {}
    Harvester.objects.update_or_create(name=name_of(harvester), defaults={"heartbeat_at": now, **more})


def _plain(value: Any, levels: int = _MOST_LEVELS) -> Any:
    """Answer JSON that every database keeps: none of them has NUL or half of a surrogate pair in it.

    Raises:
        ContractError: it is nested too deeply.
    """
    if not levels:
        raise ContractError(f"what a Harvester says is nested deeper than {_MOST_LEVELS} levels")
    if isinstance(value, Mapping):
        return {TEXT.read(str(key)): _plain(inner, levels - 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, levels - 1) for inner in value]
    return TEXT.read(value) if isinstance(value, str) else value


def workers_said(harvester: str, entries: Sequence[Mapping[str, Any]], *, now: datetime) -> list[bool]:
    """Keep what a Harvester says of its workers; answer for each whether it was understood."""
    _refuse_many(entries, "workers")
    name = name_of(harvester)
    return [_worker_said(name, entry, now) for entry in entries]


def _refuse_many(entries: Sequence[Any], name: str) -> None:
    if len(entries) > MOST:
        raise ContractError(f"{name}: {len(entries)} entries; at most {MOST} in a call", field_name=name)


def _worker_said(harvester: str, entry: Mapping[str, Any], now: datetime) -> bool:
    try:
        line = decode(WorkerLine, entry, Dialect.LEGACY)
        line = dataclasses.replace(line, words=_one_line(line.words), log=_one_line(line.log))
        said = {
            spec.name: _fitting(getattr(line, spec.name), HarvesterWorker._meta.get_field(spec.name), spec.name)
            for spec in dataclasses.fields(line)
        }
    except ContractError:
        return False
    number = said.pop("worker_id")
    HarvesterWorker.objects.update_or_create(
        harvester=harvester, worker_id=number, defaults={**said, "updated_at": now}
    )
    return True


def _one_line(words: str) -> str:
    return " ".join(words.split())[:500]


@transaction.atomic
def workers_counted(harvester: str, queue: str, statistics: str, *, now: datetime) -> None:
    """Keep how many workers a Harvester has at a queue, in place of what it had counted before.

    Args:
        harvester: Its name.
        queue: The queue.
        statistics: JSON: kind of jobs -> resource type -> state -> number.
        now: The time.
    """
    whose = {"harvester": name_of(harvester), "queue": _fitting(queue, WorkerCount._meta.get_field("queue"), "queue")}
    rows = [
        WorkerCount(**whose, job_type=kind, resource_type=resource, state=state, count=count, counted_at=now)
        for kind, resource, state, count in _counts(statistics)
    ]
    WorkerCount.objects.filter(**whose).delete()
    WorkerCount.objects.bulk_create(rows)
    _ask_for_missing(whose["harvester"], whose["queue"], now)


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
    _refuse_many(levels, "statistics")
    for kind, resource, state, number in levels:
        for value, column in ((kind, "job_type"), (resource, "resource_type"), (state, "state")):
            _fitting(value, WorkerCount._meta.get_field(column), "statistics")
        yield kind, resource, state, read(number, INTEGER, f"statistics: {state}")


@transaction.atomic
def sweep(queue: str, parameters: Mapping[str, Any], *, by: str, now: datetime) -> int:
    """Have the Harvesters that have workers at a queue end those that are meant; answer how many were told."""
    told = sorted(
        {
            *WorkerCount.objects.filter(queue=queue).values_list("harvester", flat=True),
            *HarvesterWorker.objects.filter(queue=queue).exclude(state__in=ENDED).values_list("harvester", flat=True),
        }
    )
    order = {"word": f"{SWEEP}:{queue}"[:200], "parameters": _plain(parameters), "by": by[:80], "created_at": now}
    Command.objects.bulk_create([Command(harvester=harvester, **order) for harvester in told])
    return len(told)


def want_slots(queue: str, resource: str, slots: int, *, until: datetime | None, by: str, now: datetime) -> None:
    """Write down how many workers are wanted at a queue, in the place of what was wanted before; 0 forgets it.

    Raises:
        ContractError: the number is below 0, or a name is too long.
    """
    if not 0 <= slots <= 2**31 - 1:
        raise ContractError(f"slots: {slots} is not from 0 to {2**31 - 1}", field_name="slots")
    where = {
        "queue": _fitting(queue, TargetSlots._meta.get_field("queue"), "panda_queue"),
        "resource_type": _fitting(resource, TargetSlots._meta.get_field("resource_type"), "resource_type"),
    }
    if not slots:
        TargetSlots.objects.filter(**where).delete()
        return
    wanted = {"slots": slots, "until": until, "by": by[:80], "wanted_at": now}
    TargetSlots.objects.update_or_create(**where, defaults=wanted)


def _ask_for_missing(harvester: str, queue: str, now: datetime) -> None:
    """Tell a Harvester that has just counted its workers how many are missing at the queue, if somebody wants more."""
    targets = TargetSlots.objects.filter(models.Q(until=None) | models.Q(until__gt=now), queue=queue)
    missing = {}
    for target in targets:
        kind = target.resource_type or "SCORE"
        living = WorkerCount.objects.filter(queue=queue, resource_type=kind).exclude(state__in=ENDED)
        lacking = target.slots - (living.aggregate(sum=models.Sum("count"))["sum"] or 0)
        if lacking > 0:
            missing[kind] = lacking
    word = f"{SUBMIT}:{queue}"[:200]
    if missing and not Command.objects.filter(word=word, created_at__gt=now - TOLD_EVERY).exists():
        order = {"parameters": {"managed": missing}, "by": "target slots", "created_at": now}
        Command.objects.create(harvester=harvester, word=word, **order)


def _of_queues(rows: models.QuerySet[Command], queues: Collection[str]) -> models.QuerySet[Command]:
    """Select the commands for these queues; none: for all."""
    words = [f"{kind}:{queue}"[:200] for kind in (SWEEP, SUBMIT) for queue in queues]
    return rows.filter(word__in=words) if queues else rows


@transaction.atomic
def give_commands(harvester: str, count: int, *, now: datetime, queues: Collection[str] = ()) -> list[Command]:
    """Answer the next commands for a Harvester, or those for some queues; each is given once."""
    if not 1 <= count <= MOST:
        raise ContractError(f"n_commands: {count} is not between 1 and {MOST}", field_name="n_commands")
    waiting = Command.objects.select_for_update().filter(harvester=name_of(harvester), given_at=None)
    commands = list(_of_queues(waiting, queues).order_by("pk")[:count])
    Command.objects.filter(pk__in=[command.pk for command in commands]).update(given_at=now)
    return commands


def acknowledge(numbers: Sequence[int], *, now: datetime, queues: Collection[str] = ()) -> int:
    """Note that these commands were carried out; answer how many had been waited for."""
    waiting = Command.objects.filter(pk__in=numbers, acknowledged_at=None)
    return _of_queues(waiting, queues).update(acknowledged_at=now)


def dialogs_said(harvester: str, entries: Sequence[Mapping[str, Any]], *, now: datetime) -> None:
    """Keep messages of a Harvester's to people; one that is said again is kept once."""
    _refuse_many(entries, "dialogs")
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
                module=_one_line(texts["moduleName"])[:100],
                identifier=_one_line(texts["identifier"])[:100],
                level=level if level in _LEVELS else "",
                words=_one_line(texts["diagMessage"]),
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
    _refuse_many(entries, "metrics")
    name = name_of(harvester)
    rows = []
    for at, entry in enumerate(entries):
        if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[2], Mapping):
            text = f"metrics[{at}]: {shown(entry)} is not [time, host, figures]"
            raise ContractError(text, field_name="metrics")
        moment, host, figures = entry
        host = _fitting(_text(host, f"metrics[{at}]"), ServiceMetric._meta.get_field("host"), f"metrics[{at}]")
        at_time = _moment(moment, f"metrics[{at}]", now)
        rows.append(ServiceMetric(harvester=name, host=host, measured_at=at_time, figures=_plain(figures)))
    ServiceMetric.objects.bulk_create(rows)


def prune(*, now: datetime) -> int:
    """Forget workers that are over, commands that were carried out, messages and figures, after a month."""
    oldest = now - KEPT
    old: tuple[models.QuerySet[Any], ...] = (
        HarvesterWorker.objects.filter(updated_at__lt=oldest, state__in=ENDED),
        Command.objects.filter(given_at__lt=oldest),
        Dialog.objects.filter(said_at__lt=oldest),
        ServiceMetric.objects.filter(measured_at__lt=oldest),
    )
    deleted = 0
    for rows in old:
        numbers = list(rows.order_by("pk").values_list("pk", flat=True)[:_BATCH])
        deleted += rows.model._default_manager.filter(pk__in=numbers).delete()[0]
    return deleted
