"""``compass usage``: what was used, by user, group, site, task or kind of job."""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from client.actions import answer, connect

#: What usage is told apart by.
BY = ("user", "group", "site", "task", "label", "share")
#: Which usage is asked for.
OF = ("user", "group", "site", "task", "label")
#: Names that are asked for at once where all are wanted.
MOST_NAMES = 1000
#: Causes of failures that are shown.
MOST = 10


def add_command(commands: Any, common: ArgumentParser) -> None:
    """Describe the command."""
    usage = commands.add_parser("usage", parents=[common], help="core-hours, jobs, bytes and failures, by day")
    usage.add_argument("--by", choices=BY, default="label", help="what it is told apart by (default: label)")
    for name in OF:
        usage.add_argument(
            f"--{name}", default="", help=f"of this {'prodSourceLabel' if name == 'label' else name} alone"
        )
    usage.add_argument("--days", type=int, default=14, help="how many days (default: 14)")
    usage.add_argument("--last", default="", help="the last of them, as 2026-11-21 (default: today, by UTC)")
    usage.add_argument("--limit", type=int, default=100, help="so many names, who used most (default: 100)")
    usage.add_argument("--offset", type=int, default=0, help="pass over so many of these (default: 0)")
    usage.add_argument("--csv", action="store_true", help="a line for each day and each name of all, for a spreadsheet")
    usage.set_defaults(action=show_usage)


def show_usage(arguments: Namespace) -> int:
    """Ask for usage, and show it as it is wanted."""
    server, asked = connect(arguments), wishes(arguments)
    if not arguments.csv:
        return answer(arguments, server.get("statistics/get_usage", **asked), shown)
    return write_csv(pages(lambda offset: server.get("statistics/get_usage", **{**asked, "offset": offset})))


def pages(ask: Callable[[int], Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Ask for all names, page by page; the first comes whether or not anything is in it."""
    offset, is_more = 0, True
    while is_more:
        yield (found := ask(offset))
        offset += len(found["names"])
        is_more = bool(found["names"]) and found.get("left_out", 0) > 0


def wishes(arguments: Namespace) -> dict[str, Any]:
    """Say what the server is asked for."""
    said = {name: getattr(arguments, name) for name in (*OF, "last") if getattr(arguments, name)}
    part = {"limit": MOST_NAMES} if arguments.csv else {"limit": arguments.limit, "offset": arguments.offset}
    return {"by": arguments.by, "days": arguments.days, **part, **said}


def write_csv(found: Iterable[Mapping[str, Any]]) -> int:
    """Write a line for each day and name: core time and CPU time in seconds, sizes in bytes."""
    for number, part in enumerate(found):
        lines = csv.DictWriter(sys.stdout, ["day", part["by"], *part["totals"]])
        if not number:
            lines.writeheader()
        lines.writerows({name: _plain(value) for name, value in line.items()} for line in part["days"])
    return 0


def _plain(value: object) -> object:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def shown(found: Mapping[str, Any]) -> RenderableType:
    """Show a line for each name, whoever used most first, and how tries failed."""
    span = f"from {found['first']} to {found['last']}"
    if not found["days"]:
        return Text(f"nothing of this kind has ended {span}")
    sums: dict[str, Counter[str]] = {name: Counter() for name in found["names"]}
    for line in found["days"]:
        sums[line[found["by"]]].update({name: line[name] for name in found["totals"]})
    table = Table(found["by"], box=None)
    for column in ("finished", "failed", "tries", "core-hours", "lost", "CPU hours", "GB written"):
        table.add_column(column, justify="right")
    for name, one in sums.items():
        table.add_row(Text(name or "none"), *_cells(one))
    if more := found.get("left_out", 0):
        table.add_row(f"and {more:,} more: --offset, --limit")
    if len(sums) > 1 or more:
        table.add_row("all", *_cells(Counter(found["totals"])), style="bold")
    failures = [Text(_cause(cause)) for cause in found["failures"][:MOST]]
    return Group(Text(f"ended {span}"), table, *([Text("tries that failed:"), *failures] if failures else []))


def _cells(sums: Counter[str]) -> list[str]:
    good, lost = sums["good_core_seconds"], sums["lost_core_seconds"]
    hours = [f"{seconds / 3600:,.1f}" for seconds in (good + lost, lost, sums["cpu_seconds"])]
    counts = [f"{sums[name]:,}" for name in ("jobs_finished", "jobs_failed", "attempts")]
    return [*counts, *hours, f"{sums['output_bytes'] / 1e9:,.1f}"]


def _cause(cause: Mapping[str, Any]) -> str:
    name = f" {cause['name']}" if cause["name"] else ""
    return f"  {cause['n']:,} by {cause['source']} {cause['code']}{name}"
