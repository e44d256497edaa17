"""What claims and reports set going besides the job: the pilot's count, and the production that waits."""

from __future__ import annotations

import gc
import os
import weakref

import pytest

from pilot.contract.codec import Dialect
from pilot.contract.messages import JobUpdate, WorkRequest
from pilot.contract.states import JobState
from server.accounts.rules import NotAllowed
from server.dispatcher import logic
from server.pilots import logic as pilots
from server.pilots.logic import Place
from server.pilots.models import Pilot
from server.services import queries, schedules
from server.services.models import Service
from server.services.registry import declared
from server.services.wake import pipe
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.models import Attempt, Job
from tests.server import jobs
from tests.server.services.conftest import BEGIN

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours():
    """A pilot of the factory, under the id key/0 of its batch system."""
    pilots.order("LOCAL", "local", "key", 1, now=BEGIN)
    pilots.confirm("key", {0: Place("key/0")}, now=BEGIN, missing="")


def test_a_claim_is_counted_once_for_its_pilot_and_names_it_from_the_start(queue, ours, admin_client):
    first, *_ = jobs.submit(3)
    request = WorkRequest(queue=queue, count=2, scheduler_id="key/0")
    for _ in range(2):
        assert len(logic.acquire(request, "a-request-1", repeatable=True, by="a-pilot")) == 2
    logic.acquire(WorkRequest(queue=queue, scheduler_id="unknown"), "a-request-2", repeatable=True, by="a-pilot")
    assert Pilot.objects.get().jobs == 2
    assert list(Attempt.objects.order_by("pk").values_list("batch_id", flat=True)) == ["key/0", "key/0", "unknown"]
    jobs.report(first, "running")
    assert Attempt.objects.get(job=first).batch_id == "key/0"
    attempts = admin_client.get("/admin/taskbuffer/attempt/", {"batch_id": "key/0"})
    assert attempts.context["cl"].result_count == 2
    assert '"/admin/pilots/pilot/?batch_id=key%2F0"' in attempts.content.decode()
    assert '<a href="/admin/taskbuffer/attempt/?batch_id=key%2F0">2</a>' in (
        admin_client.get("/admin/pilots/pilot/", {"batch_id": "key/0"}).content.decode()
    )


@pytest.mark.parametrize(
    ("state", "woken"),
    [
        (JobState.RUNNING, []),
        (JobState.FINISHED, ["production.collect"]),
        (JobState.FAILED, ["production.collect"]),
    ],
)
def test_a_final_report_wakes_the_production(state, woken, settings, tmp_path):
    settings.HOME = tmp_path  # no worker listens there, so the wish is written down
    schedules.install(declared())
    logic.report(JobUpdate(job_id=1, attempt=1, state=state), progress=None, by="a-pilot")
    assert queries.wanted() == woken


def test_a_wish_is_written_down_once_a_second_and_told_each_time(settings, tmp_path, db):
    settings.HOME = tmp_path
    schedules.install(declared())
    ends = JobUpdate(job_id=1, attempt=1, state=JobState.FINISHED)
    logic.report(ends, progress=None, by="a-pilot")
    Service.objects.update(wanted=False)
    logic.report(ends, progress=None, by="a-pilot")
    assert queries.wanted() == []
    os.mkfifo(pipe())
    door = os.open(pipe(), os.O_RDONLY | os.O_NONBLOCK)
    try:
        logic.report(ends, progress=None, by="a-pilot")
        logic.report_all([{"job_id": 1, "job_status": "finished"}] * 2, Dialect.V1, by="a-pilot")
        assert os.read(door, 1000).split() == [b"production.collect"] * 2
    finally:
        os.close(door)


class Entry(dict):
    """One report of many; tells whether it is still in memory."""


def test_reports_that_are_refused_do_not_stay_in_memory(queue):
    jobs.submit()
    (held,) = jobs.claim()
    Job.objects.update(queue="REMOTE")
    entries = [Entry(job_id="x", job_status="running"), Entry(job_id=held["PandaID"], job_status="running")]
    sent = [weakref.ref(entry) for entry in entries]
    gc.disable()
    try:
        answers = logic.report_all(entries, Dialect.V1, by="a-pilot", queues={"LOCAL"})
        del entries
        assert [entry() for entry in sent] == [None, None]
    finally:
        gc.enable()
    assert "job_id: 'x' is not a whole number" in str(answers[0])
    assert "is of the queue REMOTE" in str(answers[1])


def test_a_number_that_no_database_keeps_is_refused_and_holds_up_no_other_report(queue):
    first, second = jobs.submit(2)
    jobs.claim(), jobs.claim()
    said = [
        {"job_id": job, "job_status": "failed", "mean_core_count": cores} for job, cores in ((first, 1e20), (second, 2))
    ]
    wrong, taken = logic.report_all(said, Dialect.V1, by="a-harvester")
    assert str(wrong) == "mean_core_count: 1e+20 is not a number"
    assert taken.command == "NULL"
    assert jobs.state_of(first) == "sent"
    assert Attempt.objects.get(job=second, number=1).state == "failed"


def test_a_pilot_of_one_queue_gets_no_jobs_of_another(queue):
    jobs.submit()
    with pytest.raises(NotAllowed, match="siteName: this token is for A, B, not for LOCAL"):
        logic.acquire(WorkRequest(queue=queue), "a-request-1", repeatable=True, by="a", queues={"B", "A"})
    assert logic.acquire(WorkRequest(queue=queue), "a-request-1", repeatable=True, by="a", queues={"A", queue})


@pytest.mark.parametrize("shown", ["", "ps"])
def test_a_pilot_of_one_queue_does_not_report_on_jobs_of_another(queue, shown):
    (job_id,) = jobs.submit()
    jobs.claim()
    taskbuffer.command(job_id, "ps")
    update = JobUpdate(job_id=job_id, attempt=1, state=JobState.RUNNING, stdout="text")
    with pytest.raises(NotAllowed, match="this token may report on the jobs of its queue only"):
        logic.report(update, progress=None, shown=shown, by="a-pilot", queues={"REMOTE"})
    assert jobs.state_of(job_id) == "sent"
