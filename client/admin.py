"""``compass admin``: PanDA's tables for scripts and administrators: shown, changed, imported, undone; people, too."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client import admin_people
from client.actions import answer, connect
from client.errors import ClientError
from client.show import table

#: The tables, by the names that the server gives them, and what a line of a list tells of each.
_TOLD = {
    "schedconfig": ("status", "gstat", "cloud", "corecount", "maxrss", "maxtime"),
    "cloudconfig": ("status", "description", "tier1", "countries"),
    "siteaccess": ("dn", "pandasite", "status", "rights", "workinggroups"),
    "users": ("name", "vo", "status", "dn", "email"),
    "storages": (),
    "shares": ("parent", "value", "prodsourcelabel", "workinggroup", "processingtype"),
    "limits": ("country", "banned", "max_queued", "max_running_cores"),
}
TABLES = tuple(_TOLD)


def add_commands(commands: Any, common: ArgumentParser, parser_class: type[ArgumentParser]) -> None:
    """Add ``compass admin`` to the command line."""
    verbs = commands.add_parser("admin", help="queues, clouds, storages, people, tokens, keys").add_subparsers(
        dest="verb", required=True, metavar="VERB", parser_class=parser_class
    )
    listing = verbs.add_parser("list", parents=[common], help="the rows of a table")
    listing.add_argument("table", choices=TABLES)
    listing.set_defaults(action=list_rows)
    show = verbs.add_parser("show", parents=[common], help="a row, what uses it, and its latest changes")
    _row(show)
    show.set_defaults(action=show_row)
    write = verbs.add_parser("set", parents=[common], help="make or change a row: columns that are not named stay")
    _row(write)
    words = "such as maxrss=4000 or data='{\"params\": {}}'; may be several"
    write.add_argument("values", nargs="*", metavar="COLUMN=VALUE", help=words)
    write.add_argument("--file", type=Path, help="a JSON object with columns and values; - is standard input")
    _reason(write)
    write.set_defaults(action=set_row)
    delete = verbs.add_parser("delete", parents=[common], help="delete a row; it comes back by undoing that")
    _row(delete)
    _reason(delete)
    delete.set_defaults(action=delete_row)
    status = verbs.add_parser("status", parents=[common], help="set the status of queues, for good or for a time")
    status.add_argument("status", help="online, offline, test, brokeroff, standby or paused")
    status.add_argument("queues", nargs="+", metavar="QUEUE")
    status.add_argument("--reason", required=True, help="why; everybody who wonders reads it")
    status.add_argument("--hours", type=float, help="then each gets back what it has now (default: never)")
    status.set_defaults(action=set_status)
    bring = verbs.add_parser("import", parents=[common], help="show what a file of rows would change, or write it")
    bring.add_argument("table", choices=TABLES)
    bring.add_argument("file", type=Path, help="CSV, or JSON as exported here or by CRIC; - is standard input")
    bring.add_argument("--write", action="store_true", help="write it; without, it is only shown")
    bring.add_argument("--make-clouds", action="store_true", help="make clouds that queues name and that there are not")
    _reason(bring)
    bring.set_defaults(action=import_rows)
    export = verbs.add_parser("export", parents=[common], help="write all rows of a table as JSON, to be imported")
    export.add_argument("table", choices=TABLES)
    export.set_defaults(action=export_rows)
    undo = verbs.add_parser("undo", parents=[common], help="undo a change")
    undo.add_argument("number", type=int, help="its number, as 'show' tells it")
    _reason(undo)
    undo.set_defaults(action=undo_change)
    admin_people.add_verbs(verbs, common, parser_class)


def _row(parser: ArgumentParser) -> None:
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("key", help="the row's name, or its number in siteaccess and users")


def _reason(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", default="", help="why, for the history")


def _rows(arguments: Namespace) -> list[dict[str, Any]]:
    """Answer all rows of a table."""
    connection, rows, after = connect(arguments), [], ""
    while True:
        found = connection.get("config/get_rows", table=arguments.table, **({"after": after} if after else {}))
        rows += found["rows"]
        after = found["next"]
        if not after:
            return rows


def list_rows(arguments: Namespace) -> int:
    """Show a line for each row."""
    return answer(arguments, _rows(arguments), lambda rows: listed(arguments.table, rows))


def export_rows(arguments: Namespace) -> int:
    """Write all rows, as an import takes them."""
    print(json.dumps([one["row"] for one in _rows(arguments)], indent=2, ensure_ascii=False))
    return 0


def show_row(arguments: Namespace) -> int:
    """Show a row with what belongs to it."""
    found = connect(arguments).get("config/get_row", table=arguments.table, key=arguments.key)
    return answer(arguments, found, row_shown)


def set_row(arguments: Namespace) -> int:
    """Write a row."""
    body = {"table": arguments.table, "values": values_of(arguments), "reason": arguments.reason}
    # A row that is known by its name may be a new one; a number is one that there is.
    if arguments.table in {"siteaccess", "users"}:
        body["key"] = arguments.key
    else:
        name = "nickname" if arguments.table == "schedconfig" else "name"
        body |= {"values": {name: arguments.key, **body["values"]}, "key": arguments.key}
    return answer(arguments, connect(arguments).post("config/write_row", body), change_shown)


def delete_row(arguments: Namespace) -> int:
    """Delete a row."""
    body = {"table": arguments.table, "key": arguments.key, "reason": arguments.reason}
    return answer(arguments, connect(arguments).post("config/delete_row", body), change_shown)


def set_status(arguments: Namespace) -> int:
    """Set the status of queues; it is a failure when one was left alone."""
    body = {"queues": arguments.queues, "status": arguments.status, "reason": arguments.reason}
    body |= {} if arguments.hours is None else {"hours": arguments.hours}
    found = connect(arguments).post("config/set_status", body)
    answer(arguments, found, lambda said: status_shown(arguments.status, said))
    return 1 if found["left"] else 0


def import_rows(arguments: Namespace) -> int:
    """Show what a file would change; write exactly that when it is asked for."""
    body = {"table": arguments.table, "text": _text(arguments.file), "reason": arguments.reason}
    body |= {"make_clouds": arguments.make_clouds}
    connection = connect(arguments)
    found = connection.post("config/import_rows", body)
    if arguments.write:
        found = connection.post("config/import_rows", {**body, "digest": found["digest"]})
    answer(arguments, found, plan_shown)
    return 1 if found["counts"]["refused"] else 0


def undo_change(arguments: Namespace) -> int:
    """Undo a change."""
    body = {"number": arguments.number, "reason": arguments.reason}
    return answer(arguments, connect(arguments).post("config/undo", body), change_shown)


def values_of(arguments: Namespace) -> dict[str, Any]:
    """Answer what a row shall say, of a file and of the command line, which wins.

    Raises:
        ClientError: a word has no equals sign, or the file is no JSON object.
    """
    values: dict[str, Any] = {}
    if arguments.file is not None:
        values = _object(_text(arguments.file), "--file")
    for word in arguments.values:
        name, equals, said = word.partition("=")
        if not equals:
            raise ClientError(f"{word}: there is no equals sign in it", "write COLUMN=VALUE, such as maxrss=4000")
        values[name] = _object(said, name) if name == "data" else said
    if not values:
        raise ClientError("there is nothing to set", "write COLUMN=VALUE, or give a --file")
    return values


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as wrong:
        raise ClientError(f"{where}: {wrong}", "write a JSON object") from wrong
    if not isinstance(found, dict):
        raise ClientError(f"{where}: this is no JSON object", "write one, such as {}")
    return found


def _text(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise ClientError(f"{file}: no text in UTF-8", "save it as UTF-8") from wrong


def listed(name: str, rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show a line for each row, with the columns that tell most."""
    shown = table("key", *_TOLD[name])
    for one in rows:
        shown.add_row(one["key"], *(str(one["row"][column] or "") for column in _TOLD[name]))
    return shown if rows else Text("there are no rows")


