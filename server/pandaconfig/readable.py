"""Whether a row may be stored: its columns, what they say of others, and that pilots can read what they are sent.

Each description of a queue or a storage is read by the contract, as pilots will read it.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import JSONField
from django.utils import timezone

from pilot.contract.codec import ContractError
from pilot.contract.queue import QueueData
from pilot.contract.queue import StorageEndpoint as StorageData
from server.pandaconfig import checks
from server.pandaconfig.checks import Known
from server.pandaconfig.merge import merge
from server.pandaconfig.tables import SCHEDCONFIG, STORAGES, Row, Table, plain

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120


class Refused(ValueError):
    """A row is not written; ``errors`` says why, by column."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{column}: {words}" if column else words for column, words in errors.items()))
        self.errors = dict(errors)


def check(table: Table, row: Row, before: Row | None, known: Known) -> Row:
    """Answer a row as it will be stored.

    Args:
        table: Its table.
        row: All of its columns.
        before: What it says now; columns that stay as they are may say what new ones may not.
        known: What it may name.

    Raises:
        Refused: it is not good.
    """
    clean, errors = _clean(table, row, before)
    if errors:
        raise Refused(errors)
    changed = frozenset(name for name in clean if before is None or clean[name] != before[name])
    wrong = checks.wrong_with(table.name, clean, known, changed=changed, now=timezone.now())
    wrong += [(name, words) for name in table.known_by if name in changed and (words := _misread(clean[name]))]
    errors = dict(reversed(wrong))  # of several about a column the first
    errors = {**_unreadable(table, clean), **errors} or _of_the_model(table, clean)
    if errors:
        raise Refused(errors)
    return clean


def _misread(name: Any) -> str:
    """Say why people would take a name for another; "" when they would not."""
    said = str(name)
    if said == said.strip() and not set(said) & set("\t\r\n"):
        return ""
    return f"{said!r} has a blank at an end, or a tabulator or the end of a line in it; leave it out"


def _clean(table: Table, row: Row, before: Row | None) -> tuple[Row, dict[str, str]]:
    """Have each column look at what is new in it."""
    clean, errors = dict(row), {}
    for name, field in table.fields.items():
        said = row[name]
        if before is not None and said == before[name]:
            clean[name] = before[name]  # True is 1 for Python, and no number
            continue
        if words := unkept(field, said):
            errors[name] = words
            continue
        if said == {}:  # Django takes that for nothing
            continue
        try:
            clean[name] = plain(field.clean(field.to_python(said), None))
        except (ValidationError, TypeError, OverflowError) as wrong:
            words = " ".join(wrong.messages) if isinstance(wrong, ValidationError) else str(wrong)
            known = f" Known are {', '.join(str(value) for value, _ in field.choices)}." if field.choices else ""
            errors[name] = f"{_SHORT.repr(said)}: {words}{known}"
    if "data" in row and "data" not in table.fields and (words := checks.unstorable(row["data"])):
        errors["data"] = words
    return clean, errors


def unkept(field: Any, said: Any) -> str:
    """Say why a column cannot have a value of that kind at all; "" when it can."""
    if isinstance(said, Mapping | list | tuple) and not isinstance(field, JSONField):
        return f"{_SHORT.repr(said)}: one value is expected, not several"
    return checks.unstorable(said)


def _unreadable(table: Table, row: Row) -> dict[str, str]:
    try:
        if table is SCHEDCONFIG:
            check_queue(str(row["nickname"]), row, row["data"])
        elif table is STORAGES:
            check_storage(str(row["name"]), row["data"])
    except ContractError as wrong:
        return {wrong.field_name if wrong.field_name in table.columns else "data": str(wrong)}
    return {}


def _of_the_model(table: Table, row: Row) -> dict[str, str]:
    """Have the model look at the whole row, for what it says of other rows of its table."""
    made = table.model(**{name: table.fields[name].to_python(row[name]) for name in table.fields})
    try:
        made.clean()
    except ValidationError as wrong:
        by_column = wrong.message_dict if hasattr(wrong, "error_dict") else {"": wrong.messages}
        return {column: " ".join(words) for column, words in by_column.items()}
    return {}


def check_queue(name: str, columns: Mapping[str, Any], beside: Any) -> QueueData:
    """Read a queue as pilots will, so that what they cannot read is refused here.

    Raises:
        ContractError: they could not.
    """
    if not isinstance(beside, Mapping):
        raise ContractError("data: a JSON object is expected", field_name="data")
    doubled = sorted(set(beside) & {"nickname", "panda_resource"})
    if doubled:
        raise ContractError(f"data: {doubled[0]} is the queue's name and has its own field", field_name="data")
    return QueueData.from_wire(merge(name, columns, beside) if name else {})


def check_storage(name: str, data: Any) -> StorageData:
    """Read a storage as pilots will.

    Raises:
        ContractError: they could not.
    """
    if not isinstance(data, Mapping):
        raise ContractError("data: a JSON object is expected", field_name="data")
    return StorageData.from_wire(name, data)
