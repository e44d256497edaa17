"""What shares have had, and how much of quotas is used, is measured from usage."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from server.accounting import measure, queries
from server.accounting.models import Quota, ShareUse, Usage
from server.accounting.tasks import fold_usage, measure_usage
from server.pandaconfig.models import GlobalShare
from server.services.registry import Turn
from tests.server.accounting.usage import NOW, keep, run, submit

pytestmark = [pytest.mark.one_python, pytest.mark.django_db]
WEEK = 7 * 86400.0


def used(days_ago: int = 0, *, hours: float = 1.0, user: str = "ada", group: str = "", share: str = "A") -> None:
    """Write that so many core-hours were used, half of them lost."""
    seconds = round(hours * 1800)
    day = NOW.date() - timedelta(days=days_ago)
    sums = {"good_core_seconds": seconds, "lost_core_seconds": seconds}
    Usage.objects.create(day=day, user=user, group=group, share=share, queue="Q", label="user", **sums)


def test_shares_are_told_what_they_had_and_those_without_a_past_nothing():
    ShareUse.objects.create(share="gone", cores=1.0)
    used(1, hours=240), used(1, hours=24, share="B"), used(400, hours=24, share="old")
    assert measure.measure_shares(now=NOW, half_life=WEEK) == 2
    past = queries.past_use()
    assert set(past) == {"A", "B"}
    assert past["A"] == pytest.approx(10 * past["B"])
    measure.measure_shares(now=NOW + timedelta(days=7), half_life=WEEK)
    assert queries.past_use()["A"] == pytest.approx(past["A"] / 2)


def test_without_a_half_life_the_past_does_not_count():
    ShareUse.objects.create(share="gone", cores=1.0)
    used(1)
    measure.measure_shares(now=NOW, half_life=0)
    assert queries.past_use() == {}


def test_a_quota_counts_its_days_with_today_good_or_lost():
    used(0, hours=1), used(6, hours=2), used(7, hours=4), used(0, user="bob", hours=8)
    quota = Quota.objects.create(kind="user", name="ada", core_hours=3, days=7)
    assert measure.measure_quotas(now=NOW) == 1
    quota.refresh_from_db()
    assert quota.used == 3.0
    assert queries.exhausted() == {("user", "ada"): "has used 3.0 core-hours of at most 3 in 7 days"}
    assert measure.measure_quotas(now=NOW + timedelta(days=1)) == 0
    assert queries.exhausted() == {}


def test_a_group_has_a_quota_of_its_own():
    used(group="muon"), used(group="muon", user="bob"), used()
    Quota.objects.create(kind="group", name="muon", core_hours=2)
    measure.measure_quotas(now=NOW)
    assert set(queries.exhausted()) == {("group", "muon")}


def test_a_groups_quota_that_nothing_could_keep_is_refused():
    quota = Quota(kind="group", name="muon", core_hours=2)
    with pytest.raises(ValidationError, match="no share has the working group 'muon'"):
        quota.full_clean()
    GlobalShare.objects.create(name="Muon", value=1, workinggroup="muon")
    quota.full_clean()
    Quota(kind="user", name="ada", core_hours=2).full_clean()


def test_a_quota_is_measured_when_it_is_saved_in_the_admin(admin_client, monkeypatch):
    monkeypatch.setattr("server.accounting.admin.timezone.now", lambda: NOW)
    used(hours=5)
    form = {"kind": "user", "name": "ada", "core_hours": "4", "days": "7"}
    assert admin_client.post(reverse("admin:accounting_quota_add"), form).status_code == 302
    assert Quota.objects.get().over == "has used 5.0 core-hours of at most 4 in 7 days"


def test_the_services_count_and_measure(queue):
    run(submit(user="ada", share="Rest/ada"), "finished", hours=1)
    Quota.objects.create(kind="user", name="ada", core_hours=4)
    figures = [fold_usage(Turn("accounting.fold", NOW + timedelta(minutes=n), keep)) for n in (0, 1)]
    assert sum(one["days"] for one in figures) == 1
    assert measure_usage(Turn("accounting.measure", NOW, keep)) == {"quotas_used_up": 1}
    assert set(queries.past_use()) == {"Rest/ada"}
