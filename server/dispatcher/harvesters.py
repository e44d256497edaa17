"""What Harvesters call in ``/api/v1/harvester``: they live, they tell of their workers, and ask for commands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from pilot.contract.codec import INTEGER, OBJECT, TEXT, TIME, ContractError
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import READERS, NotAllowed
from server.dispatcher import owners
from server.dispatcher.v1 import GET, method
from server.harvester import logic, queries
from server.lib.arguments import LIST, OBJECTS, TIMEOUT, Argument

_WHO = Argument("harvester_id", TEXT, "Name of the Harvester.")
_QUEUE = Argument("panda_queue", TEXT, "The queue.")


@method(Role.PILOT, takes=(_WHO, Argument("data", OBJECT, "What it says of itself: version, times ...", None)))
def heartbeat(request: HttpRequest, identity: Identity, harvester_id: str, data: Mapping[str, Any] | None) -> Any:
    """Note that a Harvester lives."""
    logic.beat(harvester_id, data, now=timezone.now())
    return True


@method(Role.PILOT, takes=(_WHO, Argument("workers", OBJECTS, "Workers, by PanDA's names.")))
def update_workers(request: HttpRequest, identity: Identity, harvester_id: str, workers: Sequence[Any]) -> Any:
    """Keep what a Harvester says of its workers; answer for each whether it was understood."""
    if identity.queues:
        _refuse_others(identity, harvester_id, workers)
    return logic.workers_said(harvester_id, workers, now=timezone.now())


def _refuse_others(identity: Identity, harvester: str, workers: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a token for some queues that speaks of workers at another, by what it says or by what is known."""
    for at, worker in enumerate(workers):
        owners.refuse_queue(identity, str(worker.get("computingSite", "")), f"workers[{at}].computingSite")
    known = queries.queues_of(harvester, _numbers(workers))
    for number, queue in known.items():
        owners.refuse_queue(identity, queue, f"workerID: {number}")


def _numbers(workers: Sequence[Mapping[str, Any]]) -> Collection[int]:
    found = [str(worker.get("workerID", "")) for worker in workers]
    return {int(text) for text in found if text.isascii() and text.isdigit() and len(text) < 19}


_COUNTS = Argument("statistics", TEXT, "JSON: kind of jobs -> resource type -> state -> number.")


@method(Role.PILOT, takes=(_WHO, _QUEUE, _COUNTS))
def report_worker_statistics(
    request: HttpRequest, identity: Identity, harvester_id: str, panda_queue: str, statistics: str
) -> Any:
    """Keep how many workers a Harvester has at a queue, in place of what it had counted before."""
    owners.refuse_queue(identity, panda_queue, "panda_queue")
    logic.workers_counted(harvester_id, panda_queue, statistics, now=timezone.now())
    return True


@method(Role.PILOT, *READERS, verbs=(GET,))
def get_worker_statistics(request: HttpRequest, identity: Identity) -> Any:
    """Answer queue -> Harvester -> kind of jobs -> resource type -> state -> number."""
    return queries.worker_counts()


@method(Role.PILOT, takes=(_WHO,), verbs=(GET,))
def get_current_worker_id(request: HttpRequest, identity: Identity, harvester_id: str) -> Any:
    """Answer the highest number that a Harvester has given to a worker, 0 when it never had one."""
    return queries.newest_worker(harvester_id)


@method(Role.PILOT, takes=(_WHO, Argument("dialogs", OBJECTS, "Messages, by PanDA's names.")))
def add_dialogs(request: HttpRequest, identity: Identity, harvester_id: str, dialogs: Sequence[Any]) -> Any:
    """Keep messages of a Harvester's to people."""
    logic.dialogs_said(harvester_id, dialogs, now=timezone.now())
    return True


@method(Role.PILOT, takes=(_WHO, Argument("metrics", LIST, "Figures, each [time, host, figures].")))
def update_service_metrics(request: HttpRequest, identity: Identity, harvester_id: str, metrics: list[Any]) -> Any:
    """Keep figures of the machines on which a Harvester runs."""
    logic.metrics_said(harvester_id, metrics, now=timezone.now())
    return True


