"""What was used before counts in fair shares, and holds back who has used up a quota."""

from __future__ import annotations

import pytest

from server.accounting.models import Quota, ShareUse
from server.brokerage import queries, readings
from server.brokerage.shares import Running, in_order, with_user
from server.pandaconfig.models import GlobalShare
from tests.server import jobs


def test_who_had_more_of_late_comes_later():
    past = {"A": 10.0, "B/ada": 1.0, "B/bob": 2.0}
    running = Running({"A": 4, "B/bob": 0}, past)
    assert in_order(["A", "B/bob", "B/ada"], running, {"A": 0.5, "B": 0.5}) == ["B/ada", "B/bob", "A"]
    assert (running.past_of_leaf("B"), running.past_of("C"), running.past_of_leaf("C")) == (3.0, 0.0, 0.0)


def test_what_runs_now_outweighs_a_past_that_fades():
    assert in_order(["A", "B"], Running({"A": 4}, {"B": 3.5}), {"A": 0.5, "B": 0.5}) == ["B", "A"]
    assert in_order(["A", "B"], Running({"A": 3}, {"B": 3.5}), {"A": 0.5, "B": 0.5}) == ["A", "B"]


@pytest.fixture
def tree(queue):
    GlobalShare.objects.create(name="Muon", value=1, workinggroup="muon", per_user=True, position=1)
    GlobalShare.objects.create(name="Rest", value=1, per_user=True, position=2)


def submit(share: str, user: str) -> str:
    jobs.submit(share=(text := with_user(share, user)), user=user)
    return text


@pytest.mark.one_python
def test_the_past_is_read_from_accounting(tree):
    ShareUse.objects.create(share="Muon/ada", cores=7.5)
    assert queries.standing().running.past_of_leaf("Muon") == 7.5


@pytest.mark.one_python
def test_a_quota_that_is_used_up_holds_a_user_back_everywhere_and_says_so(tree):
    ada, ada_too, bob = submit("Muon", "ada"), submit("Rest", "ada"), submit("Rest", "bob")
    Quota.objects.create(kind="user", name="ada", core_hours=10, days=7, used=12.3)
    Quota.objects.create(kind="user", name="bob", core_hours=10, days=7, used=9.9)
    words = "quota: user ada has used 12.3 core-hours of at most 10 in 7 days"
    assert queries.standing().barred == {ada: words, ada_too: words}
    number = jobs.submit(share=ada, user="ada")[0]
    assert queries.explain(number)["turn"]["words"] == words
    assert bob not in queries.standing().barred


@pytest.mark.one_python
def test_no_pilot_is_waited_for_where_quotas_hold_all_jobs_back(tree):
    share = submit("Rest", "ada")
    quota = Quota.objects.create(kind="user", name="ada", core_hours=10, used=10)
    assert share in queries.standing().barred
    load = queries.snapshot().loads.facts["LOCAL"]
    assert (load.queued, load.waits_since) == (1, 0.0)
    Quota.objects.filter(pk=quota.pk).update(used=9)
    readings.forget()
    assert queries.snapshot().loads.facts["LOCAL"].waits_since > 0


@pytest.mark.one_python
def test_a_quota_that_is_used_up_holds_the_share_of_a_working_group_back(tree):
    ada, _ = submit("Muon", "ada"), submit("Rest", "ada")
    Quota.objects.create(kind="group", name="muon", core_hours=0, days=1)
    Quota.objects.create(kind="group", name="hadron", core_hours=0, days=1)
    words = "quota: working group muon has used 0.0 core-hours of at most 0 in 1 days"
    assert queries.standing().barred == {ada: words}
    Quota.objects.update(core_hours=1)
    readings.forget()
    assert queries.standing().barred == {}
