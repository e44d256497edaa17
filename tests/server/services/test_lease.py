from __future__ import annotations

from datetime import timedelta

import pytest

from server.services import lease
from server.services.lease import LeaseLost
from server.services.models import Lease
from tests.server.services.conftest import BEGIN

pytestmark = pytest.mark.django_db


def take(owner, at=0.0, **more):
    return lease.acquire("work", owner, now=BEGIN + timedelta(seconds=at), seconds=10, **more)


def test_a_lease_has_one_holder():
    assert take("a").generation == 1
    assert take("b") is None
    assert take("a") is None


def test_a_lease_that_was_given_back_is_free():
    assert lease.release(take("a"), now=BEGIN)
    assert take("b").generation == 2


@pytest.mark.parametrize(("at", "free"), [(9.9, False), (10.0, True)])
def test_a_lease_is_free_when_it_has_expired(at, free):
    take("a")
    assert (take("b", at) is not None) is free


def test_a_lease_that_is_prolonged_is_held_longer():
    grant = lease.renew(take("a"), now=BEGIN + timedelta(seconds=9), seconds=10)
    assert grant.expires == BEGIN + timedelta(seconds=19)
    assert take("b", 18) is None
    assert take("b", 19) is not None


def test_who_came_too_late_may_go_on_if_nobody_took_it():
    grant = lease.renew(take("a"), now=BEGIN + timedelta(seconds=60), seconds=10)
    assert lease.release(grant, now=BEGIN)


def test_who_lost_a_lease_is_told_and_changes_nothing():
    grant = take("a")
    later = take("b", 10)
    with pytest.raises(LeaseLost, match="work: taken over from a"):
        lease.renew(grant, now=BEGIN, seconds=10)
    assert not lease.release(grant, now=BEGIN)
    assert lease.release(later, now=BEGIN)


def test_a_grant_is_worth_nothing_after_its_owner_took_the_lease_again():
    first = take("a")
    take("a", 10)
    with pytest.raises(LeaseLost):
        lease.renew(first, now=BEGIN, seconds=10)


def test_a_dead_owner_holds_nothing():
    take("a")
    assert take("b", is_dead=lambda owner: owner == "c") is None
    assert take("b", is_dead=lambda owner: owner == "a").owner == "b"


def test_a_clock_that_is_put_back_does_not_lock_a_lease_for_ever():
    take("a", at=86400)
    assert take("b") is not None


def test_clocks_that_differ_a_little_do_not_free_a_lease():
    take("a", at=59)
    assert take("b") is None


def test_a_clock_that_is_put_ahead_takes_the_lease_and_the_former_holder_learns_it():
    grant = take("a")
    assert take("b", at=86400) is not None
    with pytest.raises(LeaseLost):
        lease.renew(grant, now=BEGIN, seconds=10)


def test_leases_of_other_names_are_other_leases():
    take("a")
    assert lease.acquire("other", "b", now=BEGIN, seconds=10).generation == 1
    assert Lease.objects.count() == 2
