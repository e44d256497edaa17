"""``compass task explain`` and what else steers a task that is on its way."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client.actions import answer, connect
from client.show import state, table

#: Decisions that are shown.
MOST = 5


def add_commands(task: Any, common: Any) -> None:
    """Add the verbs of steering to ``compass task``."""
    why = task.add_parser("explain", parents=[common], help="why so many, or no, jobs of a task are sent")
    why.add_argument("name")
    why.set_defaults(action=explain)


def explain(arguments: Namespace) -> int:
    """Show what is decided of a task's submission, rule by rule, and what else waits."""
    return answer(arguments, connect(arguments).get("production/explain_task", name=arguments.name), explained)


def explained(found: Mapping[str, Any]) -> RenderableType:
    """Show the answer, the rules as they would decide now, and the last decisions."""
    head = Text(f"{found['task']} is ").append(state(found["status"])).append(f": {found['answer']}")
    parts: list[RenderableType] = [head, *(Text(words, style="yellow") for words in found["waits"])]
    if found["steps"]:
        rules = table("rule", ">jobs", "reason")
        for step in found["steps"]:
            rules.add_row(str(step["rule"]), str(step["number"]), Text(str(step["reason"])))
        parts += [Text(), rules]
    if found["decisions"]:
        last = table("from", "to", ">cycles", ">decided", ">sent", "words")
        for one in found["decisions"][:MOST]:
            times = (str(one["began"])[:19], str(one["latest"])[:19], str(one["times"]))
            last.add_row(*times, str(one["number"]), str(one["sent"]), Text(str(one["words"])))
        parts += [Text(), last]
    return Group(*parts)
