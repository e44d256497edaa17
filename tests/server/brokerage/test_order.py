"""Which buckets a pilot may be given jobs from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.brokerage.order import Offer, Standing, Tier, countries_of, fits, order, why_not
from server.brokerage.shares import Running

GB = 10**9


@dataclass(frozen=True)
class Kind:
    pk: int = 1
    queue: str = "Q"
    label: str = "managed"
    cores: int = 4
    memory: int = 4 * GB
    walltime: int = 3600
    disk: int = 10 * GB
    share: str = ""
    working_group: str = ""
    country: str = ""


OFFER = Offer("Q", frozenset({"managed", "test"}), cores=8, memory=8 * GB, disk=20 * GB, remaining_time=7200)


def test_what_fits_exactly_fits():
    exact = Offer("Q", frozenset({"managed"}), cores=4, memory=4 * GB, disk=10 * GB, remaining_time=3600)
    assert why_not(Kind(), exact) == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"queue": "OTHER"}, "queue: these jobs are for Q, the pilot is of OTHER"),
        ({"labels": frozenset({"user", "panda"})}, "label: these jobs are managed, the pilot takes panda, user"),
        ({"cores": 2}, "cores: 4 needed, 2 offered"),
        ({"memory": 2 * GB}, "memory: 4 GB needed, 2 GB offered"),
        ({"disk": 1.5 * GB}, "disk: 10 GB needed, 1.5 GB offered"),
        ({"remaining_time": 600}, "walltime: 3600 s needed, 600 s offered"),
        (
            {"group": "exotic"},
            "working group: these jobs are of no working group, the pilot takes those of exotic alone",
        ),
        (
            {"countries": ("cz", "de"), "other_countries": False},
            "country: these jobs are of no country, the pilot takes those of cz, de alone",
        ),
    ],
)
def test_each_refusal_says_what_is_needed_and_what_was_offered(change, reason):
    assert why_not(Kind(), replace(OFFER, **change)) == reason


def test_a_groups_pilot_has_jobs_of_that_group_alone():
    kinds = [Kind(1, working_group="exotic"), Kind(2, working_group="drell-yan"), Kind(3)]
    assert order(kinds, replace(OFFER, group="exotic")).fitting == (1,)
    assert set(order(kinds, OFFER).fitting) == {1, 2, 3}


def test_a_countrys_pilot_has_its_own_jobs_first_whatever_the_shares_say_or_no_others():
    standing = Standing(Running({"MC": 100}), {"MC": 0.5, "Data": 0.5})
    kinds = [Kind(1, share="Data", country="it"), Kind(2, share="MC", country="cz"), Kind(3, share="Data"), Kind(4)]
    first = replace(OFFER, countries=("cz",))
    assert [tier.buckets for tier in order(kinds, first, standing).tiers] == [(2,), (1, 3), (4,)]
    assert order(kinds, replace(first, other_countries=False), standing).fitting == (2,)


@pytest.mark.parametrize(
    ("text", "countries"), [("", ()), ("cz", ("cz",)), ("cz,de", ("cz", "de")), ("cz | de", ("cz", "de"))]
)
def test_the_countries_of_a_pilot_are_read_from_its_words(text, countries):
    assert countries_of(text) == countries


@pytest.mark.parametrize("field", ["cores", "memory", "disk", "remaining_time"])
def test_what_a_pilot_does_not_say_is_not_tested(field):
    assert why_not(Kind(), replace(OFFER, **{field: None})) == ""


def test_a_job_that_asks_for_nothing_fits_everywhere():
    modest = Kind(cores=1, memory=0, walltime=0, disk=0)
    assert why_not(modest, replace(OFFER, cores=1, memory=0, disk=0, remaining_time=0)) == ""


def test_every_bucket_is_either_fitting_or_refused_with_a_reason():
    kinds = [Kind(pk=1), Kind(pk=2, cores=16), Kind(pk=3, label="user"), Kind(pk=4, memory=0)]
    ranking = order(kinds, OFFER)
    assert ranking.fitting == (1, 4)
    assert set(ranking.refused) == {2, 3}
    assert all(ranking.refused.values())


@settings(deadline=None)
@given(
    st.builds(Kind, queue=st.sampled_from("QR"), label=st.sampled_from(["managed", "user"]), cores=st.integers(1, 4),
              memory=st.integers(0, 4), walltime=st.integers(0, 4), disk=st.integers(0, 4)),
    st.builds(Offer, st.just("Q"), st.just(frozenset({"managed"})), *(st.none() | st.integers(0, 4) for _ in range(4))),
)  # fmt: skip
def test_what_does_not_fit_always_has_a_reason_and_what_fits_has_none(kind, offer):
    assert fits(kind, offer) == (why_not(kind, offer) == "")


def test_shares_come_in_order_of_what_they_lack():
    kinds = [Kind(pk=1, share="MC"), Kind(pk=2, share="Data"), Kind(pk=3, share="MC", cores=2)]
    standing = Standing(Running({"MC": 10, "Data": 10}), targets={"MC": 0.2, "Data": 0.8})
    assert order(kinds, OFFER, standing).tiers == (Tier("Data", (2,)), Tier("MC", (1, 3)))
    assert order(kinds, OFFER, standing).fitting == (2, 1, 3)


def test_without_a_tree_of_shares_priority_alone_decides():
    kinds = [Kind(pk=1, share="/ada"), Kind(pk=2, share="Special"), Kind(pk=3)]
    assert order(kinds, OFFER, Standing(Running({"/ada": 9}))).tiers == (Tier("", (1, 2, 3)),)


def test_a_user_who_is_barred_is_given_nothing_and_told_why():
    kinds = [Kind(pk=1, share="/ada"), Kind(pk=2, share="/bob")]
    ranking = order(kinds, OFFER, Standing(barred={"/ada": "user: ada is banned: mined coins"}))
    assert ranking.fitting == (2,)
    assert ranking.refused == {1: "user: ada is banned: mined coins"}
