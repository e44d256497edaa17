"""Reads files of rows: CSV with a line of names, a JSON list of rows, or a JSON object of rows by name, as CRIC has it.

Nothing is looked up here, and nothing is believed: what a row may say is checked when it is planned.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from server.pandaconfig.checks import unstorable
from server.pandaconfig.merge import split
from server.pandaconfig.tables import SCHEDCONFIG, Row, Table

#: Rows of one file, and characters of one value, at most.
MOST, LONGEST = 20_000, 1_000_000
#: PanDA's name of a column that Django refuses.
_SPELLINGS = {"comment_": "comment"}


class Unreadable(ValueError):
    """A file is not one of rows of this table; the text says where and why."""


@dataclass(frozen=True)
class Read:
    """One row of a file: where it stands, and what it says."""

    where: str
    values: Row


def read(table: Table, text: str) -> list[Read]:
    """Read a file.

    Args:
        table: Whose rows it has.
        text: The file; JSON when it begins with a bracket, else CSV with commas, semicolons or tabulators.

    Raises:
        Unreadable: it is neither, has no rows or too many, or names a column that there is not.
    """
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise Unreadable("there are NUL signs in it, as in UTF-16 or in no text at all; save it as UTF-8")
    if not text.strip():
        raise Unreadable("the file is empty")
    found = list(_json(table, text) if text.lstrip()[:1] in {"{", "["} else _csv(table, text))
    if not found:
        raise Unreadable("there is no row in it")
    if len(found) > MOST:
        raise Unreadable(f"it has {len(found)} rows; at most {MOST} are taken at a time; cut it into pieces")
    named: dict[str, str] = {}
    for one in found:
        name = table.named(one.values)
        if name and name in named:
            raise Unreadable(f"{one.where}: {name} is in {named[name]} already; leave one out")
        named[name] = one.where
    return found


def _csv(table: Table, text: str) -> Iterator[Read]:
    csv.field_size_limit(LONGEST)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [_column(table, name.strip().lower(), "line 1") for name in next(lines)]
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            raise Unreadable(f"line 1: the column {twice} is there twice; leave one out")
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"line {lines.line_num}"
            if len(cells) != len(names):
                raise Unreadable(f"{where}: {len(cells)} cells, and {len(names)} names in line 1")
            yield Read(where, {name: _cell(name, cell, where) for name, cell in zip(names, cells, strict=True) if name})
    except csv.Error as wrong:
        raise Unreadable(f"line {lines.line_num}: {wrong}") from wrong


def _cell(name: str, cell: str, where: str) -> Any:
    if name != "data":
        return cell
    try:
        return json.loads(cell) if cell.strip() else {}
    except (ValueError, RecursionError) as wrong:
        raise Unreadable(f"{where}: data: no JSON: {wrong}") from wrong


def _column(table: Table, name: str, where: str) -> str:
    """Answer a column by its name; nothing for one that the table keeps by itself."""
    name = _SPELLINGS.get(name, name)
    if name in table.columns:
        return name
    if name in {one.name for one in table.model._meta.concrete_fields} or name in {"id", "last_update"}:
        return ""
    near = get_close_matches(name, table.columns, n=1)
    meant = f"did you mean {near[0]}?" if near else f"the first of them are {', '.join(table.columns[:8])}"
    raise Unreadable(f"{where}: {name[:60]!r} is no column of {table.name}; {meant}")


def _json(table: Table, text: str) -> Iterator[Read]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise Unreadable(f"no JSON: {wrong}") from wrong
    if isinstance(said, Mapping):
        # One row alone, or rows by name.
        items = [("the row", said)] if table.known_by[0] in said else list(said.items())
    else:
        items = [(f"row {number}", one) for number, one in enumerate(said, 1)]
    for number, (where, one) in enumerate(items, 1):
        if words := unstorable([where, one]):
            raise Unreadable(f"row {number}: {words}")
        if not isinstance(one, Mapping):
            raise Unreadable(f"{where}: an object with the columns of a row is expected, not {str(one)[:40]!r}")
        yield Read(str(where)[:100], _row(table, str(where), one))


def _row(table: Table, where: str, said: Mapping[str, Any]) -> Row:
    if table is SCHEDCONFIG and not isinstance(said.get("data"), Mapping):
        called = said.get("nickname") or said.get("panda_resource") or ""
        if not isinstance(called, str):
            raise Unreadable(f"{where}: nickname: the queue's name is expected, not {str(called)[:40]!r}")
        name, columns, beside = split(said)  # CRIC's keys: what has no column stands beside
        return {**columns, "nickname": name or where, "data": beside}
    if table.columns == ("name", "data") and "data" not in said:
        return {"name": str(said.get("name") or where), "data": dict(said)}  # ddmendpoints.json
    named = {_column(table, str(name), where): value for name, value in said.items()}
    return {name: value for name, value in named.items() if name}
