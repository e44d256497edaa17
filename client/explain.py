"""``compass explain``: which queues could run a job, and what keeps the others from it, rule by rule."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client.actions import answer, connect
from client.show import state, table


def explain(arguments: Namespace) -> int:
    """Show what brokerage says of a job; of one queue with all rules, of several with what refuses."""
    query = {"job_id": arguments.id, **({"queue": arguments.queue} if arguments.queue else {})}
    found = connect(arguments).get("job/explain", **query)
    return answer(arguments, found, explained)


def explained(found: Mapping[str, Any]) -> RenderableType:
    """Show the choice, a line per queue, and the rules: all of them for the only queue, else those that refuse."""
    choice = found["choice"]
    head = Text(f"job {found['PandaID']} is ").append(state(found["jobStatus"]))
    head.append(f", sent to {found['computingSite']}; brokerage would now choose {choice['queue'] or 'none'}")
    parts: list[RenderableType] = [head]
    turn = found["turn"]
    if turn["share"]:
        before = ", ".join(turn["before"]) or "none"
        parts.append(Text(f"its share is {turn['share']} with {turn['cores']} cores now; shares before it: {before}"))
    if turn["words"]:
        parts.append(Text(f"no pilot is given it: {turn['words']}", style="yellow"))
    if found["obstacle"]:
        parts.append(Text(str(found["obstacle"]), style="red"))
    if choice["words"]:
        parts.append(Text(str(choice["words"]), style="yellow"))
    queues = table("queue", "", ">weight", "refused by")
    for one in found["queues"]:
        verdict = Text("passes", style="green") if one["passed"] else Text("refused", style="red")
        queues.add_row(str(one["queue"]), verdict, f"{one['weight']:.4g}", " ".join(one["tags"]))
    return Group(*parts, Text(), queues, *_rules(found["queues"]))


def _rules(queues: list[Mapping[str, Any]]) -> list[RenderableType]:
    shown: list[RenderableType] = []
    for one in queues:
        findings = [rule for rule in one["findings"] if len(queues) == 1 or not rule["passed"]]
        rules = table("rule", "needed", "there", "outcome", "what can be done", title=f"\n{one['queue']}")
        for rule in findings:
            outcome = Text("passed", style="green") if rule["passed"] else Text(str(rule["tag"]), style="red")
            rules.add_row(rule["criterion"], rule["needed"], rule["there"], outcome, rule["words"])
        for factor in one["factors"] if len(queues) == 1 else ():
            rules.add_row(f"weight: {factor['name']}", "", f"{factor['value']:.4g}", "", factor["words"])
        if findings:
            shown.append(rules)
    return shown
