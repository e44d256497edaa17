"""Writes rows as files that can be read back: CSV with every column, or a JSON list; streamed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator

from server.pandaconfig.tables import Key, Table

#: Rows that are read at a time.
_PIECE = 500


def as_csv(table: Table, keys: Iterable[Key]) -> Iterator[str]:
    """Write rows as lines of CSV, the names of the columns first; the JSON beside a queue is one cell."""
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(table.columns)
    for row in _rows(table, keys):
        writer.writerow([_cell(row[name]) for name in table.columns])
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return "" if value is None else value


def as_json(table: Table, keys: Iterable[Key]) -> Iterator[str]:
    """Write rows as a JSON list, one row a line."""
    separator = "[\n"
    for row in _rows(table, keys):
        yield separator + json.dumps({name: row[name] for name in table.columns}, ensure_ascii=False, default=str)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _rows(table: Table, keys: Iterable[Key]) -> Iterator[dict[str, object]]:
    piece: list[Key] = []
    for key in keys:
        piece.append(key)
        if len(piece) == _PIECE:
            yield from table.read_many(piece).values()
            piece = []
    yield from table.read_many(piece).values()
