"""Jobs that name no queue are sent to one; pilots are given jobs share by share; bans and quotas hold."""

from __future__ import annotations

from collections import Counter

import pytest

from pilot.contract import routes
from pilot.contract.codec import Dialect, encode
from pilot.contract.messages import WorkRequest
from pilot.contract.order import order_to_wire
from pilot.contract.queue import local_storage
from server.brokerage import readings
from server.pandaconfig.logic import define_queue, define_storage
from server.pandaconfig.models import GlobalShare, UserLimits
from server.taskbuffer.models import Job, JobFile
from tests.server import jobs

ACQUIRE, SUBMIT = "/api/v1/pilot/acquire_jobs", "/api/v1/job/submit"


def wired(**fields):
    """Write an order of a job that writes into its user's own datasets."""
    wire = order_to_wire(jobs.order(**fields))
    scope = f"{fields.get('label', 'managed')}.{fields.get('user', '')}"
    return {**wire, "files": [{**file, "scope": scope} for file in wire["files"]]}


def submitted(manager, count=1, **fields):
    """Submit jobs; answer their numbers."""
    found = manager.v1(SUBMIT, {"jobs": [wired(**fields)] * count})
    assert found["success"], found["message"]
    return [number for number, *_ in found["data"]]


def refused(manager, **fields):
    found = manager.v1(SUBMIT, {"jobs": [wired(**fields)]})
    assert not found["success"]
    return found["message"]


def given(pilot, count=1, label="unified"):
    """Ask for work; answer the users of the jobs that are given, one job per request."""
    users = []
    for _ in range(count):
        found = pilot.v1(ACQUIRE, encode(WorkRequest("LOCAL", label=label), Dialect.V1))
        users += [Job.objects.get(pk=job["PandaID"]).user for job in (found["data"] or {"jobs": ()})["jobs"]]
    return users


@pytest.fixture
def two(queue):
    """LOCAL takes jobs of 8 cores, BIG of 32 with a storage of its own, OFF none at all."""
    define_storage("BIG_DISK", local_storage("BIG_DISK", "/data"))
    storages = {name: ["BIG_DISK"] for name in ("pr", "pw", "pl")}
    define_queue({"nickname": "BIG", "status": "online", "corecount": 32, "astorages": storages})
    define_queue({"nickname": "OFF", "status": "offline", "corecount": 64})


def test_a_job_without_a_queue_is_sent_to_one_that_can_run_it(two, manager):
    (number,) = submitted(manager, queue="", cores=16)
    assert Job.objects.get(pk=number).queue == "BIG"


def test_files_without_a_storage_go_to_the_chosen_queues_own(two, manager):
    wire = order_to_wire(jobs.order(queue="", cores=16))
    for file in wire["files"]:
        del file["endpoint"]
    ((number, *_),) = manager.v1(SUBMIT, {"jobs": [wire]})["data"]
    assert set(JobFile.objects.filter(job=number).values_list("endpoint", flat=True)) == {"BIG_DISK"}


def test_many_jobs_without_a_queue_are_spread(two, manager):
    numbers = submitted(manager, 10, queue="")
    assert Counter(Job.objects.filter(pk__in=numbers).values_list("queue", flat=True)) == {"BIG": 5, "LOCAL": 5}


def test_jobs_that_come_one_by_one_are_spread_too(two, manager):
    numbers = [number for _ in range(6) for number in submitted(manager, queue="")]
    assert Counter(Job.objects.filter(pk__in=numbers).values_list("queue", flat=True)) == {"BIG": 3, "LOCAL": 3}


def test_a_job_that_no_queue_takes_is_refused_with_the_remedy(two, manager):
    words = refused(manager, queue="", cores=48)
    assert "jobs[0]: computingSite: no queue of 3 takes the job (2 -cpucore, 1 -status)" in words
    assert "ask for at most 32 cores" in words
    assert not Job.objects.exists()


def test_a_named_queue_is_kept(two, manager):
    (number,) = submitted(manager, queue="LOCAL", cores=16)
    assert Job.objects.get(pk=number).queue == "LOCAL"


