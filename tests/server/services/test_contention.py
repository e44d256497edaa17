"""Leases under contention: several processes with several threads each, on one SQLite file."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.server.services.conftest import environment

pytestmark = pytest.mark.one_python

CONTENDER = """
import json, sys, threading
import django; django.setup()
from datetime import UTC, datetime, timedelta
from django.db import connection
from server.services import lease
now = datetime(2026, 3, 1, tzinfo=UTC)
taken, lock = [], threading.Lock()
def contend(owner):
    for turn in range(40):
        grant = lease.acquire("work", owner, now=now, seconds=60)
        if grant is None:
            continue
        with lock:
            taken.append(grant.generation)
        assert lease.release(lease.renew(grant, now=now, seconds=60), now=now)
    connection.close()
threads = [threading.Thread(target=contend, args=(f"{sys.argv[1]}-{n}",)) for n in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps(taken))
"""


def test_processes_and_threads_that_contend_never_hold_it_together(home):
    argv = [sys.executable, "-c", CONTENDER]
    running = [
        subprocess.Popen([*argv, name], env=environment(home), stdout=subprocess.PIPE, text=True) for name in "ab"
    ]
    answers = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    generations = [number for answer in answers for number in json.loads(answer)]
    assert generations
    # A holder releases with the very generation that it took: each was held by one alone, and none was skipped.
    assert sorted(generations) == list(range(1, len(generations) + 1))
