"""``compass harvester``: which Harvesters there are, their workers, and orders to them."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client import show
from client.actions import answer, connect
from client.errors import ClientError

#: What workers can be told apart by.
FILTERS = ("harvester", "queue", "state")


def add_commands(commands: Any, common: ArgumentParser, parser_class: type[ArgumentParser]) -> None:
    """Describe the commands."""
    harvester = commands.add_parser("harvester", help="Harvesters and their workers").add_subparsers(
        dest="verb", required=True, metavar="VERB", parser_class=parser_class
    )
    listing = harvester.add_parser("list", parents=[common], help="which there are, their workers, what they were told")
    listing.set_defaults(action=list_harvesters)
    workers = harvester.add_parser("workers", parents=[common], help="the latest workers")
    for name in FILTERS:
        workers.add_argument(f"--{name}", default="", help=f"of this {name} alone")
    workers.add_argument("--before", type=int, help="older than the one of that number")
    workers.add_argument("--limit", type=int, default=50, help="how many at most (default: 50)")
    workers.set_defaults(action=list_workers)
    order = harvester.add_parser("order", parents=[common], help="give a command to Harvesters")
    order.add_argument("kind", help="KILL_WORKERS, SYNC_WORKERS_KILL, REPORT_WORKER_STATS or SET_N_WORKERS_JOBTYPE")
    order.add_argument("--harvester", default="", help="to this one alone (default: all with workers at the queue)")
    order.add_argument("--queue", default="", help="the queue, for a command that is for the workers at one")
    order.add_argument("--parameters", default="", help="what it says, a JSON object")
    order.set_defaults(action=give_order)


def list_harvesters(arguments: Namespace) -> int:
    """Show all Harvesters."""
    return answer(arguments, connect(arguments).get("harvester/get_instances"), shown)


def list_workers(arguments: Namespace) -> int:
    """Show the latest workers of those that are asked for."""
    asked = {name: getattr(arguments, name) for name in FILTERS if getattr(arguments, name)}
    asked |= {"before": arguments.before} if arguments.before is not None else {}
    found = connect(arguments).get("harvester/get_workers", **asked, count=arguments.limit)
    return answer(arguments, found, workers)


def give_order(arguments: Namespace) -> int:
    """Give a command, and say to how many Harvesters."""
    found = connect(arguments).post("harvester/add_command", wishes(arguments))
    if not found:
        raise ClientError(f"no Harvester is known to have workers at {arguments.queue}", "name one by --harvester")
    return answer(arguments, {"told": found}, lambda told: Text(f"Harvesters that will be told: {told['told']}"))


def wishes(arguments: Namespace) -> dict[str, Any]:
    """Say what is ordered.

    Raises:
        ClientError: the parameters are no JSON object.
    """
    said = {"kind": arguments.kind}
    said |= {"harvester_id": arguments.harvester} if arguments.harvester else {}
    said |= {"panda_queue": arguments.queue} if arguments.queue else {}
    if not arguments.parameters:
        return said
    try:
        parameters = json.loads(arguments.parameters)
    except ValueError as wrong:
        raise ClientError(f"--parameters: {wrong}", "write a JSON object") from wrong
    if not isinstance(parameters, dict):
        raise ClientError("--parameters: this is no JSON object", 'write one, such as {"status": "ALL"}')
    return {**said, "parameters": parameters}


def shown(found: Mapping[str, Any]) -> RenderableType:
    """Show Harvesters, their workers by queue, and what they were told."""
    if not found["instances"] and not found["queues"]:
        return Text("no Harvester has been heard of")
    table = show.table("Harvester", "alive", "last heartbeat", "version", "on", ">workers", ">commands")
    for one in found["instances"]:
        alive = Text("yes", style="green") if one["alive"] else Text("no", style="red")
        texts = [Text(one["heartbeat_at"][:19].replace("T", " ")), Text(one["version"]), Text(", ".join(one["hosts"]))]
        table.add_row(Text(one["name"]), alive, *texts, str(one["living"]), str(one["commands"]))
    queues = show.table("queue", "Harvester", "workers", "as counted")
    for one in found["queues"]:
        queues.add_row(Text(one["queue"]), Text(one["harvester"]), _counts(one["described"]), _counts(one["counted"]))
    commands = show.table("command", "for", "by", "given", "acknowledged")
    for one in found["commands"]:
        times = [(one[name] or "")[:19].replace("T", " ") for name in ("given_at", "acknowledged_at")]
        commands.add_row(Text(one["word"]), Text(one["harvester"]), Text(one["by"]), *times)
    return Group(table, queues, *([commands] if found["commands"] else []))


def _counts(counts: Mapping[str, int]) -> Text:
    return Text(", ".join(f"{count:,} {state}" for state, count in counts.items()))


def workers(found: Mapping[str, Any]) -> RenderableType:
    """Show a line for each worker."""
    if not found["workers"]:
        return Text("there are no such workers")
    table = show.table("worker", "state", "queue", "batch id", "node", "words")
    for one in found["workers"]:
        name = f"{one['harvester']}/{one['worker_id']}"
        texts = [Text(str(one[column])) for column in ("queue", "batch_id", "node", "words")]
        table.add_row(Text(name), show.state(one["state"]), *texts)
    more = [Text(f"more: --before {found['older']}", style="dim")] if found["older"] else []
    return Group(table, *more)
