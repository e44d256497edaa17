"""Whether a database can hold what the server writes, before anything is written to it."""

from __future__ import annotations

from django.db import connection
from django.db.utils import OperationalError

#: The oldest that the server is tested with.
OLDEST_MARIADB = (10, 6)


def unfit() -> str:
    """Say in words what is wrong with the database, and how it is put right; nothing when it can be used."""
    try:
        connection.ensure_connection()
    except OperationalError as wrong:
        return f"COMPASS_SERVER_DATABASE: the database does not answer: {' '.join(str(wrong).split())}"
    except OSError as wrong:  # PyMySQL's, which does not name it
        words = "a file that ssl_ca, ssl_cert or ssl_key names cannot be used"
        return f"COMPASS_SERVER_DATABASE: {words}: {wrong.strerror or wrong}"
    judge = {"postgresql": _unfit_postgresql, "mysql": _unfit_mariadb}.get(connection.vendor)
    return judge() if judge else ""


def _ask(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchone()[0])


def _unfit_postgresql() -> str:
    encoding = _ask("SHOW server_encoding")
    if encoding != "UTF8":
        return (
            f"the database's encoding is {encoding}; make it by CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
        )
    return ""


def _unfit_mariadb() -> str:
    version = _ask("SELECT VERSION()")
    if "MariaDB" not in version:
        return f"the database is MySQL {version}; only MariaDB is supported"
    if tuple(map(int, version.split(".")[:2])) < OLDEST_MARIADB:
        return f"the database is MariaDB {version}; {'.'.join(map(str, OLDEST_MARIADB))} or newer is needed"
    collation = _ask("SELECT @@collation_database")
    # Names of files that differ in a capital letter are two names.
    if not (collation.startswith("utf8mb4") and collation.endswith("_bin")):
        text = "ALTER DATABASE ... CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
        return f"the database compares texts by {collation}; before anything is in it, run: {text}"
    return ""
