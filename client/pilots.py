"""``compass pilot``: which pilots there are, one with its jobs, and what its batch job has written."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client import show
from client.actions import answer, connect
from client.connection import Connection
from client.terminal import write_file

#: What pilots can be told apart by, with its words.
FILTERS = {
    "queue": "of this queue alone",
    "state": "in this state alone: submitted, queued, running, held, done or lost",
    "system": "of this batch system alone",
    "node": "on this node alone",
    "exit": "with this exit code alone",
    "since": "submitted since: 30m, 6h, 2d, or a time by UTC",
}
#: Bytes that are asked for at a time, and seconds between two looks of ``--follow``.
PART, WATCH = 1_048_576, 2.0
_NODE = {
    "pilots": "pilots",
    "without a job": "jobless",
    "failed": "failed",
    "at once": "quick",
    "lost": "lost",
    "jobs": "jobs",
    "jobs failed": "jobs_failed",
}
_OVER = ("done", "lost")


def add_commands(commands: Any, common: ArgumentParser, parser_class: type[ArgumentParser]) -> None:
    """Describe the commands."""
    pilot = commands.add_parser("pilot", help="pilots in the batch systems").add_subparsers(
        dest="verb", required=True, metavar="VERB", parser_class=parser_class
    )
    listing = pilot.add_parser("list", parents=[common], help="the latest pilots, and how many are in which state")
    for name, words in FILTERS.items():
        listing.add_argument(f"--{name}", default="", help=words)
    listing.add_argument("--jobless", action="store_true", help="those alone that were given no job")
    listing.add_argument("--before", type=int, help="older than the pilot of that number")
    listing.add_argument("--limit", type=int, default=50, help="how many at most (default: 50)")
    listing.set_defaults(action=list_pilots)
    one = pilot.add_parser("show", parents=[common], help="a pilot's life, its end in words, and its jobs")
    one.add_argument("id", type=int, help="its number")
    one.set_defaults(action=show_pilot)
    nodes = pilot.add_parser("nodes", parents=[common], help="where pilots ended, and which nodes are suspect")
    nodes.add_argument("--queue", default="", help=FILTERS["queue"])
    nodes.add_argument("--days", type=int, default=2, help="how many days, today is one (default: 2)")
    nodes.set_defaults(action=list_nodes)
    log = pilot.add_parser("log", parents=[common], help="what a pilot's batch job has written")
    log.add_argument("id", type=int, help="its number")
    log.add_argument("--file", default="stdout", help="stdout, stderr or last-words (default: stdout)")
    log.add_argument("--tail", type=int, default=65_536, help="bytes of its end (default: 65536); 0: all of it")
    log.add_argument("--follow", action="store_true", help="go on until the pilot has ended")
    log.set_defaults(action=pilot_log)


def list_pilots(arguments: Namespace) -> int:
    """Show the latest pilots of those that are asked for."""
    return answer(arguments, connect(arguments).get("pilot/get_pilots", **wishes(arguments)), shown)


def wishes(arguments: Namespace) -> dict[str, Any]:
    """Say what the server is asked for."""
    said = {name: getattr(arguments, name) for name in FILTERS if getattr(arguments, name)}
    said |= {"jobless": 1} if arguments.jobless else {}
    said |= {"before": arguments.before} if arguments.before is not None else {}
    return {**said, "count": arguments.limit}


def list_nodes(arguments: Namespace) -> int:
    """Show on which nodes pilots ended, those first where most went wrong."""
    asked = {"days": arguments.days, **({"queue": arguments.queue} if arguments.queue else {})}
    return answer(arguments, connect(arguments).get("pilot/get_nodes", **asked), nodes)


def show_pilot(arguments: Namespace) -> int:
    """Show one pilot."""
    return answer(arguments, connect(arguments).get("pilot/get_pilot", pilot_id=arguments.id), pilot)


def pilot_log(arguments: Namespace) -> int:
    """Write what a pilot's batch job has written, its end or all of it, and what comes if that is wanted."""
    server = connect(arguments)
    part = {"start": 0, "length": PART} if arguments.tail == 0 else {"length": arguments.tail}
    window = _ask(server, arguments, part)
    if arguments.json:
        print(json.dumps(window, indent=2))
        return 0
    while True:
        write_file(window["text"])
        at_end = window["end"] >= window["size"]
        if at_end and not (arguments.follow and _lives(server, arguments)):
            return 0
        if at_end:
            time.sleep(WATCH)
        elif arguments.tail and not arguments.follow:
            return 0
        window = _ask(server, arguments, {"start": window["end"], "length": PART})


