"""A server's tables in SQLite, made once for all tests: `compass-server init` needs seconds to make them anew."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import cache
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "tables"
#: Whose migrations there are besides our own.
OTHERS = ("django", "django-celery-beat", "django-celery-results")
NAME = "db.sqlite3"


def put_tables(home: Path) -> None:
    """Let a server's home that is not there yet have a database with all tables; `init` finds nothing to migrate."""
    home.mkdir(mode=0o700, parents=True)
    shutil.copyfile(tables(), home / NAME)
    (home / NAME).chmod(0o600)


@cache
def tables() -> Path:
    """Answer a database as `compass-server migrate` makes it, which nobody writes to."""
    file = PLACE / f"{_migrations()}.sqlite3"
    if not file.is_file():
        PLACE.mkdir(parents=True, exist_ok=True)
        with (PLACE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # other processes that run tests ask for it at the same moment
            if not file.is_file():
                _make(file)
    return file


def _migrations() -> str:
    """Answer what changes with the migrations."""
    found = hashlib.sha256(repr([version(name) for name in OTHERS]).encode())
    for path in sorted(ROOT.glob("server/*/migrations/*.py")):
        found.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return found.hexdigest()[:16]


def _make(file: Path) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("COMPASS_", "DJANGO_"))}
    with tempfile.TemporaryDirectory(dir=PLACE) as home:
        argv = [sys.executable, "-m", "server.manage", "migrate", "--verbosity", "0"]
        subprocess.run(argv, env={**plain, "COMPASS_SERVER_HOME": home}, cwd=ROOT, check=True, timeout=300)
        made = Path(home) / NAME
        with closing(sqlite3.connect(made)) as database:
            database.execute("PRAGMA journal_mode=DELETE")  # a copy may be one in memory, which keeps no such log
        made.rename(file)
