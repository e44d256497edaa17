"""``compass explain``: which queues could run a job, or which jobs a pilot of a queue is given, and why not others."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client.actions import answer, connect
from client.errors import ClientError
from client.show import state, table

_OFFERED = ("label", "cores", "memory", "disk", "remaining_time", "working_group", "country", "other_countries")


def add_command(commands: Any, common: ArgumentParser) -> None:
    """Add ``compass explain`` to the command line."""
    words = "which queues could run a job, or which jobs a pilot is given, and why not others"
    why = commands.add_parser("explain", parents=[common], help=words)
    why.add_argument("id", type=int, nargs="?", help="the job's number (PandaID); left out: about a pilot of --queue")
    why.add_argument("--queue", default="", help="every rule of this queue alone; without a job, the pilot's queue")
    why.add_argument("--label", help="the pilot asks for jobs of this label (default: unified)")
    why.add_argument("--cores", type=int, help="the pilot's cores (default: the queue's)")
    why.add_argument("--memory", type=int, help="the pilot's memory in MB")
    why.add_argument("--disk", type=int, help="the pilot's disk space in MB")
    why.add_argument("--remaining-time", type=float, help="seconds that the pilot has left")
    why.add_argument("--working-group", help="the only working group whose jobs the pilot runs")
    why.add_argument("--country", help="the pilot's countries, with commas between them: their jobs come first")
    why.add_argument("--no-other-country", dest="other_countries", action="store_const", const="false",
                     help="the pilot runs no jobs of other countries")  # fmt: skip
    why.set_defaults(action=explain)


def explain(arguments: Namespace) -> int:
    """Show what brokerage says of a job, or of a pilot where no job is named."""
    if arguments.id is None:
        return _explain_pilot(arguments)
    offered = [name for name in _OFFERED if getattr(arguments, name) is not None]
    if offered:
        raise ClientError(f"--{offered[0].replace('_', '-')} is about a pilot", "leave the job's number out")
    query = {"job_id": arguments.id, **({"queue": arguments.queue} if arguments.queue else {})}
    found = connect(arguments).get("job/explain", **query)
    return answer(arguments, found, explained)


def _explain_pilot(arguments: Namespace) -> int:
    if not arguments.queue:
        raise ClientError("neither a job nor a queue is named", "give a job's number, or a queue by --queue")
    said = {name: getattr(arguments, name) for name in _OFFERED if getattr(arguments, name) is not None}
    found = connect(arguments).get("pilot/explain", queue=arguments.queue, **said)
    return answer(arguments, found, pilot_explained)


def pilot_explained(found: Mapping[str, Any]) -> RenderableType:
    """Show the kinds of jobs that are queued for a pilot's queue, in their order, and what keeps it from each."""
    offer = found["offer"]
    head = Text(f"a pilot of {found['queue']} ({found['status']}) with {offer['cores']} cores, that asks for ")
    head.append(f"{', '.join(offer['labels'])}: {found['words']}")
    kinds = table("share", "label", "group", "country", ">cores", ">memory", ">disk", ">seconds", ">queued", "outcome")
    for kind in found["kinds"]:
        outcome = Text("fits", style="green") if kind["fits"] else Text(kind["words"], style="red")
        sizes = [f"{kind[name] / 1e9:.4g} GB" for name in ("memory", "disk")]
        kinds.add_row(
            kind["share"] or "none", kind["label"], kind["working_group"], kind["country"], str(kind["cores"]), *sizes,
            str(kind["walltime"]), str(kind["queued"]), outcome,
        )  # fmt: skip
    parts: list[RenderableType] = [head]
    if found["waiting_for_inputs"]:
        parts.append(Text(f"{found['waiting_for_inputs']} jobs of the queue wait for their inputs"))
    if found["kinds"]:
        parts += [Text(), kinds]
    return Group(*parts)


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
