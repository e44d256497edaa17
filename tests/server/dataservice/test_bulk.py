"""Many files and many jobs cost a number of statements that hardly grows, and calls to storages by the thousand."""

from __future__ import annotations

import pytest
from django.db import connection

from pilot.contract.job import FileSpec, Role
from server.dataservice import logic
from server.dataservice.models import Submission, Transfer, TransferEvent
from server.taskbuffer.models import Job
from tests.server import jobs
from tests.server.dataservice.conftest import filled, states

pytestmark = pytest.mark.one_python

MANY = 10_000


def statements(work) -> int:
    count = 0

    def told(execute, sql, params, many, context):
        nonlocal count
        count += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(told):
        work()
    return count


def test_ten_thousand_files_are_brought_in_ten_calls(world):
    files = filled(world, MANY)
    request = logic.request_prestage(files, "TAPE", 3600, "manager", now=world.now)
    spent = {"submit": statements(world.submit)}
    assert world.tape.calls == ["recall"] * 10
    assert Submission.objects.count() == 10
    world.tape.work()
    world.later(seconds=30)
    spent["poll"] = statements(world.poll)
    spent["look"] = statements(world.look)
    assert world.tape.calls.count("recalled") == 10
    assert world.tape.calls.count("look") == 10
    assert set(states(request)) == {"pinned"}
    assert TransferEvent.objects.count() == 4 * MANY
    # Some statements for each thousand, none for a single file; inserts go in pieces of what SQLite takes at once.
    assert max(spent.values()) < 0.15 * MANY, spent
    assert Transfer.objects.filter(tries=1).count() == MANY


def waiting_jobs(world, count: int) -> None:
    inputs = (FileSpec("cdr00000-1.raw", Role.INPUT, dataset="raw"),)
    jobs.submit(count, waits=True, outputs=(), log=None, inputs=inputs)
    world.follow()


@pytest.mark.usefixtures("queue")
def test_two_thousand_jobs_that_wait_for_one_file_go_when_it_comes(world):
    files = filled(world)
    waiting_jobs(world, 2000)
    assert Job.objects.filter(state="assigned").count() == 2000
    logic.request_prestage(files, "TAPE", 3600, "manager", now=world.now)
    world.submit()
    world.tape.work()
    world.later(seconds=30).poll()
    assert statements(world.look) < 60
    assert statements(world.activate) < 150
    assert Job.objects.filter(state="activated").count() == 2000
    jobs.audit()


@pytest.mark.usefixtures("queue")
def test_statements_to_follow_jobs_grow_far_slower_than_jobs(world):
    filled(world)
    few = statements(lambda: waiting_jobs(world, 10))
    many = statements(lambda: waiting_jobs(world, 100))
    assert many < few + 30


@pytest.mark.usefixtures("queue")
def test_statements_to_register_outputs_grow_far_slower_than_jobs(world):
    spent = []
    for count in (10, 60):
        numbers = [jobs.submit(outputs=(f"{count}-{n}.root",), log=f"{count}-{n}.log.tgz")[0] for n in range(count)]
        jobs.claim(count=count)
        for n, number in enumerate(numbers):
            jobs.finish(number, 1, f"{count}-{n}.root", f"{count}-{n}.log.tgz")
        spent.append(statements(world.follow))
    assert spent[1] < spent[0] + 20