def test_a_banned_user_is_refused_and_what_he_has_queued_is_not_started(queue, manager, pilot):
    submitted(manager, label="user", user="ada")
    submitted(manager, label="user", user="bob")
    UserLimits.objects.create(name="ada", banned="mined coins")
    readings.forget()  # a second later
    assert "user ada is banned: mined coins" in refused(manager, label="user", user="ada")
    assert given(pilot, 3) == ["bob"]


def test_without_a_tree_of_shares_the_oldest_job_of_the_highest_priority_comes_first(queue, manager, pilot):
    submitted(manager, 2, label="user", user="ada")
    submitted(manager, 1, label="managed", user="prod", priority=10)
    submitted(manager, 1, label="user", user="bob")
    assert given(pilot, 4) == ["prod", "ada", "ada", "bob"]


def test_users_are_served_in_turn_whoever_came_first(queue, manager, pilot):
    GlobalShare.objects.create(name="Analysis", value=1, per_user=True)
    submitted(manager, 4, label="user", user="ada")
    submitted(manager, 4, label="user", user="bob")
    assert Counter(given(pilot, 4)) == {"ada": 2, "bob": 2}


def test_a_user_has_no_more_cores_than_his_quota(queue, manager, pilot):
    UserLimits.objects.create(name="ada", max_running_cores=2)
    submitted(manager, 4, label="user", user="ada")
    assert given(pilot, 2) == ["ada", "ada"]
    readings.forget()  # what runs is counted anew
    assert given(pilot) == []


def test_leaves_are_given_what_is_theirs(queue, manager, pilot):
    GlobalShare.objects.create(name="MC", value=3, prodsourcelabel="managed")
    GlobalShare.objects.create(name="Analysis", value=1, prodsourcelabel="user", per_user=True)
    submitted(manager, 12, label="user", user="ada")
    submitted(manager, 12, label="managed", user="prod")
    assert Counter(given(pilot, 12)) == {"prod": 9, "ada": 3}


def test_what_is_left_is_given_to_whoever_has_something_queued(queue, manager, pilot):
    GlobalShare.objects.create(name="MC", value=3, prodsourcelabel="managed")
    GlobalShare.objects.create(name="Analysis", value=1, prodsourcelabel="user")
    submitted(manager, 1, label="managed", user="prod")
    submitted(manager, 3, label="user", user="ada")
    assert sorted(given(pilot, 5)) == ["ada", "ada", "ada", "prod"]


def test_the_same_request_again_is_given_the_same_though_shares_have_turned(queue, manager, pilot):
    GlobalShare.objects.create(name="Analysis", value=1, per_user=True)
    submitted(manager, 2, label="user", user="ada")
    submitted(manager, 2, label="user", user="bob")
    work = encode(WorkRequest("LOCAL", label="unified"), Dialect.V1)
    named = {"X_Compass_Request_Id": "request-0001"}
    first = pilot.v1(ACQUIRE, work, **named)["data"]["jobs"]
    again = pilot.v1(ACQUIRE, work, **named)["data"]["jobs"]
    assert [job["PandaID"] for job in again] == [job["PandaID"] for job in first]


def legacy_given(pilot, **wishes):
    """Ask for work in the older dialect, which alone knows groups and countries; answer the user of the job."""
    found = pilot.packed(routes.GET_JOB, encode(WorkRequest("LOCAL", label="unified", **wishes), Dialect.LEGACY))
    return Job.objects.get(pk=found["jobs"][0]["PandaID"]).user if found["StatusCode"] == 0 else None


def test_pilots_of_a_group_or_a_country_are_given_the_jobs_of_these(queue, manager, pilot):
    UserLimits.objects.create(name="ada", country="cz")
    submitted(manager, 1, user="bob", priority=50)
    submitted(manager, 2, user="ada")
    submitted(manager, 1, user="eve", working_group="exotic")
    assert legacy_given(pilot, working_group="exotic") == "eve"
    assert legacy_given(pilot, working_group="exotic") is None
    assert legacy_given(pilot, country_group="it", allow_other_country=False) is None
    assert legacy_given(pilot, country_group="cz") == "ada"
    assert legacy_given(pilot, country_group="de,cz", allow_other_country=False) == "ada"
    assert legacy_given(pilot, country_group="cz") == "bob"


def test_a_share_that_was_asked_for_is_kept(queue, manager):
    (number,) = submitted(manager, share="Special")
    assert Job.objects.select_related("bucket").get(pk=number).bucket.share == "Special"
