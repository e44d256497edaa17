"""``compass-server tables``: PanDA's tables on the server's own machine, for scripts that set it up: no token."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from datetime import timedelta
from getpass import getuser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from server.pandaconfig import logic
from server.pandaconfig.logic import Author
from server.pandaconfig.models import Change, Schedconfig
from server.pandaconfig.readable import Refused
from server.pandaconfig.tables import TABLES, Table
from server.pandaconfig.transfer import writing
from server.pandaconfig.transfer.planning import Kind, carry_out, plan
from server.pandaconfig.transfer.reading import Unreadable, read


class Command(BaseCommand):
    help = "Change queues, clouds, site access, users, storages, shares and limits, with a line of history each."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        write = verbs.add_parser("set", help="make or change a row: columns that are not named stay")
        _table(write)
        write.add_argument("key", help="the row's name, or its number in siteaccess and users")
        write.add_argument("values", nargs="+", metavar="COLUMN=VALUE", help="such as maxrss=4000; data= takes a JSON")
        status = verbs.add_parser("status", help="set the status of queues, for good or for a time")
        status.add_argument("status", help=", ".join(Schedconfig.Status.values))
        status.add_argument("queues", nargs="+", metavar="QUEUE")
        status.add_argument("--hours", type=float, help="then each gets back what it has now (default: never)")
        bring = verbs.add_parser("import", help="show what a file of rows would change, or write it")
        _table(bring)
        bring.add_argument("file", type=Path, help="CSV, or JSON as exported here or by CRIC; - is standard input")
        bring.add_argument("--write", action="store_true", help="write it; without, it is only shown")
        bring.add_argument("--make-clouds", action="store_true", help="make clouds that queues name")
        export = verbs.add_parser("export", help="write all rows of a table")
        _table(export)
        export.add_argument("--csv", action="store_true", help="as CSV; JSON without")
        undo = verbs.add_parser("undo", help="undo a change by its number")
        undo.add_argument("number", type=int)
        for one in (write, status, bring, undo):
            one.add_argument("--reason", default="", help="why, for the history")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        author = Author(getuser(), Change.Way.COMMAND, options.get("reason") or "")
        try:
            getattr(self, f"_{verb}")(author, **options)
        except (Refused, Unreadable) as wrong:
            raise CommandError(str(wrong)) from wrong

    def _set(self, author: Author, *, table: str, key: str, values: list[str], **_: Any) -> None:
        chosen = TABLES[table]
        said = dict(_value(word) for word in values)
        if chosen.is_numbered:
            change = logic.write(chosen, _number(chosen, key), said, author)
        else:
            change = logic.write(chosen, key, {chosen.key: key, **said}, author)
        self.stdout.write(f"change {change.pk} of {change.label}" if change else "it says all of it already")

    def _status(self, author: Author, *, status: str, queues: list[str], hours: float | None, **_: Any) -> None:
        if hours is not None and not 0 < hours <= 24 * 366:
            raise CommandError(f"--hours: {hours:g} is not between 0 and {24 * 366}")
        until = None if hours is None else timezone.now() + timedelta(hours=hours)
        left = logic.set_status(queues, status, author, until=until)
        for name in sorted(set(queues) - set(left)):
            self.stdout.write(f"{name} is {status}{f' until {until:%Y-%m-%d %H:%M} UTC' if until else ''}")
        if left:
            raise CommandError("; ".join(left.values()))

    def _import(self, author: Author, *, table: str, file: Path, write: bool, make_clouds: bool, **_: Any) -> None:
        planned = plan(TABLES[table], read(TABLES[table], _text(file)), make_clouds=make_clouds)
        for one in planned.rows:
            if one.kind is Kind.REFUSED:
                self.stdout.write(f"refused: {one.name}: {Refused(one.errors)}")
            elif one.kind is not Kind.SAME:
                shown = ", ".join(f"{column}: {old!r} -> {new!r}" for column, (old, new) in one.differences.items())
                self.stdout.write(f"{one.kind.value}: {one.name}: {shown}")
        counts = ", ".join(f"{planned.count(kind)} {kind.value}" for kind in Kind)
        batch = carry_out(planned, author) if write else ""
        self.stdout.write(
            f"{counts}: {f'written, with the batch {batch}' if write else 'nothing is written; say --write'}"
        )
        if planned.count(Kind.REFUSED):
            raise CommandError(f"{planned.count(Kind.REFUSED)} rows were refused")

    def _export(self, author: Author, *, table: str, csv: bool, **_: Any) -> None:
        chosen = TABLES[table]
        keys = list(chosen.model._default_manager.order_by("pk").values_list("pk", flat=True))
        for piece in (writing.as_csv if csv else writing.as_json)(chosen, keys):
            self.stdout.write(piece, ending="")

    def _undo(self, author: Author, *, number: int, **_: Any) -> None:
        change = logic.undo(number, author)
        self.stdout.write(f"change {change.pk} of {change.label} undid it" if change else "it says all of it already")


def _table(parser: ArgumentParser) -> None:
    parser.add_argument("table", choices=list(TABLES))


def _value(word: str) -> tuple[str, Any]:
    name, equals, said = word.partition("=")
    if not equals:
        raise CommandError(f"{word}: there is no equals sign in it; write COLUMN=VALUE")
    try:
        return name, json.loads(said) if name == "data" else said
    except ValueError as wrong:
        raise CommandError(f"data: {wrong}; write a JSON object") from wrong


def _number(table: Table, key: str) -> Any:
    try:
        return table.key_from(key)
    except ValueError:
        raise CommandError(f"key: {key!r} is no number, by which {table.name} knows its rows") from None


def _text(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as wrong:
        raise CommandError(f"{file}: {wrong}") from wrong
