"""What each command does: asks the server, shows the answer. Each takes the parsed arguments and answers a status."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from client import show
from client.connection import Connection
from client.errors import ClientError
from client.local import demo as local_demo
from client.local import system
from client.place import find_home, find_place
from client.terminal import all_harmless, console, harmless, write_file

#: Seconds between two looks of ``--watch``.
WATCH = 1.0


def connect(arguments: Namespace) -> Connection:
    """Find the server that is meant and connect to it."""
    home = find_home(arguments.home)
    return Connection(find_place(arguments.url, arguments.token_file, home))


def answer(arguments: Namespace, found: Any, shown: Callable[[Any], RenderableType]) -> int:
    """Give an answer to a person or, with ``--json``, to a program."""
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        console().print(shown(all_harmless(found)))
    return 0


def up(arguments: Namespace) -> int:
    """Start a system here; one that is up already is left as it is."""
    home = find_home(arguments.home)
    bundle = Path(arguments.bundle).absolute() if arguments.bundle else None
    wishes = system.Wishes(arguments.port or None, slots=arguments.slots, bundle=bundle)
    found = system.up(home, wishes)
    return answer(
        arguments, found, lambda up: Text(f"up at {up['url']}  (stop it by 'compass down --home {home.folder}')")
    )


def down(arguments: Namespace) -> int:
    """Stop the system here."""
    home = find_home(arguments.home)
    was_up = system.down(home)
    words = f"the system in {home.folder} is down" if was_up else f"no system was up in {home.folder}"
    return answer(arguments, {"was_up": was_up}, lambda _: Text(words))


def demo(arguments: Namespace) -> int:
    """Process a Monte Carlo task from its definition to merged, cross-checked files."""
    bundle = Path(arguments.bundle).absolute() if arguments.bundle else None
    wanted = local_demo.Wanted(
        runs=arguments.runs,
        chunks=arguments.chunks,
        events=arguments.events,
        slots=arguments.slots,
        bundle=bundle,
        keep=arguments.keep,
        time_limit=arguments.time_limit,
    )
    told = Console(stderr=arguments.json)
    summary = local_demo.run(find_home(arguments.home), wanted, told)
    answer(arguments, summary, local_demo.shown)
    return 0 if summary["verdict"] == "yes" else 1


def create_task(arguments: Namespace) -> int:
    """Define a task from a file."""
    order = {"definition": read_definition(arguments.definition), "start": arguments.start}
    return answer(arguments, connect(arguments).post("production/define_task", order), show.task)


def read_definition(source: str) -> Any:
    """Read a definition from a JSON file, or with ``-`` from standard input.

    Raises:
        ClientError: it cannot be read.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
        return json.loads(text)
    except OSError as wrong:
        raise ClientError(
            f"{source} cannot be read: {wrong.strerror}", "give a JSON file, or - and the text"
        ) from wrong
    except json.JSONDecodeError as wrong:
        raise ClientError(f"{source}, line {wrong.lineno}: {wrong.msg}", "write one JSON object") from wrong
    except (UnicodeDecodeError, RecursionError) as wrong:
        raise ClientError(f"{source} is no JSON text", "write one JSON object") from wrong


def show_task(arguments: Namespace) -> int:
    """Show one task."""
    found = connect(arguments).get("production/get_task", name=arguments.name)
    return answer(arguments, found, show.limits if arguments.limits else show.task)


def list_tasks(arguments: Namespace) -> int:
    """Show the latest tasks."""
    return answer(arguments, connect(arguments).get("production/list_tasks", limit=arguments.limit), show.tasks)


def move_task(arguments: Namespace) -> int:
    """Start, pause, resume or cancel a task."""
    order = {"name": arguments.name, "to": arguments.to, "words": arguments.words}
    return answer(arguments, connect(arguments).post("production/move_task", order), show.task)


def show_job(arguments: Namespace) -> int:
    """Show one job."""
    (found,) = connect(arguments).get("job/get_description", job_ids=arguments.id) or [None]
    if found is None:
        raise ClientError(f"there is no job {arguments.id}", "see 'compass task show' for the jobs of a task")
    return answer(arguments, found, show.job)


def job_log(arguments: Namespace) -> int:
    """Show a file of a job's log as it is; what is to be said of it goes to standard error."""
    found = connect(arguments).get("job/get_log", job_id=arguments.id, file=arguments.file)
    if arguments.json:
        return answer(arguments, found, Text)
    if found["words"]:
        print(f"compass: {harmless(str(found['words']))}", file=sys.stderr)
    if found["text"]:
        write_file(str(found["text"]).rstrip("\n") + "\n")
    return 0 if found["text"] or not found["words"] else 1


def status(arguments: Namespace) -> int:
    """Show jobs by state, tasks, pilots and services; with ``--watch`` until Ctrl-C."""
    connection = connect(arguments)
    if not arguments.watch:
        return answer(arguments, connection.get("system/get_status"), show.status)
    if arguments.json:
        while True:
            print(json.dumps(connection.get("system/get_status")), flush=True)
            time.sleep(WATCH)
    with Live(Group(), console=console(), auto_refresh=False) as live:
        while True:
            live.update(show.status(all_harmless(connection.get("system/get_status"))), refresh=True)
            time.sleep(WATCH)
