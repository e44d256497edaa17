"""Whose jobs are whose."""

from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import NotAllowed
from server.dataservice.models import Dataset
from server.dispatcher.jobs import orders_of, submit_orders
from server.dispatcher.owners import as_their_own, refuse_others
from server.taskbuffer.models import Job
from tests.server import jobs

ALICE = Identity("notebook", Role.USER, "alice")
AREA = "mc_prod/CERN/2016/P07/mc2016-1/mcgen"
MANAGER = Identity("manager", Role.PRODUCTION)


def own(**spec):
    return as_their_own(ALICE, [jobs.order(**spec)])[0].spec


@pytest.mark.parametrize(
    ("label", "kept"), [("managed", "user"), ("user", "user"), ("panda", "panda"), ("test", "test")]
)
def test_what_a_user_submits_is_its_own_and_called_a_users(db, label, kept):
    assert (own(label=label).user, own(label=label).label) == ("alice", kept)
    assert own(user="alice").user == "alice"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"user": "bob"}, "prodUserName: 'bob' is not 'alice'"),
        ({"label": "install"}, "'install' is not one of a user"),
        ({"share": "Test"}, r"jobs\[1\].gshare: a user's jobs have the share of their kind, not 'Test'; leave it out"),
        (
            {"priority": 1001},
            r"jobs\[1\].currentPriority: 1001 is above 1000, the highest of a user; give 1000",
        ),
        ({"task_id": 4711}, r"jobs\[1\].jediTaskID: 4711 is no task of yours; leave it out, or submit a task"),
    ],
)
def test_a_user_submits_neither_for_others_nor_as_a_production(db, spec, words):
    with pytest.raises(ContractError, match=words) as caught:
        as_their_own(ALICE, [jobs.order(), jobs.order(**spec)])
    assert caught.value.field_name.startswith("jobs[1].")


@pytest.mark.parametrize("place", ["outputs", "log"])
def test_a_user_writes_nothing_where_productions_do(db, place):
    order = orders_of([{"transformation": "true", "files": [{"lfn": "a", "type": place.rstrip("s"), "dataset": AREA}]}])
    with pytest.raises(ContractError, match=rf"jobs\[0\].dataset: '{AREA}': productions write into mc_prod; name a"):
        as_their_own(ALICE, order)
    assert as_their_own(MANAGER, order) is order


def test_a_user_submits_no_jobs_that_write_into_a_dataset_of_another(queue):
    job = {"transformation": "true", "files": [{"lfn": "a", "type": "output", "dataset": "look"}]}
    submit_orders([{**job, "computingSite": queue}], ALICE)
    assert Dataset.objects.get().owner == "alice"
    bob = Identity("other", Role.USER, "bob")
    for identity in (bob, MANAGER):
        with pytest.raises(ContractError, match=r"jobs\[0\].dataset: 'look' is alice's, and no other jobs write into"):
            submit_orders([{**job, "computingSite": queue}], identity)
    assert Job.objects.count() == 1


def test_jobs_that_are_refused_keep_no_dataset_from_others(queue):
    job = {"transformation": "true", "files": [{"lfn": "a", "type": "output", "dataset": "look"}]}
    with pytest.raises(ContractError, match="queue 'NOWHERE' is not known here"):
        submit_orders([{**job, "computingSite": "NOWHERE"}], ALICE)
    assert not Dataset.objects.exists()
    submit_orders([{**job, "computingSite": queue}], Identity("other", Role.USER, "bob"))
    assert Dataset.objects.get().owner == "bob"


def test_a_production_submits_in_anybodys_name():
    orders = [jobs.order(user="bob")]
    assert as_their_own(MANAGER, orders) is orders


def test_nobody_acts_on_what_is_somebody_elses(queue):
    mine, others = (jobs.submit(user=name)[0] for name in ("alice", "bob"))
    refuse_others(ALICE, [mine, 999])
    with pytest.raises(NotAllowed, match=f"job {others} is bob's"):
        refuse_others(ALICE, [mine, others])
    refuse_others(Identity("site", Role.SITE_ADMIN, queues=frozenset({queue})), [mine, others])
    with pytest.raises(NotAllowed, match="you may act on jobs at REMOTE alone"):
        refuse_others(Identity("site", Role.SITE_ADMIN, queues=frozenset({"REMOTE"})), [mine])


def test_who_may_act_on_all_jobs_costs_no_statement(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        refuse_others(MANAGER, [1, 2])
