"""A database of an earlier server is brought up to date, loses nothing on the way, and is worked on.

The rows are those of a home that has run a production, kept by the code of before the administrator's desk; see
`old_rows` for how.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import mariadb, postgresql

ROOT = Path(__file__).parents[3]
ROWS = Path(__file__).with_name("rows-before-the-desk.json.gz")

#: What is done with it afterwards, by the server's own code in a process of its own: prints what was seen.
WALK = """
import json, sys
from pathlib import Path
import django
django.setup()
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from tests.server.manage.old_rows import put

seen = {"put": put(Path(sys.argv[1]))}
call_command("migrate", verbosity=0)

from server.pandaconfig import queries
from server.pandaconfig.models import Cloudconfig, Schedconfig
from server.pandaconfig.tables import SCHEDCONFIG
from server.production.models import Chunk, Task
from server.services.logic import run_service
from server.services import schedules
from server.services.registry import declared
from server.taskbuffer.models import Job, JobEvent

seen["counts"] = {
    model._meta.label_lower: model.objects.count()
    for model in (Chunk, Task, Job, JobEvent, Schedconfig)
}
fresh = SCHEDCONFIG.fresh()
seen["queue"] = {name: value for name, value in SCHEDCONFIG.read("OLD_QUEUE").items() if value != fresh[name]}
seen["clouds"] = list(Cloudconfig.objects.values_list("name", flat=True))
seen["allowed"] = queries.queue("OLD_QUEUE").copytools_for("pr")
schedules.install(declared())
seen["service"] = run_service("production.submit", "test", asked="person").outcome.value

User.objects.create_superuser("root")
pages = Client(headers={"host": "localhost"})
pages.force_login(User.objects.get(username="root"))
models = [model for model in admin.site._registry if model.__module__.startswith("server.")]
lists = [reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in models]
task = Task.objects.order_by("pk")[0]
wanted = [*lists, "/", "/admin/", "/production", f"/tasks/{task.name}", "/account"]
seen["pages"] = {page: status for page in wanted if (status := pages.get(page).status_code) != 200}
seen["looked at"] = len(wanted)


def call(token, method, fields):
    client = Client(headers={"host": "localhost", "accept": "application/json", "authorization": f"Bearer cps_{token}"})
    return client.post(f"/api/v1/{method}", json.dumps(fields), content_type="application/json").json()


def worked(state):
    (taken,) = call("old-pilot", "pilot/acquire_jobs", {"site_name": "LOCAL"})["data"]["jobs"]
    number = int(taken["PandaID"])
    for one in ("running", state):
        said = {"job_id": number, "job_status": one, "attempt_nr": taken["attemptNr"]}
        assert call("old-pilot", "pilot/update_job", said)["success"]
    return [taken["jobName"], number, Job.objects.get(pk=number).state]


seen["waited"] = worked("failed")  # its output is nowhere
new = {"computingSite": "LOCAL", "transformation": "/bin/true", "files": [], "maxAttempt": 1}
((later, *_),) = call("old-production", "job/submit", {"jobs": [new]})["data"]
seen["later"] = [later, *worked("finished")[1:]]
seen["reader"] = call("old-reader", "job/submit", {"jobs": [new]})["message"]
print(json.dumps(seen))
"""


def upgraded(home, **settings):
    """Put the rows into an empty database, bring it up to date, and work on it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
    environment = {**plain, "COMPASS_SERVER_HOME": str(home), "DJANGO_SETTINGS_MODULE": "server.settings", **settings}
    argv = [sys.executable, "-c", WALK, str(ROWS)]
    done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def is_as_it_was(seen):
    for label, number in seen["counts"].items():
        assert number == seen["put"][label] > 0, label
    assert seen["queue"] == {
        **{"nickname": "OLD_QUEUE", "status": "brokeroff", "gstat": "OLD", "cloud": "CERN", "region": "EU"},
        **{"corecount": 8, "maxrss": 16000, "maxtime": 86400, "maxwdir": 20000, "maxinputsize": 5000, "timefloor": 60},
        **{"cmtconfig": "x86_64", "appdir": "/cvmfs/compass", "environ": "A=1", "catchall": "allow_no_pilot"},
        **{"container_type": "apptainer:pilot", "container_options": "-B /cvmfs", "resource_type": "GRID"},
        **{"comment": "the first", "pilotversion": ""},
        "data": {
            **{"copytools": {"rucio": {}}, "acopytools": {"pr": ["rucio"]}, "params": {"a": [1, 2]}, "releases": "1,2"},
            "direct_access_lan": True,
        },
    }
    assert seen["clouds"] == ["CERN"]
    assert seen["allowed"] == ["rucio"]
    assert seen["service"] in {"ok", "nothing"}
    assert seen["pages"] == {}
    assert seen["looked at"] > 60
    name, number, state = seen["waited"]
    assert (name, state) == ("waits", "failed")
    later, taken, ended = seen["later"]
    assert (later > number, taken, ended) == (True, later, "finished")
    assert "has the role reader" in seen["reader"]


def test_a_database_on_sqlite_goes_on_after_an_upgrade(tmp_path):
    is_as_it_was(upgraded(tmp_path))


@pytest.mark.campaign
def test_a_database_on_postgresql_goes_on_after_an_upgrade(tmp_path):
    with postgresql.running() as server:
        server.make_database("compass")
        is_as_it_was(upgraded(tmp_path, COMPASS_SERVER_DATABASE=server.url("compass")))


@pytest.mark.campaign
def test_a_database_on_mariadb_goes_on_after_an_upgrade(tmp_path):
    with mariadb.running() as server:
        server.make_database("compass")
        is_as_it_was(upgraded(tmp_path, COMPASS_SERVER_DATABASE=server.url("compass")))
