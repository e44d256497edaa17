"""``compass task choices``: the sites, types, templates and software releases that a task may name."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from client.actions import answer, connect
from client.show import table

Rows = Sequence[Mapping[str, Any]]

#: What is listed, as columns with the keys of their values.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "sites": {"site": "name", "queue": "queue", "merges": "merging_queue", "tape": "tape", "limits": "limits"},
    "types": {"type": "type", "chain": "chain", "what": "label", "program": "program", "limits": "limits"},
    "templates": {"template": "name", "file": "file", "types": "types"},
    "releases": {"release": "name", "home": "home", "path": "path", "PHAST": "phast", "checked": "checked"},
}
_EMPTY = {
    "sites": "No sites yet: add them on the admin's page Sites, or name queues in definitions.",
    "types": "No types: the server is older than its client.",
    "templates": "No templates yet, so that tasks may name any: add them on the admin's page Templates.",
    "releases": "No releases yet, so that tasks may name any: add them on the admin's page Software releases.",
}


def add_commands(task: Any, common: Any) -> None:
    """Add the verb to ``compass task``."""
    verb = task.add_parser("choices", parents=[common], help="sites, types, templates and releases that tasks may name")
    verb.add_argument("what", choices=COLUMNS, nargs="?", default="sites", help="which of them (default: sites)")
    verb.set_defaults(action=list_choices)


def list_choices(arguments: Namespace) -> int:
    """Show what tasks may name."""
    found = connect(arguments).get(f"production/list_{arguments.what}")
    shown: Callable[[Rows], RenderableType] = partial(listed, arguments.what)
    return answer(arguments, found, shown)


def listed(what: str, rows: Rows) -> RenderableType:
    """Show rows of one kind; those that are switched off say so."""
    if not rows:
        return Text(_EMPTY[what])
    columns = COLUMNS[what]
    made = table(*columns, "remarks")
    for row in rows:
        off = [] if row["enabled"] else ["switched off"]
        remarks = "; ".join([*off, *([row["comment"]] if row.get("comment") else [])])
        made.add_row(*(Text(_said(row[key])) for key in columns.values()), Text(remarks))
    return made


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "all"
    return "" if value is None else str(value)
