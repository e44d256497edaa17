"""Snapshots from the tables, and jobs held against them."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pilot.contract.job import FileSpec, Role
from server.brokerage import queries, readings
from server.brokerage.shares import with_user
from server.brokerage.snapshot import FailureRate, Input, JobNeeds, Load
from server.dataservice import logic
from server.dataservice.models import Dataset, DatasetFile, Replica
from server.factory.models import FactoryQueue
from server.pandaconfig.logic import define_queue
from server.pandaconfig.models import GlobalShare, PandaUser, Schedconfig, SchedconfigJson, UserLimits
from tests.server import jobs
from tests.server.dataservice.conftest import filled, world

__all__ = ["world"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy(queue):
    """Two queues; in the first one job runs on 4 cores, one has failed, one waits; a slot is free."""
    define_queue({"nickname": "OTHER", "status": "offline"})
    FactoryQueue.objects.create(queue="LOCAL", slots=3)
    numbers = jobs.submit(3, cores=4)
    given = [job["PandaID"] for job in jobs.claim(count=2)]
    jobs.report(given[0], "running")
    return given, set(numbers) - set(given)


def test_a_snapshot_tells_how_busy_queues_are(busy):
    found = queries.snapshot()
    assert set(found.queues.facts) == {"LOCAL", "OTHER"}
    assert found.queues.facts["LOCAL"].cores == 8
    at = jobs.NOW.timestamp()
    load = Load(queued=1, running=2, running_cores=8, slots=3, waits_since=at, heard=at)
    assert found.loads.facts == {"LOCAL": load}
    assert found.failures.facts == {}
    assert all(part.age(found.now) < 600 for part in (found.queues, found.loads, found.failures, found.backlogs))


def test_jobs_that_nobody_is_given_are_none_that_a_queue_has_waiting(queue):
    UserLimits.objects.create(name="ada", banned="mined coins")
    jobs.submit(share="/ada", label="user")
    assert queries.snapshot().loads.facts["LOCAL"] == Load(queued=1)
    readings.forget()
    jobs.submit()
    assert queries.snapshot().loads.facts["LOCAL"] == Load(queued=2, waits_since=jobs.NOW.timestamp())


def test_failures_count_that_are_not_the_payloads(busy, settings):
    settings.BROKERAGE = {"failure_window": 10**9}
    (first, second), _ = busy
    jobs.report(first, "failed", pilot_error=1201)
    jobs.report(second, "failed", pilot_error=1305, payload_error=7)
    assert queries.snapshot().failures.facts == {"LOCAL": FailureRate(ended=2, failed=1)}


def test_replicas_are_found_for_the_inputs_that_are_asked_for(db):
    now = jobs.NOW
    dataset = Dataset.objects.create(name="raw", created=now, changed=now)
    files = [DatasetFile.objects.create(dataset=dataset, lfn=f"f{n}", size=10) for n in range(3)]
    for file, endpoint in ((files[0], "B"), (files[0], "A"), (files[1], "A")):
        Replica.objects.create(file=file, endpoint=endpoint, path="p")
    wanted = JobNeeds(inputs=(Input("raw", "f0"), Input("raw", "f2"), Input("", "x")))
    assert queries.snapshot([wanted]).replicas.facts == {"raw/f0": ("A", "B")}


def test_backlogs_are_the_transfers_that_are_still_to_be_done(world):
    logic.request_prestage(filled(world, 3), "TAPE", 86400, "manager", now=world.now)
    assert queries.snapshot().backlogs.facts == {"TAPE": 3}
    world.submit()
    world.tape.work("raw/cdr00000-1.raw")
    world.turn()
    readings.forget()
    assert queries.snapshot().backlogs.facts == {"TAPE": 2}


def test_a_snapshot_is_read_in_a_few_queries_and_then_remembered(busy):
    with CaptureQueriesContext(
        connection,
    ) as first:
        queries.snapshot()
    assert len(first) <= 13
    with CaptureQueriesContext(connection) as second:
        queries.snapshot()
    assert len(second) <= 2  # what is believed for a second only


def test_a_queue_that_cannot_be_read_keeps_no_other_from_being_chosen(queue):
    define_queue({"nickname": "WRONG", "status": "online"})
    SchedconfigJson.objects.filter(pk="WRONG").update(data={"mintime": "long"})
    found = queries.snapshot().queues.facts
    assert found["WRONG"].status.startswith("unreadable (mintime")
    assert found["LOCAL"].status == "online"


def test_a_job_is_explained_for_every_queue(busy):
    (_, _), (waiting,) = busy
    found = queries.explain(waiting)
    assert (found["PandaID"], found["jobStatus"], found["computingSite"]) == (waiting, "activated", "LOCAL")
    assert found["choice"]["queue"] == "LOCAL"
    assert {one["queue"]: one["tags"] for one in found["queues"]} == {"LOCAL": [], "OTHER": ["-status", "-cpucore"]}
    assert [one["queue"] for one in queries.explain(waiting, "OTHER")["queues"]] == ["OTHER"]


def test_the_turn_of_a_jobs_share_is_told(queue):
    GlobalShare.objects.create(name="MC", value=1)
    GlobalShare.objects.create(name="Data", value=3)
    jobs.submit(share="MC")
    jobs.submit(share="Data", cores=2)
    jobs.claim(count=2)
    (first, *_) = jobs.submit(2, share="MC")
    (second,) = jobs.submit(share="Data", cores=64)
    jobs.submit(share="Data")
    turn = queries.explain(first)["turn"]
    assert turn == {"share": "MC", "cores": 1, "past": 0.0, "target": 0.25, "before": ["Data"], "words": ""}
    assert queries.explain(second)["turn"]["words"] == "cores: 64 needed, 8 offered"


def test_a_banned_users_job_is_told_as_such(queue):
    (number,) = jobs.submit(share="/ada", label="user")
    UserLimits.objects.create(name="ada", banned="mined coins")
    assert queries.explain(number)["turn"]["words"] == "user: ada is banned: mined coins"


def test_a_ban_reaches_all_shares_of_a_user_and_nobody_elses(queue):
    long = "somebody with a very long name"
    UserLimits.objects.create(name="ada", banned="mined coins")
    UserLimits.objects.create(name=long, banned="mined coins")
    shares = [with_user(leaf, user) for user in ("ada", long, "bob") for leaf in ("", "Analysis")]
    for share in shares:
        jobs.submit(share=share)
    assert [share in queries.standing().barred for share in shares] == [True] * 4 + [False] * 2


def test_a_job_whose_queue_is_gone_says_so(queue):
    (number,) = jobs.submit()
    Schedconfig.objects.all().delete()
    found = queries.explain(number)
    assert found["turn"]["words"] == "there is no queue LOCAL any more"
    assert "the job fails at " in found["obstacle"]


def test_needs_are_those_that_were_submitted(queue):
    (number,) = jobs.submit(
        cores=2,
        memory=2**21,
        user="ada",
        working_group="exotic",
        inputs=(FileSpec("f", Role.INPUT, dataset="d", size=7),),
    )
    found = queries.needs_of_job(number)
    assert (found.cores, found.memory, found.user, found.group) == (2, 2**21, "ada", "exotic")
    assert found.inputs == (Input("d", "f", 7),)


def test_an_unknown_job_is_nothing_and_an_unknown_queue_is_named(queue):
    assert queries.explain(1) is None
    (number,) = jobs.submit()
    with pytest.raises(LookupError, match="'LOCL'; did you mean LOCAL"):
        queries.explain(number, "LOCL")


def test_a_number_of_the_policy_that_cannot_be_meant_is_refused(settings):
    settings.BROKERAGE = {"failure_limt": 1}
    with pytest.raises(ImproperlyConfigured, match="failure_limit"):
        readings.policy()


def test_a_user_whom_pandas_table_has_as_disabled_is_banned(db):
    PandaUser.objects.create(name="eve", status="disabled")
    PandaUser.objects.create(name="ada")
    UserLimits.objects.create(name="eve", max_queued=3)
    facts = readings._users(None).facts
    assert facts["eve"].banned == "disabled in the table of PanDA users"
    assert facts["eve"].max_queued == 3
    assert "ada" not in facts
