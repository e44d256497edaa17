"""What an import would do, row by row, before anything is written; and the writing of exactly that."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from django.db import transaction

from server.pandaconfig import logic, queries
from server.pandaconfig.checks import Known
from server.pandaconfig.logic import Author
from server.pandaconfig.readable import Refused, check
from server.pandaconfig.tables import CLOUDCONFIG, SCHEDCONFIG, Key, Row, Table
from server.pandaconfig.transfer.reading import Read


class Kind(StrEnum):
    """What becomes of a row."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    REFUSED = "refused"


@dataclass(frozen=True)
class Planned:
    """One row of a plan; ``differences`` has both values of each column that would change."""

    where: str
    name: str
    kind: Kind
    key: Key | None = None
    values: Row = field(default_factory=dict)
    differences: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    seen: str = ""


@dataclass(frozen=True)
class Plan:
    """What an import would do; ``clouds`` are made first."""

    table: Table
    rows: Sequence[Planned]
    clouds: Sequence[str] = ()

    def count(self, kind: Kind) -> int:
        return sum(one.kind is kind for one in self.rows)

    @property
    def digest(self) -> str:
        """What changes when anything of it does."""
        rows = [[one.where, one.name, one.kind.value, one.seen, one.values, dict(one.errors)] for one in self.rows]
        return logic.digest({"table": self.table.name, "rows": rows, "clouds": list(self.clouds)})


def plan(table: Table, rows: Sequence[Read], *, make_clouds: bool = False, may_write: Any = None) -> Plan:
    """Plan an import, by a constant number of queries.

    Args:
        table: The table.
        rows: What was read; columns that a row does not have stay as they are.
        make_clouds: Whether clouds that queues name, and that there are not, are made.
        may_write: Asked with the values of each row before and after; answers why not, or "".
    """
    known, fresh = queries.known(), table.fresh()
    clouds = sorted(_clouds_of(rows) - known.clouds) if make_clouds and table is SCHEDCONFIG else []
    known = replace(known, clouds=known.clouds | set(clouds))
    numbers = table.numbers() if table.is_numbered else {}
    keys = {one.where: _key(table, one.values, numbers) for one in rows}
    there = table.read_many([key for key in keys.values() if key is not None])
    found = [_planned(table, one, keys[one.where], there, (known, fresh), may_write) for one in rows]
    return Plan(table, found, [name for name in clouds if _is_wanted(name, found)])


def _clouds_of(rows: Sequence[Read]) -> set[str]:
    return {name for one in rows if isinstance(name := one.values.get("cloud"), str) and name}


def _is_wanted(cloud: str, rows: Sequence[Planned]) -> bool:
    return any(one.values.get("cloud") == cloud and one.kind in {Kind.NEW, Kind.CHANGED} for one in rows)


def _key(table: Table, values: Row, numbers: Mapping[tuple[Any, ...], Key]) -> Key | None:
    if table.is_numbered:
        return numbers.get(tuple(str(values.get(name) or "") for name in table.known_by))
    key = values.get(table.key)
    return key if isinstance(key, str) and key else None


def _planned(
    table: Table,
    one: Read,
    key: Key | None,
    there: Mapping[Key, Row],
    said: tuple[Known, Row],
    may_write: Any,
) -> Planned:
    known, fresh = said
    name = table.named(one.values) or one.where
    before = None if key is None else there.get(key)
    try:
        if not one.values.get(table.known_by[0]):
            raise Refused({table.known_by[0]: f"missing; a {table.words} is known by it"})
        after = check(table, {**(before or fresh), **one.values}, before, known)
        if may_write is not None and (words := may_write(before, after)):
            raise Refused({"": words})
    except Refused as refused:
        return Planned(one.where, name, Kind.REFUSED, key, one.values, errors=refused.errors)
    start = before or fresh
    differences = {column: (start[column], after[column]) for column in table.columns if start[column] != after[column]}
    kind = Kind.NEW if before is None else Kind.CHANGED if differences else Kind.SAME
    return Planned(one.where, name, kind, key, one.values, differences, seen=logic.digest(before))


def carry_out(plan: Plan, author: Author) -> str:
    """Write what a plan says, all or nothing; answer what its changes have in common, by which they are undone.

    Rows that are refused are passed over: who confirmed has seen them.

    Raises:
        Refused: something has changed since it was planned; nothing was written.
    """
    author = replace(author, batch=str(uuid.uuid4()))
    with transaction.atomic(), transaction.atomic(using=plan.table.alias):
        for cloud in plan.clouds:
            logic.write(CLOUDCONFIG, cloud, {"name": cloud}, author)
        known = queries.known()
        for one in plan.rows:
            if one.kind in {Kind.NEW, Kind.CHANGED}:
                try:
                    logic.write(plan.table, one.key, one.values, author, seen=one.seen, known=known)
                except Refused as refused:
                    raise Refused(
                        {"": f"{one.name}: {refused}; nothing was written, look at the plan again"}
                    ) from refused
    return author.batch