@method(Role.PILOT, takes=(_WHO, Argument("n_commands", INTEGER, "Most commands."), TIMEOUT))
def acquire_commands(
    request: HttpRequest, identity: Identity, harvester_id: str, n_commands: int, timeout: int | None
) -> Any:
    """Answer what a Harvester is to do; each command is given once, and to a token for its queue."""
    return [
        {
            "command_id": command.pk,
            "command": command.word,
            "params": command.parameters,
            "ack_requested": True,
            "creation_date": command.created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        }
        for command in logic.give_commands(harvester_id, n_commands, queues=identity.queues, now=timezone.now())
    ]


_COMMANDS = Argument("command_ids", INTEGER, "Numbers of commands.", most=logic.MOST)


@method(Role.PILOT, takes=(_COMMANDS, TIMEOUT))
def acknowledge_commands(request: HttpRequest, identity: Identity, command_ids: list[int], timeout: int | None) -> Any:
    """Note that commands were carried out."""
    logic.acknowledge(command_ids, queues=identity.queues, now=timezone.now())
    return True


def _names(name: str, what: str) -> Argument:
    return Argument(name, TEXT, f"{what}; all, when left out.", None, most=100)


_STATES = _names("status_list", "States of workers")
_ELEMENTS, _HOSTS = _names("ce_list", "Computing elements"), _names("submission_host_list", "Submission hosts")


@method(Role.PRODUCTION, takes=(_QUEUE, _STATES, _ELEMENTS, _HOSTS))
def add_sweep_command(request: HttpRequest, identity: Identity, panda_queue: str, **said: list[str] | None) -> Any:
    """Have the Harvesters that have workers at a queue end them; answer how many Harvesters were told."""
    parameters = {
        "status": said["status_list"] or "ALL",
        "computingElement": said["ce_list"] or "ALL",
        "submissionHost": said["submission_host_list"] or "ALL",
    }
    return logic.sweep(panda_queue, parameters, by=identity.name, now=timezone.now())


_KIND = Argument("kind", TEXT, f"One of {', '.join(logic.KINDS)}.")
_TO = Argument("harvester_id", TEXT, "To this Harvester alone; to all with workers at the queue, when left out.", "")
_AT = Argument("panda_queue", TEXT, "The queue, for a command that is for the workers at one.", "")
_WITH = Argument("parameters", OBJECT, "What the command says, as its Harvester understands it.", None)


@method(Role.PRODUCTION, Role.SITE_ADMIN, takes=(_KIND, _TO, _AT, _WITH))
def add_command(
    request: HttpRequest,
    identity: Identity,
    kind: str,
    harvester_id: str,
    panda_queue: str,
    parameters: Mapping[str, Any] | None,
) -> Any:
    """Order something of a Harvester, or of all with workers at a queue; answer how many Harvesters were told.

    A site's administrator may order what is for the workers at its queues.
    """
    if not identity.may_act_on(owner="", queue=panda_queue):
        queues = ", ".join(sorted(identity.queues))
        raise NotAllowed(f"panda_queue: this token orders at {queues} alone, and not {panda_queue or 'everywhere'}")
    return logic.order(
        kind, parameters or {}, harvester=harvester_id, queue=panda_queue, by=identity.name, now=timezone.now()
    )


_SLOTS = Argument("slots", INTEGER, "Workers wanted at the queue; 0 wants none more.")
_SHARE = Argument("global_share", TEXT, "There are none of workers here: pilots are given jobs by shares.", None)
_RESOURCE = Argument("resource_type", TEXT, "PanDA's resource type of the workers; SCORE when left out.", None)
_UNTIL = Argument("expiration_date", TIME, "Until when, YYYY-MM-DD HH:MM:SS in UTC; for good, when left out.", None)


@method(Role.PRODUCTION, takes=(_QUEUE, _SLOTS, _SHARE, _RESOURCE, _UNTIL))
def add_target_slots(
    request: HttpRequest,
    identity: Identity,
    panda_queue: str,
    slots: int,
    global_share: str | None,
    resource_type: str | None,
    expiration_date: datetime | None,
) -> Any:
    """Say how many workers are wanted at a queue: a Harvester that has fewer there is told how many to submit."""
    if global_share:
        words = f"global_share: {global_share!r}: workers have no share here, their jobs have; leave it out"
        raise ContractError(words, field_name="global_share")
    logic.want_slots(
        panda_queue, resource_type or "", slots, until=expiration_date, by=identity.name, now=timezone.now()
    )
    return True
