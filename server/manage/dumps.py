"""The database as one file that was consistent at one moment, and back: each kind by its own means.

No password stands on a command line: PostgreSQL's programs get it by their environment, MariaDB's by a file of mode
0600.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connection

#: What the words of libpq are called in the environment.
_LIBPQ = {
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
}  # fmt: skip
_PACKAGES = {"postgresql": "postgresql-client", "mysql": "mariadb-client"}


class DumpFailed(Exception):
    """The database could not be written to a file, or read from one; the words say why."""


def kind() -> str:
    """Answer which kind of database this server has."""
    return "mariadb" if connection.vendor == "mysql" else connection.vendor


def dump(file: Path) -> None:
    """Write the database to a file that is not there yet, as it is now, while others write on.

    Raises:
        DumpFailed: it did not work.
    """
    said = connection.settings_dict
    if connection.vendor == "sqlite":
        try:
            with closing(sqlite3.connect(said["NAME"])) as database:
                database.execute("VACUUM INTO ?", (str(file),))
        except sqlite3.Error as wrong:
            raise DumpFailed(f"{said['NAME']}: {wrong}") from wrong
    elif connection.vendor == "postgresql":
        options = ("--format=custom", "--compress=0", "--no-owner", "--no-privileges", f"--file={file}")
        _run("pg_dump", *options, environment=_postgresql(said))
    else:
        options = ("--single-transaction", "--quick", "--hex-blob", "--no-tablespaces", f"--result-file={file}")
        with _OptionFile(said, file.parent) as own:
            _run("mariadb-dump", own, *options, str(said["NAME"]))
    file.chmod(0o600)


def empty() -> bool:
    """Say whether the database has no table yet; it is not made by asking."""
    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        return True
    with connection.cursor() as cursor:
        return not connection.introspection.table_names(cursor)


def load(file: Path) -> None:
    """Put what `dump` has written into the place of all that the database holds.

    Raises:
        DumpFailed: it did not work; the database may hold some of it, and nothing else.
    """
    said = connection.settings_dict
    if connection.vendor == "sqlite":
        connection.close()
        try:
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(said["NAME"])) as target:
                source.backup(target)
        except sqlite3.Error as wrong:
            raise DumpFailed(f"{said['NAME']}: {wrong}") from wrong
        Path(said["NAME"]).chmod(0o600)
        return
    if connection.vendor == "postgresql":
        program("pg_restore")  # rather before the tables are dropped
        _drop_tables("DROP TABLE {} CASCADE")
        options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
        _run("pg_restore", *options, f"--dbname={said['NAME']}", str(file), environment=_postgresql(said))
    else:
        program("mariadb")
        _drop_tables("DROP TABLE {}", before="SET SESSION foreign_key_checks = 0")
        with _OptionFile(said, file.parent) as own, file.open("rb") as statements:
            _run("mariadb", own, "--batch", str(said["NAME"]), stdin=statements)


def program(name: str) -> str:
    """Answer where a program is.

    Raises:
        DumpFailed: it is not installed.
    """
    if found := shutil.which(name):
        return found
    words = f"{name} is not on the PATH; it is in the package {_PACKAGES[connection.vendor]}"
    raise DumpFailed(f"{words}, of the database's version or newer")


def _drop_tables(statement: str, before: str = "") -> None:
    with connection.cursor() as cursor:
        if before:
            cursor.execute(before)
        for name in connection.introspection.table_names(cursor):
            cursor.execute(statement.format(connection.ops.quote_name(name)))
    connection.close()


def _run(name: str, *words: str, environment: Mapping[str, str] | None = None, stdin: Any = subprocess.DEVNULL) -> None:
    argv = [program(name), *words]
    plain = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    done = subprocess.run(argv, env={**plain, **(environment or {})}, stdin=stdin, capture_output=True, check=False)
    if done.returncode:
        raise DumpFailed(f"{name}: {' '.join(done.stderr.decode(errors='replace').split())[-1000:]}")


def _postgresql(said: Mapping[str, Any]) -> dict[str, str]:
    found = {"PGDATABASE": said["NAME"], "PGUSER": said["USER"], "PGPASSWORD": said["PASSWORD"]}
    found |= {"PGHOST": said["HOST"], "PGPORT": said["PORT"]}
    found |= {name: str(said["OPTIONS"].get(word, "")) for word, name in _LIBPQ.items()}
    return {name: str(value) for name, value in found.items() if value}


class _OptionFile:
    """MariaDB's option file with address and password, for as long as a program runs; the program's first word."""

    def __init__(self, said: Mapping[str, Any], folder: Path) -> None:
        host = str(said["HOST"])
        where = {"socket": host} if host.startswith("/") else {"host": host, "port": said["PORT"], "protocol": "tcp"}
        values = {"user": said["USER"], "password": said["PASSWORD"], **where, "default-character-set": "utf8mb4"}
        values |= {f"ssl-{name}": value for name, value in said["OPTIONS"].get("ssl", {}).items()}
        lines = [f'{name}="{_escaped(str(value))}"' for name, value in values.items() if value]
        self._file, self._text = folder / "client.cnf", "\n".join(["[client]", *lines, ""])

    def __enter__(self) -> str:
        with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self._text)
        return f"--defaults-file={self._file}"

    def __exit__(self, *_: object) -> None:
        self._file.unlink()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