def row_shown(found: Mapping[str, Any]) -> RenderableType:
    """Show a row's columns that say something, what uses it, and its changes."""
    row = found["row"]
    columns = table("column", "value")
    for name, value in (row or {}).items():
        if value not in ("", 0, None, {}):
            columns.add_row(name, value if isinstance(value, str) else json.dumps(value))
    uses = [Text(f"{one['what']}: {one['count']}") for one in found["uses"]]
    changes = [change_shown(one) for one in found["changes"]]
    return Group(columns if row is not None else Text("it was deleted"), *uses, *changes)


def change_shown(change: Mapping[str, Any] | None) -> RenderableType:
    """Show a change in a line."""
    if change is None:
        return Text("nothing changed: it says all of it already")
    before, after = change["before"], change["after"]
    if before is None or after is None:
        what = "made" if before is None else "deleted"
    else:
        what = ", ".join(f"{name}: {before[name]!r} -> {after[name]!r}" for name in after)
    why = f" ({change['reason']})" if change["reason"] else ""
    when = change["at"][:19].replace("T", " ")
    return Text(
        f"change {change['number']} at {when} by {change['person'] or 'the server'}{why}: {change['key']} {what}"
    )


def status_shown(status: str, found: Mapping[str, Any]) -> RenderableType:
    """Show which queues were set, and which were not."""
    until = f" until {found['until'][:16].replace('T', ' ')} UTC" if found["until"] else ""
    lines = [Text(f"{name} is {status}{until}") for name in found["set"]]
    return Group(*lines, *(Text(f"{name} was left alone: {why}") for name, why in found["left"].items()))


def plan_shown(found: Mapping[str, Any]) -> RenderableType:
    """Show what an import changes, or has changed."""
    rows = table("row", "what", "columns")
    for one in found["rows"]:
        said = [f"{column}: {words}" if column else words for column, words in one["errors"].items()]
        said += [f"{column}: {old!r} -> {new!r}" for column, (old, new) in one["differences"].items()]
        rows.add_row(one["name"], one["kind"], "\n".join(said))
    counts = ", ".join(f"{count} {kind}" for kind, count in found["counts"].items())
    clouds = [Text(f"clouds that are made: {', '.join(found['clouds'])}")] if found["clouds"] else []
    end = (
        f"written; its changes have the batch {found['batch']}" if found["batch"] else "nothing is written; say --write"
    )
    return Group(*([rows] if found["rows"] else []), *clouds, Text(f"{counts}: {end}"))