def _ask(server: Connection, arguments: Namespace, part: Mapping[str, int]) -> Any:
    return server.get("pilot/get_pilot_log", pilot_id=arguments.id, file=arguments.file, **part)


def _lives(server: Connection, arguments: Namespace) -> bool:
    found = server.get("pilot/get_pilot", pilot_id=arguments.id)
    return found["state"] not in _OVER


def shown(found: Mapping[str, Any]) -> RenderableType:
    """Show a line for each pilot, below how many there are in each state."""
    counts = Text(", ".join(f"{count:,} {state}" for state, count in found["states"].items()))
    if not found["pilots"]:
        return Group(counts, Text("there are no such pilots"))
    table = show.table(">id", "pilot", "state", "queue", "node", ">jobs", ">exit", "what it means, or why", "submitted")
    for one in found["pilots"]:
        code = "" if one["exit_code"] is None else str(one["exit_code"])
        texts = [Text(str(one[name])) for name in ("queue", "node", "jobs")]
        name, words = Text(one["name"]), Text(one["words"])
        row: list[RenderableType] = [show.state(one["state"]), *texts, code, words, _moment(one["submitted_at"])]
        table.add_row(str(one["id"]), name, *row)
    more = [Text(f"more: --before {found['older']}", style="dim")] if found["older"] else []
    return Group(counts, table, *more)


def nodes(found: Mapping[str, Any]) -> RenderableType:
    """Show a line for each node."""
    if not found["nodes"]:
        return Text(f"no pilot has ended on a node that is known since {found['first']}")
    table = show.table("node", "queue", "verdict", *(f">{name}" for name in _NODE), ">with a job")
    for one in found["nodes"]:
        share = "" if one["efficiency"] is None else f"{100 * one['efficiency']:.0f} %"
        counts = [f"{one[column]:,}" for column in _NODE.values()]
        verdict = Text("suspect", style="red") if one["suspect"] else ""
        table.add_row(Text(one["node"]), Text(one["queue"]), verdict, *counts, share)
    return Group(Text(f"since {found['first']}"), table)


def pilot(found: Mapping[str, Any]) -> RenderableType:
    """Show one pilot: what is known of it, and its jobs."""
    facts = show.table("", "")
    facts.show_header = False
    code = found["exit_code"]
    for name, value in (
        ("state", show.state(found["state"])),
        ("queue", found["queue"]),
        ("batch system", f"{found['batch_system']} {found['batch_id']}"),
        ("node", found["node"]),
        ("exit code", "" if code is None else f"{code}: {found['exit_words']}"),
        ("why", found["words"] if found["words"] != found["exit_words"] else ""),
        ("told to end", found["cancelled_for"]),
        *((what, _moment(found[f"{what}_at"])) for what in ("submitted", "started", "reported", "cancelled", "ended")),
        ("files", ", ".join(f"{file['name']} ({show.size(file['size'])})" for file in found["files"])),
    ):
        if value:
            facts.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    jobs = show.table(">job", ">attempt", "state", "ended", "what went wrong")
    for one in found["attempts"]:
        words = " ".join(
            filter(None, (one[f"{whose}_words"] for whose in ("pilot_error", "payload_error", "server_error")))
        )
        jobs.add_row(
            str(one["job"]), str(one["attempt"]), show.state(one["state"]), _moment(one["ended_at"]), Text(words)
        )
    head = Text(f"pilot {found['id']}: {found['name']}")
    return Group(head, facts, jobs if found["attempts"] else Text(f"jobs: {found['jobs']}"))


def _moment(text: str | None) -> Text:
    return Text((text or "")[:19].replace("T", " "))
