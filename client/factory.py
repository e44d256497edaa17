"""``compass factory``: what the pilot factory decides and why, what it would decide otherwise, and its switches."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client.actions import answer, connect
from client.show import table

Found = Mapping[str, Any]


def add_commands(commands: Any, common: ArgumentParser, parser_class: type[ArgumentParser]) -> None:
    """Add ``compass factory`` to the command line."""
    verbs = commands.add_parser("factory", help="the pilot factory").add_subparsers(
        dest="verb", required=True, metavar="VERB", parser_class=parser_class
    )
    show = verbs.add_parser("show", parents=[common], help="its batch systems, its queues and their last decisions")
    show.set_defaults(action=show_factory)
    why = verbs.add_parser("explain", parents=[common], help="why a queue gets as many pilots as it gets, rule by rule")
    why.add_argument("queue")
    why.set_defaults(action=explain)
    again = verbs.add_parser("replay", parents=[common], help="the same with other settings; nothing is submitted")
    again.add_argument("queue")
    words = "such as max_waiting=50, scale.factor=2 or rules='[\"ready\"]'; may be repeated"
    again.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help=words)
    again.add_argument("--cycle", type=int, help="number of the cycle whose facts are taken (default: the last)")
    again.set_defaults(action=replay)
    for word, words in (("on", "let a queue have pilots"), ("off", "submit no more pilots; those that live stay")):
        switch = verbs.add_parser(word, parents=[common], help=words)
        switch.add_argument("queue")
        switch.set_defaults(action=switch_queue, on=word == "on")
    confirm = verbs.add_parser("confirm", parents=[common], help="confirm the large change that a queue waits for")
    confirm.add_argument("queue")
    confirm.set_defaults(action=confirm_change)


def show_factory(arguments: Namespace) -> int:
    """Show the systems and the queues."""
    return answer(arguments, connect(arguments).get("factory/get_overview"), overview_shown)


def explain(arguments: Namespace) -> int:
    """Show the last decision for a queue."""
    return answer(arguments, connect(arguments).get("factory/explain", queue=arguments.queue), explained)


def replay(arguments: Namespace) -> int:
    """Show what would have been decided with other settings."""
    query: dict[str, Any] = {"queue": arguments.queue, "settings": arguments.settings}
    if arguments.cycle is not None:
        query["cycle"] = arguments.cycle
    return answer(arguments, connect(arguments).get("factory/replay", **query), replayed)


def switch_queue(arguments: Namespace) -> int:
    """Switch a queue on or off."""
    found = connect(arguments).post("factory/switch", {"queue": arguments.queue, "on": arguments.on})
    return answer(arguments, found, lambda row: Text(f"{row['queue']} is {'on' if row['enabled'] else 'off'}"))


def confirm_change(arguments: Namespace) -> int:
    """Confirm a queue's change."""
    found = connect(arguments).post("factory/confirm", {"queue": arguments.queue})
    words = "a change of {change:+d} pilots of {queue} is confirmed; it is made in the next cycle, within an hour"
    return answer(arguments, found, lambda one: Text(words.format(**one)))


def overview_shown(found: Found) -> RenderableType:
    """Show a line per system and a line per queue."""
    systems = table("system", "kind", "health", ">queues", ">pilots", ">at most", "words")
    for one in found["systems"]:
        health = Text(one["health"], style={"well": "green", "silent": "red"}.get(one["health"], ""))
        most = "" if one["max_pilots"] is None else str(one["max_pilots"])
        systems.add_row(one["name"], one["kind"], health, str(one["queues"]), str(one["pilots"]), most, one["words"])
    queues = table("queue", "", "system", ">waiting", ">running", ">jobless", ">last", "because")
    for one in found["queues"]:
        switch = Text("confirm!", style="red") if one["change_to_confirm"] else Text("" if one["enabled"] else "off")
        pilots, last = one["pilots"], one["decision"]
        queues.add_row(
            one["queue"], switch, one["batch_system"], str(pilots["waiting"]), str(pilots["running"]),
            _percent(one["cost"]), str(last["number"]), Text(last["reason"]),
        )  # fmt: skip
    if not found["queues"]:
        return Group(systems, Text("the factory has no queues; the admin's page Factory queues adds them"))
    return Group(systems, Text(), queues)


def _percent(cost: Found) -> str:
    return "" if cost["jobless_percent"] is None else f"{cost['jobless_percent']} %"


def explained(found: Found) -> RenderableType:
    """Show the last decision rule by rule, and what was known."""
    last, cost, pilots = found["decision"], found["cost"], found["pilots"]
    head = f"{found['queue']} ({'on' if found['enabled'] else 'off'}, {found['batch_system']}): {last['number']} pilots"
    parts: list[RenderableType] = [Text(f"{head}, because {last['reason']}")]
    if found["change_to_confirm"]:
        words = f"a change of {found['change_to_confirm']:+d} waits: 'compass factory confirm {found['queue']}'"
        parts.append(Text(words, style="red"))
    parts.append(Text(f"pilots: {pilots['waiting']} wait, {pilots['running']} run, {pilots['retiring']} told to end"))
    if cost["ended"]:
        words = f"{cost['jobless']} of {cost['ended']} pilots that ended since yesterday had no job"
        parts.append(Text(f"{words} ({_percent(cost)}); {cost['idle_hours']:.1f} hours without one"))
    return Group(*parts, Text(), _trace(found["trace"]))


def _trace(trace: Sequence[Found]) -> RenderableType:
    rules = table("rule", ">pilots", "because")
    for step in trace:
        rules.add_row(step["rule"], str(step["number"]), Text(step["reason"]))
    return rules


def replayed(found: Found) -> RenderableType:
    """Show what was decided, and what would have been."""
    said = ", ".join(f"{name} = {value}" for name, value in found["settings"].items()) or "the present settings"
    head = f"cycle {found['cycle']} decided {found['was']['number']}; with {said} it would be {found['number']}"
    return Group(Text(head), Text(), _trace(found["trace"]))
