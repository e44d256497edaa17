"""``compass job retry-rules``: what the rules for retries would have done with past failures."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from client.actions import answer, connect


def retry_rules(arguments: Namespace) -> int:
    """Show what the rules would have done with the failures of the last days; nothing is changed."""
    return answer(arguments, connect(arguments).get("job/preview_retry_rules", **wishes(arguments)), shown)


def wishes(arguments: Namespace) -> dict[str, int]:
    """Say what the server is asked for."""
    return {"days": arguments.days, **({"disabled": 1} if arguments.disabled else {})}


def shown(found: Mapping[str, Any]) -> RenderableType:
    """Show one line for each way in which failures would have been decided."""
    since = str(found["since"])[:16].replace("T", " ")
    if not found["lines"]:
        return Text(f"nothing has failed since {since}")
    table = Table("decided by", "failures", "tried again", "in fact tried again", "some of the jobs", box=None)
    for line in found["lines"]:
        again = line["failures"] if line["again"] else 0
        jobs = ", ".join(str(job) for job in line["jobs"])
        table.add_row(Text(line["words"]), str(line["failures"]), str(again), str(line["were_tried_again"]), jobs)
    words = f"{found['failures']} failures since {since}" + ("" if found["complete"] else ", and more before these")
    return Group(Text(words), table)
