"""Accounts are made and changed by one door: what is left out stays, and nothing is half done."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User

from server.accounts import people
from server.accounts.models import SiteRight, UserCertificate
from server.accounts.people import AccountRefused, Wishes

GOOD = "correct horse battery"


def ada(**wishes):
    return people.write("ada", Wishes(**wishes))


def test_an_account_is_made_with_all_that_it_shall_have_and_what_is_left_out_stays(db):
    assert ada(email="a@b.ch", groups=["site_admin", "user"], sites=["JINR"], queues=["Q", "R"], password=GOOD)
    assert ada(certificate="/DC=org/CN=Ada") is False
    (found,) = people.listed(most=9)
    assert (found.name, found.email, found.groups) == ("ada", "a@b.ch", ("site_admin", "user"))
    assert (found.sites, found.queues, found.certificates) == (("JINR",), ("Q", "R"), ("/DC=org/CN=Ada",))
    assert (found.administrator, found.active, found.has_password) == (False, True, True)
    assert User.objects.get().check_password(GOOD)


def test_lists_replace_what_there_was_and_an_empty_one_takes_all_of_it(db):
    ada(groups=["production"], sites=["JINR", "CERN"], queues=["Q"])
    ada(groups=["reader"], sites=["CERN", "TRIESTE"])
    (found,) = people.listed(most=9)
    assert (found.groups, found.sites, found.queues) == (("reader",), ("CERN", "TRIESTE"), ("Q",))
    ada(groups=[], sites=[], queues=[])
    (found,) = people.listed(most=9)
    assert (found.groups, found.sites, found.queues) == ((), (), ())


def test_an_administrator_is_made_and_is_one_no_more(db):
    ada(administrator=True)
    people.write("bob", Wishes(administrator=True))
    ada(administrator=False)
    user = User.objects.get(username="ada")
    assert (user.is_superuser, user.is_staff, user.has_usable_password()) == (False, False, False)


@pytest.mark.parametrize("wishes", [{"administrator": False}, {"active": False}])
def test_the_last_administrator_who_can_log_in_stays_one(db, wishes):
    ada(administrator=True)
    people.write("bob", Wishes(administrator=True, active=False))
    with pytest.raises(AccountRefused, match="ada is the last administrator; make another one first"):
        ada(**wishes)


@pytest.mark.parametrize(
    ("name", "wishes", "said"),
    [
        ("", {}, "name: '': This field cannot be blank"),
        ("a b", {}, "name: 'a b': Enter a valid username"),
        ("x" * 151, {}, "at most 150 characters"),
        ("ada", {"email": "nowhere"}, "email: 'nowhere': Enter a valid email"),
        ("ada", {"groups": ["wheel"]}, "groups: 'wheel' is none; there are production, reader, site_admin, user"),
        ("ada", {"sites": [""]}, "sites: '' is no name"),
        ("ada", {"queues": ["q" * 61]}, "queues: .* is no name; one has 1 to 60 characters"),
        ("ada", {"password": "short"}, "this password is refused"),
        ("ada", {"certificate": "Ada"}, "certificate: subject: 'Ada'"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nobody_is_made(db, name, wishes, said):
    with pytest.raises(AccountRefused, match=said):
        people.write(name, Wishes(**{"groups": ["user"], **wishes}))
    assert not User.objects.exists()
    assert not SiteRight.objects.exists()
    assert not UserCertificate.objects.exists()


def test_nobody_is_made_by_who_means_somebody_that_there_is(db):
    with pytest.raises(AccountRefused, match="nobody has an account 'eve'"):
        people.write("eve", Wishes(active=False), make=False)


def test_a_group_that_somebody_has_made_by_hand_is_taken(db):
    Group.objects.create(name="shifters")
    ada(groups=["shifters"])
    assert people.listed(most=9)[0].groups == ("shifters",)


def test_a_name_that_a_certificate_gave_stays_whatever_is_changed(db):
    User.objects.create(username="Ada Lovelace / CERN")
    assert people.write("Ada Lovelace / CERN", Wishes(email="a@b.ch")) is False


def test_a_list_costs_the_same_for_any_number(db, django_assert_num_queries):
    for name in ("ada", "bob", "eve"):
        people.write(name, Wishes(groups=["user"], sites=["A"], certificate=f"/CN={name}"))
    with django_assert_num_queries(4):
        assert [one.name for one in people.listed(after="ada", most=9)] == ["bob", "eve"]
