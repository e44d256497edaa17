"""Django for the tests of the server: its own settings, a database in memory, a home that nobody writes to."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import django
import pytest

for name in [name for name in os.environ if name.startswith("COMPASS_SERVER_")]:
    del os.environ[name]
os.environ["COMPASS_SERVER_HOME"] = str(Path(tempfile.gettempdir()) / f"compass-server-test-{os.getpid()}")
os.environ["DJANGO_SETTINGS_MODULE"] = "server.settings"
django.setup()


@pytest.fixture(autouse=True, scope="session")
def _no_database_without_asking(django_db_blocker):
    """A test that uses the database says so with the `db` or `transactional_db` fixture."""
    with django_db_blocker.block():
        yield
