"""My account: rights and where they come from, and tokens that are no higher and live no longer than these."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, User

from server.accounts import logic
from server.accounts.identity import IDENTITIES
from server.accounts.models import GivenRight, Person, Role, SiteRight, Token, UserCertificate
from server.pandaconfig.logic import define_queue

WHO = "/api/v1/accounts/who_am_i"


@pytest.fixture
def ann(client, db):
    """Somebody of the group production, who has logged in."""
    user = User.objects.create_user("ann")
    user.groups.set([Group.objects.get_or_create(name="production")[0]])
    client.force_login(user)
    return user


@pytest.fixture
def keeper(client, db):
    """Somebody who looks after CERN, and has logged in."""
    for name, site in (("Q1", "CERN"), ("Q2", "JINR")):
        define_queue({"nickname": name, "siteid": site, "status": "online"})
    user = User.objects.create_user("keeper")
    user.groups.set([Group.objects.get_or_create(name="site_admin")[0]])
    SiteRight.objects.create(account=user, site="CERN", origin="https://iam.example.org/")
    client.force_login(user)
    return user


def make(client, status=200, **said):
    answer = client.post("/account/tokens", {"name": "script", "role": "production", "days": "30", **said})
    assert answer.status_code == status
    return answer.content.decode()


def token_in(page):
    return re.search(r"cps_[\w-]+", page)[0]


def ask(client, token):
    IDENTITIES.forget()
    return client.get(WHO, headers={"Authorization": f"Bearer {token}"})


def test_strangers_are_led_to_the_login(client, db):
    for answer in (client.get("/account"), client.post("/account/tokens"), client.post("/account/tokens/1/revoke")):
        assert answer.status_code == 302
        assert answer["Location"] == "/login?next=/account"


def test_who_has_no_right_is_told_whom_to_ask(client, db):
    client.force_login(User.objects.create_user("new"))
    page = client.get("/account").content.decode()
    assert "You have an account and no right yet. To get one ask an administrator" in page
    assert "Make a token" not in page
    assert "not yours to give" in make(client, 400, role="reader")


def test_rights_are_shown_with_who_gave_them(client, keeper):
    GivenRight.objects.create(account=keeper, role=Role.SITE_ADMIN, origin="https://iam.example.org/")
    keeper.groups.add(Group.objects.create(name="friends"))
    page = client.get("/account").content.decode()
    assert re.search(r"group site_admin</td><td>[^<]*</td><td>https://iam.example.org/", page)
    assert re.search(r"group friends</td><td>[^<]*</td><td>an administrator", page)
    assert re.search(r"site CERN</td><td>[^<]*</td><td>https://iam.example.org/", page)


def test_a_token_is_shown_once_and_works(client, ann):
    page = make(client)
    said = ask(client, token_in(page)).json()["data"]
    assert (said["name"], said["role"], said["person"]) == ("ann/script", "production", "ann")
    again = client.get("/account").content.decode()
    assert "ann/script" in again
    assert "cps_" not in again


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"role": "admin"}, "role: admin is not yours to give; you may give production, user, reader"),
        ({"role": "pilot"}, "role: pilot is not yours to give"),
        ({"role": "boss"}, "is none; choose one of the list"),
        ({"name": ""}, "is not taken; write at most 30"),
        ({"name": "a/b"}, "is not taken; write at most 30"),
        ({"days": "0"}, "is not a number from 1 to 365"),
        ({"days": "366"}, "is not a number from 1 to 365"),
        ({"days": "²"}, "is not a number from 1 to 365"),
        ({"queues": "Q1"}, "the role production is for all queues; leave them out"),
    ],
)
def test_what_cannot_be_meant_or_is_higher_than_oneself_is_refused(client, ann, said, words):
    assert words in make(client, 400, **said)
    assert not Token.objects.exists()


def test_a_name_is_used_once_and_tokens_are_few(client, ann, monkeypatch):
    make(client)
    assert "is in use; choose another" in make(client, 400)
    monkeypatch.setattr("server.accounts.own_tokens.MOST", 1)
    assert "revoke one first" in make(client, 400, name="other")


def test_a_token_is_good_as_long_as_its_person_has_the_role(client, ann):
    token = token_in(make(client))
    ann.groups.clear()
    refused = ask(client, token)
    assert refused.status_code == 403
    assert "the token ann/script is production" in refused.json()["message"]
    ann.is_superuser = True
    ann.save()
    assert ask(client, token).status_code == 200
    ann.is_active = False
    ann.save()
    assert ask(client, token).status_code == 403


def test_tokens_that_an_administrator_made_ask_for_no_role_at_the_pages(client, db):
    assert ask(client, logic.create_token("robot", Role.PRODUCTION, person="robin")).status_code == 200


def test_who_looks_after_a_site_makes_tokens_for_its_queues_and_no_other(client, keeper):
    assert "Q2 is no queue that you look after" in make(client, 400, role="site_admin", queues="Q1, Q2")
    assert "is for some queues; name them" in make(client, 400, role="site_admin")
    token = token_in(make(client, role="site_admin", queues="Q1"))
    assert ask(client, token).json()["data"]["queues"] == ["Q1"]
    SiteRight.objects.all().delete()
    assert "looks after no queue of the token" in ask(client, token).json()["message"]


def test_people_revoke_their_own_tokens_and_nobody_elses(client, ann):
    token = token_in(make(client))
    logic.create_token("bobs", Role.USER, person="bob")
    others = Token.objects.get(name="bobs")
    assert client.post(f"/account/tokens/{others.pk}/revoke").status_code == 404
    assert client.post(f"/account/tokens/{Token.objects.get(name='ann/script').pk}/revoke").status_code == 302
    assert ask(client, token).status_code == 403
    others.refresh_from_db()
    assert others.revoked_at is None


def test_nobody_becomes_a_person_of_another_by_an_account_of_that_name(client, ann):
    Person.objects.create(name="ann")
    assert "the person ann is known here, and not as this account" in make(client, 400)


def test_what_is_made_and_ended_stands_in_the_audit_log(client, ann):
    from server.trail.models import Entry

    make(client)
    client.post(f"/account/tokens/{Token.objects.get().pk}/revoke")
    words = list(Entry.objects.filter(table="accounts.token").order_by("at").values_list("person", "what"))
    assert words == [
        ("ann", "made the token ann/script of the role production for 30 days"),
        ("ann", "revoked the token ann/script"),
    ]


def test_the_way_to_the_admin_is_shown_to_whom_it_is_for(client, ann):
    assert 'href="/admin/"' in client.get("/account").content.decode()
    ann.groups.set([Group.objects.get_or_create(name="user")[0]])
    assert 'href="/admin/"' not in client.get("/account").content.decode()


def test_somebody_sees_by_which_certificates_the_account_is_known(client, db):
    user = User.objects.create_user("cert")
    UserCertificate.objects.create(account=user, subject="/DC=org/CN=Cert", digest="1")
    UserCertificate.objects.create(account=user, subject="/DC=org/CN=Old", digest="2", enabled=False)
    client.force_login(user)
    page = client.get("/account").content.decode()
    assert "<li>/DC=org/CN=Cert</li>" in page
    assert "/DC=org/CN=Old, which is switched off" in page
