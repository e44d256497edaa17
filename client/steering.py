"""``compass task explain`` and what else steers a task that is on its way."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client import show
from client.actions import answer, connect
from client.errors import ClientError
from client.show import state, table

#: Decisions that are shown.
MOST = 5
#: Runs that are named.
MOST_RUNS = 10
#: What can be made again.
WHATS = ("failed", "manual_check", "staging", "chunks", "merging", "crosscheck", "archive")
_COUNTED = ("chunks", "merges", "checks", "files")


def add_commands(task: Any, common: Any) -> None:
    """Add the verbs of steering to ``compass task``."""
    why = task.add_parser("explain", parents=[common], help="why so many, or no, jobs of a task are sent")
    why.add_argument("name")
    why.set_defaults(action=explain)
    _add_resends(task, common)
    change = task.add_parser("change", parents=[common], help="change a task on its way")
    change.add_argument("name")
    change.add_argument("--priority", type=int, help="of its processing jobs")
    change.add_argument("--merging-priority", type=int, help="of its merges")
    change.add_argument("--max-attempts", type=int, help="attempts of each job")
    change.add_argument("--queue", help="where its next jobs go")
    change.add_argument("--site", help="where its next jobs go, with the site's queue, merging queue and software area")
    change.add_argument("--tape", help="the storage whose tapes take its files that were not asked for yet; '-': none")
    change.add_argument(
        "--limit",
        action="append",
        metavar="NAME=NUMBER",
        help="its own limits, instead of those that it has",
    )
    change.add_argument("--why", default="", help="the reason, which is kept with your name")
    change.set_defaults(action=change_task)


def _add_resends(task: Any, common: Any) -> None:
    again = task.add_parser("resend", parents=[common], help="make a part of a task again, with all that follows")
    again.add_argument("name")
    again.add_argument("what", choices=WHATS, help="what of it")
    again.add_argument("--run", type=int, help="of this run alone")
    again.add_argument("--chunk", type=int, help="this chunk of the run alone")
    again.add_argument("--kind", choices=("mdst", "hist", "dump", "logs"), default="", help="merges of this kind alone")
    again.add_argument("--cause", default="", help="of what failed only what that made fail, such as payload:1243")
    again.add_argument("--with-merges", action="store_true", help="also the merges that have these chunks' files")
    again.add_argument("--why", default="", help="the reason, which is kept with your name")
    again.add_argument("--preview", action="store_true", help="only show what would be made again")
    again.set_defaults(action=resend)
    undo = task.add_parser("undo-resend", parents=[common], help="put a resend back, while nothing new has run")
    undo.add_argument("resend", type=int, help="its number")
    undo.add_argument("--why", default="", help="the reason, which is kept with your name")
    undo.set_defaults(action=undo_resend)
    resends = task.add_parser("resends", parents=[common], help="what of a task was made again, by whom and why")
    resends.add_argument("name")
    resends.set_defaults(action=list_resends)


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


def resend(arguments: Namespace) -> int:
    """Make a part of a task again, or only show what that would be."""
    order = {name: getattr(arguments, name) for name in ("name", "what", "kind", "with_merges", "why", "preview")}
    order |= {name: getattr(arguments, name) for name in ("run", "chunk") if getattr(arguments, name) is not None}
    order |= {"cause": arguments.cause} if arguments.cause else {}
    return answer(arguments, connect(arguments).post("production/resend", order), resent)


def resent(found: Mapping[str, Any]) -> RenderableType:
    """Show what was made again, or would be."""
    if "resend" in found:
        said = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in found["counts"].items())
        back = f"; take it back by 'compass task undo-resend {found['resend']}' before it runs"
        if found["counts"]["jobs_ended"]:
            back = "; jobs were ended for it, so it cannot be taken back"
        return Text(f"resend {found['resend']} of {found['task']} ({found['words']}): {said}{back}")
    lines = [Text(f"{found['words']} of {found['task']} would be made again:")]
    lines += [Text(words, style="red") for words in found["refused"]]
    made = table("task", "chunks", "merges", "checks", "to tape", "runs")
    for one in found["tasks"]:
        counts = [", ".join(f"{number} {what}" for what, number in one[name].items()) for name in _COUNTED]
        made.add_row(str(one["task"]), *counts, ", ".join(str(run) for run in one["runs"][:MOST_RUNS]))
    files = f"{found['outputs']} files are made anew ({found['size']} bytes)"
    ended = f"; {found['jobs_ended']} living jobs are ended, which cannot be undone" if found["jobs_ended"] else ""
    return Group(*lines, made, Text(files + ended))


def undo_resend(arguments: Namespace) -> int:
    """Put back what a resend has changed."""
    order = {"resend": arguments.resend} | ({"why": arguments.why} if arguments.why else {})
    found = connect(arguments).post("production/undo_resend", order)
    return answer(arguments, found, lambda _: Text(f"resend {found['resend']} of {found['task']} is undone"))


def list_resends(arguments: Namespace) -> int:
    """Show what of a task was made again."""
    return answer(arguments, connect(arguments).get("production/list_resends", name=arguments.name), listed)


def listed(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show resends, newest first."""
    if not found:
        return Text("nothing of it was sent again", style="dim")
    made = table(">no.", "when", "who", "what", "why", "undone by")
    for one in found:
        words = (Text(str(one[name])) for name in ("by", "words", "why", "undone_by"))
        made.add_row(str(one["resend"]), str(one["at"])[:19], *words)
    return made


def change_task(arguments: Namespace) -> int:
    """Change a task on its way."""
    fields = ("name", "priority", "merging_priority", "max_attempts", "queue", "site", "tape", "why")
    order = {name: getattr(arguments, name) for name in fields if getattr(arguments, name) is not None}
    if arguments.limit:
        order["limits"] = read_limits(arguments.limit)
    return answer(arguments, connect(arguments).post("production/change_task", order), show.task)


def read_limits(said: Sequence[str]) -> dict[str, int]:
    """Read ``name=number`` words; the word ``none`` alone means that there are none.

    Raises:
        ClientError: a word is something else.
    """
    if list(said) == ["none"]:
        return {}
    found = {}
    for word in said:
        name, equals, number = word.partition("=")
        if not equals or not number.isascii() or not number.isdigit():
            raise ClientError(f"--limit {word!r} is not a name and a number", "write for example jobs_per_task=200")
        found[name] = int(number)
    return found
