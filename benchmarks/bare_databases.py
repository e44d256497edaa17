"""Databases as a program sees them that has nothing between itself and the driver: begin, do, commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.settings.database import read_address

Row = Sequence[Any]


class BareSQLite:
    """A file; one writer at a time."""

    begin = "BEGIN IMMEDIATE"
    #: What follows a question whose row nobody else may get.
    for_me = ""

    def __init__(self, file: Path, synchronous: str) -> None:
        import sqlite3

        self._connection = sqlite3.connect(file, isolation_level=None, timeout=60)
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON", "cache_size=-65536"):
            self._connection.execute(f"PRAGMA {pragma}")

    def do(self, text: str, values: Row = ()) -> Row | None:
        """Run a statement; answer the first row of its answer."""
        found: Row | None = self._connection.execute(text, values).fetchone()
        return found

    def insert(self, text: str, values: Row) -> int:
        """Insert a row; answer its number."""
        return int(self._connection.execute(text, values).lastrowid or 0)


class BarePostgreSQL:
    """A connection by psycopg, whose statements are prepared at their second use."""

    begin = "BEGIN"
    for_me = " FOR UPDATE SKIP LOCKED"

    def __init__(self, url: str) -> None:
        import psycopg

        at = read_address(url)
        self._connection = psycopg.connect(
            host=at.host, port=at.port, user=at.user, dbname=at.name, autocommit=True, prepare_threshold=1
        )
        self._cursor = self._connection.cursor()

    def do(self, text: str, values: Row = ()) -> Row | None:
        """Run a statement; answer the first row of its answer."""
        self._cursor.execute(text.replace("?", "%s").encode(), values)
        return self._cursor.fetchone() if self._cursor.description else None

    def insert(self, text: str, values: Row) -> int:
        """Insert a row; answer its number."""
        row = self.do(f"{text} RETURNING id", values)
        return int(row[0]) if row else 0


class BareMariaDB:
    """A connection by PyMySQL."""

    begin = "BEGIN"
    for_me = " FOR UPDATE SKIP LOCKED"

    def __init__(self, url: str) -> None:
        import pymysql

        at = read_address(url)
        self._connection = pymysql.connect(
            unix_socket=at.host, user=at.user, database=at.name, autocommit=True, charset="utf8mb4"
        )
        self._cursor = self._connection.cursor()
        self.do("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def do(self, text: str, values: Row = ()) -> Row | None:
        """Run a statement; answer the first row of its answer."""
        self._cursor.execute(text.replace("?", "%s"), values)
        found: Row | None = self._cursor.fetchone() if self._cursor.description else None
        return found

    def insert(self, text: str, values: Row) -> int:
        """Insert a row; answer its number."""
        self.do(text, values)
        return int(self._cursor.lastrowid)


BareDatabase = BareSQLite | BarePostgreSQL | BareMariaDB


def opened(url: str, file: Path, synchronous: str) -> BareDatabase:
    """Open the database at an address, or the file where there is none."""
    if not url:
        return BareSQLite(file, synchronous)
    return BarePostgreSQL(url) if read_address(url).kind == "postgresql" else BareMariaDB(url)
