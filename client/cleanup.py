"""``compass task clean`` and ``keep``: what of a task leaves its disks once it lies on tape."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client.actions import answer, connect
from client.show import table


def add_commands(task: Any, common: Any) -> None:
    """Add the verbs of clean-up to ``compass task``."""
    clean = task.add_parser("clean", parents=[common], help="remove from disk what lies on tape in another form")
    clean.add_argument("name")
    clean.add_argument("--preview", action="store_true", help="only show what would go, and what is kept and why")
    clean.add_argument("--why", default="", help="the reason, which is kept with your name")
    clean.set_defaults(action=clean_task)
    keep = task.add_parser("keep", parents=[common], help="have nothing of a task removed by clean-up")
    keep.add_argument("name")
    keep.add_argument("--no-keep", action="store_true", help="let it be cleaned up again")
    keep.add_argument("--why", default="", help="the reason, which is kept with your name")
    keep.set_defaults(action=keep_task)


def clean_task(arguments: Namespace) -> int:
    """Have removed what may be, or only show what that is."""
    order = {"name": arguments.name, "preview": arguments.preview, "why": arguments.why}
    return answer(arguments, connect(arguments).post("production/clean_task", order), shown)


def keep_task(arguments: Namespace) -> int:
    """Have a task kept, or let it be cleaned up again."""
    order = {"name": arguments.name, "keep": not arguments.no_keep, "why": arguments.why}
    return answer(arguments, connect(arguments).post("production/keep_task", order), shown)


def shown(found: Mapping[str, Any]) -> RenderableType:
    """Show what may be removed, what is kept and why, and how far it is."""
    lines: list[RenderableType] = []
    if found["kept_by"]:
        lines.append(Text(f"{found['task']} is kept: {found['kept_by']}", style="yellow"))
    if "asked_now" in found:
        lines.append(Text(f"{found['asked_now']} files of {found['task']} were asked to be removed; the rest follows"))
    gone = found["removed"]
    lines.append(Text(f"{gone['files']} files ({gone['bytes']} bytes) are removed, {found['asked']} are being removed"))
    if found["failed"]:
        lines.append(Text(f"{found['failed']} could not be removed: {found['words']}", style="red"))
    made = table("kind", ">files", ">bytes", "what becomes of them")
    for kind, one in found["remove"].items():
        made.add_row(str(kind), str(one["files"]), str(one["bytes"]), "may be removed")
    for one in found["kept"]:
        made.add_row(str(one["kind"]), str(one["files"]), "", Text(f"kept: {one['why']}"))
    return Group(*lines, made)
