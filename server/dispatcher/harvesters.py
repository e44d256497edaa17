"""What Harvesters call in ``/api/v1/harvester``: they live, they tell of their workers, and ask for commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from pilot.contract.codec import INTEGER, OBJECT, TEXT
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import READERS
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
    return logic.workers_said(harvester_id, workers, now=timezone.now())


_COUNTS = Argument("statistics", TEXT, "JSON: kind of jobs -> resource type -> state -> number.")


@method(Role.PILOT, takes=(_WHO, _QUEUE, _COUNTS))
def report_worker_statistics(
    request: HttpRequest, identity: Identity, harvester_id: str, panda_queue: str, statistics: str
) -> Any:
    """Keep how many workers a Harvester has at a queue, in place of what it had counted before."""
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
    """Answer what a Harvester is to do; each command is given once."""
    return [
        {
            "command_id": command.pk,
            "command": command.word,
            "params": command.parameters,
            "ack_requested": True,
            "creation_date": command.created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        }
        for command in logic.give_commands(harvester_id, n_commands, now=timezone.now())
    ]


_COMMANDS = Argument("command_ids", INTEGER, "Numbers of commands.", most=logic.MOST)


@method(Role.PILOT, takes=(_COMMANDS, TIMEOUT))
def acknowledge_commands(request: HttpRequest, identity: Identity, command_ids: list[int], timeout: int | None) -> Any:
    """Note that commands were carried out."""
    logic.acknowledge(command_ids, now=timezone.now())
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
