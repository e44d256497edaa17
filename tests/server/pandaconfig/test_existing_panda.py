"""Settings lead the tables to the database of an existing PanDA: read, changed, undone, and never made or migrated."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.server.pandaconfig import panda
from tests.services import mariadb, postgresql

#: What is done there, by the server's own code in a process of its own: prints what was seen.
WALK = """
import json, sys
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from server.brokerage import readings
from server.pandaconfig import logic, queries
from server.pandaconfig.logic import Author
from server.pandaconfig.models import Change, Schedconfig
from server.pandaconfig.tables import CLOUDCONFIG, SCHEDCONFIG, SITEACCESS, USERS

call_command("migrate", verbosity=0)
seen = {}
seen["tables"] = sorted(connections["panda"].introspection.table_names())
seen["statuses"] = queries.statuses()
found = queries.queue_json("OLD")
seen["old"] = {key: found[key] for key in ("corecount", "params", "cloud")}
seen["brokerage"] = readings._queues(None).facts["OLD"].cores
seen["unknown"] = queries.unknown_queues(["OLD", "NO"])
change = logic.write(SCHEDCONFIG, "OLD", {"maxrss": 4000, "data": {"params": {"b": 2}}}, Author("ada"))
seen["changed"] = [change.before, change.after]
logic.undo(change.pk, Author("ada"))
seen["undone"] = SCHEDCONFIG.read("OLD")["maxrss"]
logic.write(CLOUDCONFIG, None, {"name": "RU"}, Author("ada"))
logic.define_queue({"nickname": "NEW", "cloud": "RU", "status": "online", "copytools": {"rucio": {}}}, Author("ada"))
logic.write(SITEACCESS, None, {"dn": "/CN=Ada", "pandasite": "NEW"}, Author("ada"))
logic.write(USERS, None, {"name": "ada", "vo": "compass"}, Author("ada"))
of_ada = SITEACCESS.find({"dn": "/CN=Ada", "pandasite": "NEW"}), USERS.find({"name": "ada", "vo": "compass"})
seen["numbers"] = of_ada
seen["users"] = sorted(row["name"] for row in USERS.read_many().values())
logic.set_status(["NEW"], "offline", Author("ada", reason="x"))
seen["set"] = queries.statuses()
get_user_model().objects.create_superuser("ada", "", "x")
client = Client(headers={"host": "localhost"})
client.force_login(get_user_model().objects.get())
seen["pages"] = {}
for model, key in (("schedconfig", "OLD"), ("cloudconfig", "CERN"), ("siteaccess", 7), ("pandauser", 5)):
    pages = [reverse(f"admin:pandaconfig_{model}_changelist"), reverse(f"admin:pandaconfig_{model}_change", args=[key])]
    seen["pages"][model] = [client.get(page).status_code for page in pages]
logic.remove(SCHEDCONFIG, "NEW", Author("ada"))
seen["left"] = queries.queue_names()
print(json.dumps(seen))
"""

#: Rows as an older PanDA has them: little is said, and most of it is NULL.
ROWS = [
    "INSERT INTO schedconfig (nickname, corecount, status, cloud) VALUES ('OLD', 8, 'online', 'CERN')",
    "INSERT INTO schedconfig (nickname, tspace, lastmod) VALUES ('BARE', '2020-01-02 03:04:05', '2020-01-02 03:04:05')",
    """INSERT INTO schedconfig_json VALUES ('OLD', '{"params": {"a": 1}}', '2020-01-02 03:04:05')""",
    "INSERT INTO cloudconfig (name) VALUES ('CERN')",
    "INSERT INTO siteaccess (id, dn, pandasite) VALUES (7, '/CN=Old', 'OLD')",
    "INSERT INTO users (id, name, latestjob) VALUES (5, 'old', '2020-01-02 03:04:05')",
]


def walked(tmp_path, address, password_file=""):
    """Do it in a fresh server's home, and answer what was seen."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_SERVER_")}
    environment |= {
        "COMPASS_SERVER_HOME": str(tmp_path),
        "COMPASS_SERVER_PANDA_DATABASE": address,
        "DJANGO_SETTINGS_MODULE": "server.settings",
    }
    done = subprocess.run([sys.executable, "-c", WALK], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def is_as_it_should_be(seen):
    assert seen["tables"] == ["cloudconfig", "schedconfig", "schedconfig_json", "siteaccess", "users"]
    assert seen["statuses"] == {"BARE": "offline", "OLD": "online"}
    assert seen["old"] == {"corecount": 8, "params": {"a": 1}, "cloud": "CERN"}
    assert seen["brokerage"] == 8
    assert seen["unknown"] == ["NO"]
    before, after = {"maxrss": 0, "data": {"params": {"a": 1}}}, {"maxrss": 4000, "data": {"params": {"b": 2}}}
    assert seen["changed"] == [before, after]
    assert seen["undone"] == 0
    assert seen["numbers"] == [8, 6]
    assert seen["users"] == ["ada", "old"]
    assert seen["set"] == {"BARE": "offline", "NEW": "offline", "OLD": "online"}
    assert seen["left"] == ["BARE", "OLD"]
    assert seen["pages"] == {key: [200, 200] for key in ("schedconfig", "cloudconfig", "siteaccess", "pandauser")}


def test_tables_of_an_sqlite_copy_of_panda_are_worked_on_where_they_are(tmp_path):
    with closing(sqlite3.connect(tmp_path / "panda.sqlite3")) as made:
        for statement in [*panda.statements("sqlite"), *ROWS]:
            made.execute(statement)
        made.commit()
    is_as_it_should_be(walked(tmp_path, f"sqlite:///{tmp_path}/panda.sqlite3"))


@pytest.mark.campaign
def test_tables_of_pandas_postgresql_in_its_own_schemas_are_worked_on_where_they_are(tmp_path):
    with postgresql.running() as server:
        server.make_database("panda")
        server.execute("CREATE SCHEMA doma_panda; CREATE SCHEMA doma_pandameta", "panda")
        path = "SET search_path = doma_pandameta; "
        for statement in panda.statements("postgresql"):
            there = "SET search_path = doma_panda; " if "TABLE schedconfig_json" in statement else path
            server.execute(there + statement, "panda")
        server.execute("SET search_path = doma_pandameta, doma_panda; " + "; ".join(ROWS), "panda")
        is_as_it_should_be(walked(tmp_path, f"{server.url('panda')}?schemas=doma_pandameta,doma_panda"))


@pytest.mark.campaign
def test_tables_of_pandas_mariadb_are_worked_on_where_they_are(tmp_path):
    with mariadb.running() as server:
        server.make_database("panda")
        for statement in [*panda.statements("mysql"), *ROWS]:
            server.execute(statement, "panda")
        is_as_it_should_be(walked(tmp_path, server.url("panda")))
