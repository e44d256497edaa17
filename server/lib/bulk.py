"""Rows by the hundred thousand: written by the database's driver alone, which costs a third of Django's own way.

No objects are made, no signals are sent, no keys are answered. PostgreSQL takes them by ``COPY``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import Model
from django.utils import timezone

#: Rows of one statement, where the driver makes one of many.
BATCH = 1000


def write(model: type[Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write a row for each of ``rows``, one batch in memory at a time; answer how many. In the caller's transaction.

    Args:
        model: Whose table.
        names: What the values are, as the model's attributes are called; all others get the model's defaults.
        rows: Values as the driver takes them: numbers, texts, ``None``.

    Raises:
        LookupError: the model has no such attribute.
        IntegrityError: a row is refused by the table; then none of its batch was written.
    """
    fields = {field.attname: field for field in model._meta.concrete_fields}
    if unknown := set(names) - fields.keys():
        raise LookupError(f"{model.__name__} has no {', '.join(sorted(unknown))}")
    rest = [field for name, field in fields.items() if name not in names and not field.primary_key]
    same = [field.get_db_prep_save(_default(field), connection) for field in rest]
    columns = [connection.ops.quote_name(str(field.column)) for field in (*(fields[name] for name in names), *rest)]
    full = ((*row, *same) for row in rows)
    count, into = 0, f"{connection.ops.quote_name(model._meta.db_table)} ({', '.join(columns)})"
    for batch in _batches(full):
        _send(into, len(columns), batch)
        count += len(batch)
    return count


def _default(field: Any) -> Any:
    """Answer what Django would write where nothing is said, the time of an automatic one too."""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return timezone.now()
    return field.get_default()


def _batches(rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _send(into: str, wide: int, batch: Sequence[Sequence[Any]]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with connection.wrap_database_errors, cursor.cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in batch:
                    copy.write_row(row)
        else:
            text = f"INSERT INTO {into} VALUES ({', '.join(['%s'] * wide)})"  # noqa: S608 (names of the model)
            cursor.executemany(text, batch)


def update(rows: Sequence[Model], names: Sequence[str]) -> None:
    """Write these columns of rows as the objects have them, all of one model. In the caller's transaction.

    Args:
        rows: Rows that are there and that nobody else can change: locked, and read in this transaction.
        names: The attributes whose columns are written.

    Raises:
        LookupError: the model has no such attribute.
    """
    if not rows:
        return
    meta = rows[0]._meta
    fields = {field.attname: field for field in meta.concrete_fields}
    if unknown := set(names) - fields.keys():
        raise LookupError(f"{meta.object_name} has no {', '.join(sorted(unknown))}")
    chosen, quote = [fields[name] for name in names], connection.ops.quote_name
    places = ", ".join(f"{quote(str(field.column))} = %s" for field in chosen)
    text = f"UPDATE {quote(meta.db_table)} SET {places} WHERE {quote(str(meta.pk.column))} = %s"  # noqa: S608 (as above)
    values = [
        (*(field.get_db_prep_save(getattr(row, field.attname), connection) for field in chosen), row.pk) for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(text, values)
