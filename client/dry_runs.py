"""``compass task dry-run`` and ``create --dry-run``: what a task would do, before anything of it is written or sent."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client.actions import answer, connect, read_definition
from client.errors import ClientError
from client.show import size, table

#: Rows of a list that are shown, unless something else is said.
ROWS = 10
HELP = "write nothing, and show what it would do"


def add_commands(task: Any, common: Any) -> None:
    """Add the verb to ``compass task``."""
    dry = task.add_parser("dry-run", parents=[common], help="what a task would do that has sent nothing yet")
    dry.add_argument("name")
    add_options(dry)
    dry.set_defaults(action=dry_run)


def add_options(parser: Any) -> None:
    """Add what both commands take."""
    parser.add_argument("--run", type=int, help="jobs and merges of this run alone")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of each list (default: {ROWS})")


def dry_run(arguments: Namespace) -> int:
    """Show what a draft, or a task whose jobs are ready, would do."""
    found = connect(arguments).get("production/dry_run", task=arguments.name, **_part(arguments))
    return answer(arguments, found, shown)


def create_dry(arguments: Namespace) -> int:
    """Show what the definition in a file would do; nothing is written."""
    if arguments.start:
        raise ClientError("--dry-run starts nothing", "leave out --start, or --dry-run")
    order = {"definition": read_definition(arguments.definition), **_part(arguments)}
    found = connect(arguments).post("production/dry_run", order)
    return answer(arguments, found, shown)


def _part(arguments: Namespace) -> dict[str, int]:
    run = {} if arguments.run is None else {"run": arguments.run}
    return {"limit": arguments.rows, **run}


def shown(found: Mapping[str, Any]) -> RenderableType:
    """Show the sums, what is in the way, and the first rows of each list."""
    totals = found["totals"]
    head = f"{found['task']} ({str(found['type']).replace('_', ' ')}, queue {found['queue']}) would have "
    head += f"{totals['runs']} runs, {totals['chunks']} chunks, {totals['jobs']} jobs with merges"
    if totals["empty"]:
        head += f"; {totals['empty']} files without events are left out"
    parts: list[RenderableType] = [Text(head)]
    parts += [Text(one["words"], style="red") for one in found["conflicts"]]
    parts += [Text(words, style="red") for words in _there(found["there"])]
    parts += [Text(), _files(totals), Text(), *(Text(words) for words in _notes(found))]
    parts += [Text(), _jobs(found["jobs"])]
    if found["merges"]["total"]:
        parts += [Text(), _merges(found["merges"])]
    return Group(*parts)


def _there(there: Mapping[str, Any]) -> Iterator[str]:
    if there["files"]:
        first = f", of the first {there['looked']} chunks" if not there["all"] else ""
        yield f"{there['files']} of its files are there already{first}, such as {there['names'][0]}"


def _files(totals: Mapping[str, Any]) -> RenderableType:
    made = table("files", ">number", ">size", "dataset")
    if totals["inputs"]["files"]:
        made.add_row("inputs", str(totals["inputs"]["files"]), _size(totals["inputs"]), "")
    for one in totals["outputs"]:
        made.add_row(str(one["kind"]), str(one["files"]), _size(one), Text(str(one["dataset"])))
    for one in totals["merges"]:
        refused = f"  ({one['refused']} larger than the merging program takes)" if one["refused"] else ""
        made.add_row(f"merged {one['kind']}", str(one["files"]), _size(one), Text(f"{one['dataset']}{refused}"))
    return made


def _size(one: Mapping[str, Any]) -> str:
    if one["unknown"] == one["files"]:
        return "unknown" if one["files"] else ""
    return f"{'> ' if one['unknown'] else ''}{size(one['size'])}"


def _notes(found: Mapping[str, Any]) -> Iterator[str]:
    """Say what comes from tape and goes there, how long it takes, and what all of that was learnt from."""
    tape, duration, learnt = found["totals"]["tape"], found["totals"]["duration"], found["learnt"]
    for one in tape["prestage"]:
        yield f"tape: {one['files']} files ({_size(one)}) from {one['storage']}, in about {one['requests']} requests"
    if one := tape["archive"]:
        yield f"tape: {one['files']} files ({_size(one)}) to {one['storage']}, in about {one['requests']} requests"
    seconds = duration["seconds"]
    yield f"time: {'' if seconds is None else f'{_hours(seconds)}: '}{duration['words']}"
    if learnt["alike"]:
        of = ", ".join(str(name) for name in learnt["tasks"])
        yield f"estimated from {learnt['jobs']} finished jobs of tasks of the same {learnt['alike']}: {of}"
    else:
        yield "sizes and times are not known: no job of a similar task has finished yet"


def _hours(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"


def _jobs(jobs: Mapping[str, Any]) -> RenderableType:
    made = table(f"job ({len(jobs['rows'])} of {jobs['total']})", "input", ">size", ">events", "outputs")
    for one in jobs["rows"]:
        outputs = "\n".join(f"{file['lfn']}  {size(file['size']) or '?'}" for file in one["outputs"])
        events = "?" if one["events"] is None else str(one["events"])
        source = one["input"]
        taken = size(source["size"]) or ("?" if source["lfn"] else "")
        made.add_row(Text(str(one["job"])), Text(str(source["lfn"])), taken, events, Text(outputs))
    return made


def _merges(merges: Mapping[str, Any]) -> RenderableType:
    made = table(f"merge ({len(merges['rows'])} of {merges['total']})", "chunks", ">files", "merged file", ">size")
    for one in merges["rows"]:
        chunks = f"{one['first']}-{one['last']}"
        made.add_row(Text(str(one["name"])), chunks, str(one["files"]), Text(str(one["lfn"])), size(one["size"]) or "?")
    return made
