"""Django for the tests of the server: its own settings, a home that nobody writes to, and a database in memory.

`tests.on_database` runs them on another one.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.db.backends.signals import connection_created

from tests.kits.tables import tables

for name in [name for name in os.environ if name.startswith("COMPASS_SERVER_")]:
    del os.environ[name]
os.environ["COMPASS_SERVER_HOME"] = str(Path(tempfile.gettempdir()) / f"compass-server-test-{os.getpid()}")
if "TESTS_DATABASE" in os.environ:
    os.environ["COMPASS_SERVER_DATABASE"] = os.environ["TESTS_DATABASE"]
os.environ["DJANGO_SETTINGS_MODULE"] = "server.settings"
django.setup()
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, for tests alone


HERE = Path(__file__).parent
#: Folders whose tests with a database are about rows and statements, which no second Python makes different.
ABOUT_ROWS = ("dataservice", "monitor", "production", "taskbuffer", "test_admin.py")


def _is_about_rows(item):
    where = item.path.relative_to(HERE).parts[0] if HERE in item.path.parents else ""
    uses_database = {"db", "transactional_db"} & set(item.fixturenames) or item.get_closest_marker("django_db")
    return where in ABOUT_ROWS and uses_database


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if _is_about_rows(item):
            item.add_marker(pytest.mark.one_python)


def _give_tables(connection, **more):
    """Let a new database in memory have the tables that all migrations make, so that none is run by each process."""
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        into = connection.connection
        if not into.execute("SELECT 1 FROM sqlite_master").fetchone():
            with closing(sqlite3.connect(tables())) as made:
                made.backup(into)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    connection_created.connect(_give_tables)


@pytest.fixture(autouse=True, scope="session")
def _no_database_without_asking(django_db_blocker):
    """A test that uses the database says so with the `db` or `transactional_db` fixture."""
    with django_db_blocker.block():
        yield


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """Each test begins as a fresh worker process does."""
    from server.accounts.identity import BY_ATTRIBUTES, BY_LOGIN, IDENTITIES, WEB_TOKENS
    from server.accounts.passwords import FAILURES
    from server.accounts.rules import RATES, STRANGERS
    from server.brokerage import readings
    from server.dispatcher.logic import KINDS, QUEUES, WISHES
    from server.production.queries.task_list import MOVES
    from server.taskbuffer.again import RULES
    from server.taskbuffer.hot.places import PLACES

    for memory in (
        MOVES,
        IDENTITIES,
        BY_ATTRIBUTES,
        BY_LOGIN,
        WEB_TOKENS,
        RATES,
        STRANGERS,
        FAILURES,
        KINDS,
        QUEUES,
        WISHES,
        RULES,
        PLACES,
    ):
        memory.forget()
    readings.forget()


@pytest.fixture
def queue(db):
    """A queue that takes jobs of up to 8 cores, and its name."""
    from server.pandaconfig.logic import define_queue

    define_queue({"nickname": "LOCAL", "status": "online", "corecount": 8, "maxrss": 16000})
    return "LOCAL"


@pytest.fixture
def pilot_token(db):
    from server.accounts.logic import create_token
    from server.accounts.models import Role

    return create_token("a-pilot", Role.PILOT)


@pytest.fixture
def production_token(db):
    from server.accounts.logic import create_token
    from server.accounts.models import Role

    return create_token("a-manager", Role.PRODUCTION)
