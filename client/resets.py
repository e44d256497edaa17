"""``compass job reset`` and ``undo-reset``: jobs that ended badly are brought back together, and put back again."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client.actions import answer, connect

#: Refusals that are shown.
MOST = 20


def reset(arguments: Namespace) -> int:
    """Bring back jobs for one further attempt, or only show what would be brought back."""
    order = {"why": arguments.why, "preview": arguments.preview}
    which = {"job_ids": arguments.ids} if arguments.task is None else {"task_id": arguments.task}
    return answer(arguments, connect(arguments).post("job/reset", {**order, **which}), shown)


def undo(arguments: Namespace) -> int:
    """Put the jobs of a reset back to what they were, as far as none has run."""
    found = connect(arguments).post("job/undo_reset", {"reset": arguments.reset})
    words = f"{len(found['restored'])} jobs are what they were"
    kept = f"; {len(found['kept'])} have moved on and are left" if found["kept"] else ""
    return answer(arguments, found, lambda _: Text(words + kept))


def shown(found: Mapping[str, Any]) -> RenderableType:
    """Show what was brought back, or would be, and what not."""
    if "reset" in found:
        undo = f"take it back by 'compass job undo-reset {found['reset']}' before they run"
        lines = [Text(f"{len(found['jobs'])} jobs are back in the queue; {undo}")]
    else:
        states = ", ".join(f"{n} {state}" for state, n in found["by_state"].items()) or "none"
        lines = [Text(f"would be brought back: {states}")]
    refused = list(found["refused"].items())
    lines += [Text(f"job {number} is not: {words}") for number, words in refused[:MOST]]
    if len(refused) > MOST:
        lines.append(Text(f"and {len(refused) - MOST} more are not"))
    return Group(*lines)
