"""What Harvesters are to do: ordered by people or by what is missing, given once, and acknowledged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction

from pilot.contract.codec import ContractError
from server.harvester.logic.fitting import MOST, fitting, name_of, plain
from server.harvester.models import Command, Harvester, HarvesterWorker, TargetSlots, WorkerCount
from server.harvester.values import ENDED

#: The command by which a Harvester ends workers that it has submitted.
SWEEP = "KILL_WORKERS"
#: The command by which a Harvester submits so many new workers.
SUBMIT = "SET_N_WORKERS_JOBTYPE"
#: A Harvester is told of a queue's missing workers so often at most: it takes time to submit some.
TOLD_EVERY = timedelta(minutes=5)


#: What may be ordered, and whether it is for the workers at one queue; names are PanDA's.
KINDS = {SWEEP: True, "SYNC_WORKERS_KILL": False, "REPORT_WORKER_STATS": True, SUBMIT: True}
#: Characters of a command with its queue.
_LONGEST = 200


@transaction.atomic
def order(
    kind: str, parameters: Mapping[str, Any], *, harvester: str = "", queue: str = "", by: str, now: datetime
) -> int:
    """Order something of a Harvester, or of all that have workers at a queue; answer how many were told.

    Raises:
        ContractError: there is no such command or Harvester, or a queue is missing or too much.
    """
    if kind not in KINDS:
        raise ContractError(f"kind: {kind[:60]!r} is none of {', '.join(KINDS)}", field_name="kind")
    if KINDS[kind] and not queue:
        raise ContractError(f"panda_queue: missing; {kind} is for the workers at one queue", field_name="panda_queue")
    if not KINDS[kind] and queue:
        raise ContractError(f"panda_queue: {queue!r}: {kind} is for no queue; leave it out", field_name="panda_queue")
    if not harvester and not queue:
        raise ContractError(f"harvester_id: missing; say to whom {kind} is given", field_name="harvester_id")
    if harvester and not is_known(harvester):
        raise ContractError(f"harvester_id: no Harvester {harvester!r} has been heard of", field_name="harvester_id")
    word = f"{kind}:{queue}" if queue else kind
    if len(word) > _LONGEST or not word.isprintable():
        words = f"panda_queue: {queue[:60]!r} has control characters, or {kind} with it is longer than {_LONGEST}"
        raise ContractError(words, field_name="panda_queue")
    return _tell([harvester] if harvester else _at(queue), word, parameters, by=by, now=now)


def is_known(harvester: str) -> bool:
    """Say whether a Harvester has ever said something of itself or of its workers."""
    if Harvester.objects.filter(name=harvester).exists():
        return True
    return any(table.objects.filter(harvester=harvester).exists() for table in (WorkerCount, HarvesterWorker))


def _at(queue: str) -> list[str]:
    """Answer the Harvesters that have workers at a queue."""
    return sorted(
        {
            *WorkerCount.objects.filter(queue=queue).values_list("harvester", flat=True),
            *HarvesterWorker.objects.filter(queue=queue).exclude(state__in=ENDED).values_list("harvester", flat=True),
        }
    )


def _tell(harvesters: Sequence[str], word: str, parameters: Mapping[str, Any], *, by: str, now: datetime) -> int:
    said = {"word": word[:200], "parameters": plain(parameters), "by": by[:80], "created_at": now}
    Command.objects.bulk_create([Command(harvester=harvester, **said) for harvester in harvesters])
    return len(harvesters)


@transaction.atomic
def sweep(queue: str, parameters: Mapping[str, Any], *, by: str, now: datetime) -> int:
    """Have the Harvesters that have workers at a queue end those that are meant; answer how many were told."""
    return _tell(_at(queue), f"{SWEEP}:{queue}", parameters, by=by, now=now)


def want_slots(queue: str, resource: str, slots: int, *, until: datetime | None, by: str, now: datetime) -> None:
    """Write down how many workers are wanted at a queue, in the place of what was wanted before; 0 forgets it.

    Raises:
        ContractError: the number is below 0, or a name is too long.
    """
    if not 0 <= slots <= 2**31 - 1:
        raise ContractError(f"slots: {slots} is not from 0 to {2**31 - 1}", field_name="slots")
    where = {
        "queue": fitting(queue, TargetSlots._meta.get_field("queue"), "panda_queue"),
        "resource_type": fitting(resource, TargetSlots._meta.get_field("resource_type"), "resource_type"),
    }
    if not slots:
        TargetSlots.objects.filter(**where).delete()
        return
    wanted = {"slots": slots, "until": until, "by": by[:80], "wanted_at": now}
    TargetSlots.objects.update_or_create(**where, defaults=wanted)


def ask_for_missing(harvester: str, queue: str, now: datetime) -> None:
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
    words = [f"{kind}:{queue}"[:200] for kind in KINDS for queue in queues]
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
