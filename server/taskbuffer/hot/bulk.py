"""Many new rows at once, as each database takes them fastest: by COPY, or by inserts of many rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from django.db import connection
from django.db.backends.utils import CursorWrapper

if TYPE_CHECKING:
    from server.taskbuffer.models import Job

#: From so many rows on COPY is the faster way.
COPY_FROM = 20

#: Rows of one insert; MariaDB takes 16 MB in one statement, unless it is told otherwise.
BATCH = 1000


def add_rows(cursor: CursorWrapper, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Add rows to a table. MariaDB's driver makes inserts of many rows, of a megabyte at most, out of this one."""
    names = ", ".join(columns)
    if connection.vendor == "postgresql" and len(rows) >= COPY_FROM:
        # Django makes its own errors of the driver's for statements only.
        with connection.wrap_database_errors, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join(["%s"] * len(columns))
    cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608 (our own names)


class Rows(NamedTuple):
    """New rows of one table."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def add_tables(cursor: CursorWrapper, tables: Iterable[Rows]) -> None:
    """Add rows to several tables: few of them, where the database reads JSON into rows, by one statement."""
    some = [each for each in tables if each.rows]
    if connection.vendor != "postgresql" or max((len(each.rows) for each in some), default=COPY_FROM) >= COPY_FROM:
        for each in some:
            add_rows(cursor, *each)
        return
    parts = []
    for at, (table, columns, _) in enumerate(some):
        names = ", ".join(columns)
        read = f"SELECT {names} FROM json_populate_recordset(NULL::{table}, %s::json)"  # noqa: S608 (our own names)
        parts.append(f"added_{at} AS (INSERT INTO {table} ({names}) {read})")
    said = [orjson.dumps([dict(zip(columns, row, strict=True)) for row in rows]).decode() for _, columns, rows in some]
    cursor.execute(f"WITH {', '.join(parts)} SELECT 1", said)


def number_jobs(cursor: CursorWrapper, jobs: Iterable[Job]) -> tuple[list[Job], Rows]:
    """Tell each new job its number; the numbers rise in their order. Answer the jobs, and those rows still to be added.

    Only PostgreSQL gives numbers out beforehand: elsewhere the rows are added now.
    """
    added = list(jobs)
    if connection.vendor != "postgresql" or not added:
        return _add_jobs(cursor, added), Rows("taskbuffer_job", (), ())
    cursor.execute(
        "SELECT nextval(pg_get_serial_sequence('taskbuffer_job', 'id')) FROM generate_series(1, %s)", (len(added),)
    )
    for job, (number,) in zip(added, sorted(cursor.fetchall()), strict=True):
        job.pk = number
    columns = {str(field.column): field.attname for field in added[0]._meta.concrete_fields}
    rows = [[getattr(job, name) for name in columns.values()] for job in added]
    return added, Rows("taskbuffer_job", tuple(columns), rows)


def _add_jobs(cursor: CursorWrapper, added: list[Job]) -> list[Job]:
    if len(added) == 1:
        return [_add_job(cursor, added[0])]
    return type(added[0])._default_manager.bulk_create(added, batch_size=BATCH) if added else []


def _add_job(cursor: CursorWrapper, job: Job) -> Job:
    """Add one job. Django takes three times as long to write the statement anew for each."""
    values = {
        str(field.column): field.get_db_prep_save(getattr(job, field.attname), connection)
        for field in job._meta.concrete_fields
        if not field.primary_key
    }
    marks = ", ".join(["%s"] * len(values))
    text = f"INSERT INTO taskbuffer_job ({', '.join(values)}) VALUES ({marks}) RETURNING id"  # noqa: S608 (our own names)
    cursor.execute(text, list(values.values()))
    ((job.pk,),) = cursor.fetchall()
    return job
