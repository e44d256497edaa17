"""``compass task accept`` and ``compass task recheck``: what a person decides on a cross-check."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType

from client import show
from client.actions import answer, connect

KINDS = ("mdst", "dump")


def add_commands(task: Any, common: Any) -> None:
    """Add the verbs to ``compass task``."""
    accept = task.add_parser("accept", parents=[common], help="take a difference that a cross-check has found as it is")
    accept.add_argument("--why", required=True, help="kept in the task's history")
    accept.set_defaults(action=accept_check)
    again = task.add_parser("recheck", parents=[common], help="make a cross-check anew")
    again.add_argument("--why", default="", help="kept in the task's history")
    again.set_defaults(action=check_again)
    for verb in (accept, again):
        verb.add_argument("name")
        verb.add_argument("run", type=int)
        verb.add_argument("kind", choices=KINDS, help="events in mDSTs, or bytes in event dumps")


def accept_check(arguments: Namespace) -> int:
    """Accept a difference."""
    return answer(arguments, connect(arguments).post("production/accept_check", _order(arguments)), _shown)


def check_again(arguments: Namespace) -> int:
    """Check again."""
    return answer(arguments, connect(arguments).post("production/check_again", _order(arguments)), _shown)


def _order(arguments: Namespace) -> dict[str, Any]:
    return {"name": arguments.name, "run": arguments.run, "kind": arguments.kind, "words": arguments.why}


def _shown(found: Mapping[str, Any]) -> RenderableType:
    return show.checks([found])
