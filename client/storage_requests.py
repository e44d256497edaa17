"""``compass data``: requests to storages are listed, explained, released, tried again and given up."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client.actions import answer, connect
from client.show import counts, state, table

#: How many of a request's files and moves are shown.
FILES, MOVES = 20, 10


def add_commands(commands: Any, common: Any, parser_class: type) -> None:
    """Describe the commands."""
    data = commands.add_parser("data", help="requests to storages: files brought, copied, removed").add_subparsers(
        dest="verb", required=True, metavar="VERB", parser_class=parser_class
    )
    listing = data.add_parser("requests", parents=[common], help="the open requests, then the latest that have ended")
    listing.add_argument("--state", choices=("open", "done", "failed"), default="", help="those in this state alone")
    listing.add_argument("--limit", type=int, default=50, help="how many at most (default: 50)")
    listing.set_defaults(action=list_requests)
    explain = data.add_parser("explain", parents=[common], help="where a request stands, and what keeps it")
    explain.add_argument("id", type=int, help="its number")
    explain.set_defaults(action=explain_request)
    for verb, method, words, why in (
        ("release", "release_request", "let the files of a prestage go", "kept in its history"),
        ("try-again", "try_request_again", "ask again for what failed", "kept in its history"),
        ("give-up", "give_request_up", "end it, whether or not its storage answers", "kept in its history; needed"),
    ):
        act = data.add_parser(verb, parents=[common], help=words)
        act.add_argument("id", type=int, help="its number")
        act.add_argument("--why", default="", required=verb == "give-up", help=f"why; {why}")
        act.set_defaults(action=act_on_request, method=method)


def list_requests(arguments: Namespace) -> int:
    """Show requests, one line for each."""
    query = {"limit": arguments.limit, **({"state": arguments.state} if arguments.state else {})}
    return answer(arguments, connect(arguments).get("data/list_requests", **query), requests)


def explain_request(arguments: Namespace) -> int:
    """Show where one request stands."""
    return answer(arguments, connect(arguments).get("data/get_request", request_id=arguments.id), request)


def act_on_request(arguments: Namespace) -> int:
    """Release a request, try it again, or give it up."""
    order = {"request_id": arguments.id, **({"why": arguments.why} if arguments.why else {})}
    found = connect(arguments).post(f"data/{arguments.method}", order)
    return answer(arguments, found, done)


def done(found: Mapping[str, Any]) -> RenderableType:
    """Show what an act has done."""
    one = found["request"]
    files = f"{found['files']} file{'' if found['files'] == 1 else 's'} {WORDS[one['done'][0]['act']]}"
    return Text(f"{one['kind']} {one['id']}: {files}; it is ").append(state(one["state"]))


#: What was done to the files, by the act.
WORDS = {"release": "let go", "try_again": "asked for again", "give_up": "given up"}


def requests(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show a list of requests."""
    if not found:
        return Text("no such request", style="dim")
    made = table(">request", "kind", "storage", "state", ">files", "files by state", "asked by", "last words")
    for one in found:
        where = Text(str(one["endpoint"])).append(" silent" if one["silent_since"] else "", style="red")
        row = (str(one["id"]), str(one["kind"]), where, state(one["state"]), str(one["files"]), counts(one["states"]))
        made.add_row(*row, str(one["by"]), Text(str(one["words"]), style="dim"))
    return made


def request(found: Mapping[str, Any]) -> RenderableType:
    """Show one request: in words, what people did, its files and its latest moves."""
    head = Text(f"{found['kind']} {found['id']} at {found['endpoint']}  ", style="bold").append(state(found["state"]))
    parts: list[RenderableType] = [head, *(Text(f"  {words}") for words in found["explained"])]
    bound = found["bound"]
    parts.append(Text(f"  bound: {bound['seconds'] / 86400:.3g} d ({bound['told_by']})", style="dim"))
    if found["acts"]:
        verbs = ", ".join(f"compass data {act.replace('_', '-')} {found['id']}" for act in found["acts"])
        parts.append(Text(f"  to act on it: {verbs}", style="dim"))
    if found["done"]:
        acts = table("when", "what", ">files", "by", "why", title="\nwhat people did")
        for one in found["done"]:
            acts.add_row(str(one["at"])[:19], state(one["act"]), str(one["files"]), str(one["by"]), str(one["why"]))
        parts.append(acts)
    return Group(*parts, *_files(found))


def _files(found: Mapping[str, Any]) -> list[RenderableType]:
    files = table("file", "state", ">try", "since", "last words", title="\nfiles")
    for one in found["transfers"][:FILES]:
        tries = f"{one['tries']}/{one['allowed']}"
        files.add_row(str(one["lfn"]), state(one["state"]), tries, str(one["since"])[:19], str(one["words"]))
    moves = table("when", "file", "to", "by", "words", title="\nlatest moves")
    for one in found["moves"][:MOVES]:
        moves.add_row(str(one["at"])[:19], str(one["lfn"]), state(one["after"]), str(one["by"]), str(one["words"]))
    return [files, moves]
