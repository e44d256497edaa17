"""Tests of the server on another database than SQLite: ``python -m tests.on_database mariadb -n 3 tests/server``.

Starts the database, names its address to `tests/server/conftest.py`, and runs pytest with the words that follow.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.services import mariadb, postgresql

#: Where the tests of the server look for the address.
VARIABLE = "TESTS_DATABASE"
SERVICES = {"postgresql": postgresql.running, "mariadb": mariadb.running}


def main(kind: str, *words: str) -> int:
    try:
        with SERVICES[kind]() as server:
            server.make_database("compass")
            environment = {**os.environ, VARIABLE: server.url("compass")}
            # The folders' time budgets are those of SQLite.
            argv = [sys.executable, "-m", "pytest", "-p", "no:time-budget", *words]
            return subprocess.run(argv, env=environment).returncode
    except pytest.skip.Exception as skipped:
        sys.stderr.write(f"{skipped}\n")
        return 0
    except pytest.fail.Exception as failed:
        sys.stderr.write(f"{failed}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
