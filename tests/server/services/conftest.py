"""Services for tests: a clock that is set by hand, and a server's home on disk in which real workers run."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from server.services import schedules
from server.services.registry import Declared

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[3]

#: Settings of a server with one more app, and that app's services.
SETTINGS = """
from server.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "beating"]
"""
BEATING = """
import pathlib, time
from server.services.registry import periodic
HOME = pathlib.Path(__file__).parents[1]

@periodic("beating.tick", every=1)
def tick(turn):
    '''Count.'''
    with (HOME / "ticks").open("a") as file:
        file.write(f"{time.time()}\\n")
    return {"ticks": 1}

@periodic("beating.woken", every=600)
def woken(turn):
    '''Note when it ran.'''
    with (HOME / "woken").open("a") as file:
        file.write(f"{time.time()}\\n")
    return {"woken": 1}

@periodic("beating.long", every=1, limit=600)
def long(turn):
    '''Hold on until it is told to go on.'''
    with (HOME / "began").open("a") as file:
        file.write("x")
    while not (HOME / "go").exists():
        time.sleep(0.05)
        turn.keep()
    return {"long": 1}

@periodic("beating.bad", every=1)
def bad(turn):
    '''Fail.'''
    raise ValueError("the disk is full")
"""


class Clock:
    def __init__(self, now: datetime = BEGIN) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def install(db):
    """Declare functions as services of 60 s, and write them to the tables."""

    def install(**functions) -> dict[str, Declared]:
        known = {
            f"test.{name}": Declared(f"test.{name}", f"Does {name}.", 60, 100, run) for name, run in functions.items()
        }
        schedules.install(known)
        return known

    return install


def environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "COMPASS_SERVER_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "beating_settings",
        "PYTHONPATH": f"{home}:{ROOT}",
    }


@pytest.fixture
def home(db, tmp_path) -> Path:
    """A server's home with its tables, and an app named beating."""
    if connection.vendor != "sqlite":
        pytest.skip("not tested on this database: the tables are those of a file of its own")
    home = tmp_path / "home"
    (home / "beating").mkdir(parents=True)
    (home / "beating" / "__init__.py").touch()
    (home / "beating" / "tasks.py").write_text(BEATING)
    (home / "beating_settings.py").write_text(SETTINGS)
    copy = sqlite3.connect(home / "db.sqlite3")
    connection.ensure_connection()
    copy.executescript("\n".join(connection.connection.iterdump()))  # much faster than to migrate again
    copy.close()
    return home
