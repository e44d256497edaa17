"""Several processes at once on one SQLite file: each job goes once, each file is counted once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python

PREPARE = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from pilot.contract.job import FileSpec, Role
from pilot.contract.queue import local_storage
from server.dataservice import logic
from server.dataservice.states import DatasetKind
from server.pandaconfig.logic import define_queue, define_storage
from tests.server import jobs
define_storage("DISK", local_storage("DISK", "/data"))
define_queue({"nickname": "LOCAL", "status": "online"})
for n in range(15):
    jobs.submit(waits=True, outputs=(f"{n}.root",), log=None, inputs=(FileSpec(f"{n}.raw", Role.INPUT, dataset="raw"),))
"""

WORKER = """
import json, sys, threading
import django; django.setup()
from django.db import connection
from django.utils import timezone
from server.dataservice import logic
from server.dataservice.states import DatasetKind
from server.dataservice.steps import activate, follow
went, filled = [0], threading.Event()
def fill():
    dataset = logic.register_dataset("raw", kind=DatasetKind.INPUT, by="test")
    for n in range(15):
        logic.add_files(dataset, [logic.NewFile(f"{n}.raw", size=1)], by=sys.argv[1], endpoint="DISK")
    filled.set()
    connection.close()
def serve():
    last = False
    while not last:
        last = filled.is_set()  # and then once more
        follow.follow(now=timezone.now(), keep=lambda: None)
        went[0] += activate.activate(now=timezone.now(), keep=lambda: None)[0]
    connection.close()
threads = [threading.Thread(target=fill), threading.Thread(target=serve)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps(went[0]))
"""

JUDGE = """
import django; django.setup()
from server.dataservice.models import Dataset, DatasetFile, Replica, Wait, WaitingJob
from server.taskbuffer.models import Job, JobEvent, Ready
from tests.server import jobs
from tests.server.dataservice.conftest import audit
jobs.audit()
audit()
assert Job.objects.filter(state="activated").count() == Ready.objects.count() == 15
assert JobEvent.objects.filter(after="activated").count() == 15
assert DatasetFile.objects.filter(dataset__name="raw", state="available").count() == Replica.objects.count() == 15
assert not WaitingJob.objects.exists() and not Wait.objects.exists()
"""


def python(code: str, home: Path, *arguments: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
    where = {**ours, "COMPASS_SERVER_HOME": str(home), "DJANGO_SETTINGS_MODULE": "server.settings"}
    argv = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(argv, env=where, stdout=subprocess.PIPE, text=True, cwd=root)


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_processes_that_fill_follow_and_activate_at_once_agree(home):
    first = python(PREPARE, home)
    first.communicate(timeout=60)
    assert first.returncode == 0
    workers = [python(WORKER, home, name) for name in "ab"]
    went = [json.loads(worker.communicate(timeout=90)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert sum(went) == 15
    judge = python(JUDGE, home)
    judge.communicate(timeout=60)
    assert judge.returncode == 0
