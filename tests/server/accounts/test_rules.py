"""Every address says whom it lets in, and keeps to it."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from server.accounts.identity import Identity
from server.accounts.logic import create_token
from server.accounts.models import Role
from server.accounts.rules import NotAllowed, allow, refuse_others, rule_of


def views(resolver, prefix=""):
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":  # Django's own, behind its own login
                yield from views(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.callback


ALL = dict(views(get_resolver()))


@pytest.mark.parametrize("route", sorted(ALL))
def test_every_address_has_a_rule(route):
    rule = rule_of(ALL[route])
    assert rule is not None, "decorate the view with @allow(...) or @everyone(because=...)"
    assert bool(rule.roles) != bool(rule.open_because)


V1_POST = "/api/v1/job/kill"
#: Of productions and administrators alone.
ORDERS = "/api/v1/production/define_task"


#: What a token of a role needs.
NEEDS = {Role.USER: {"person": "alice"}, Role.SITE_ADMIN: {"queues": ["LOCAL"]}}


@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.PRODUCTION, Role.ADMIN}])
def test_a_role_that_is_not_named_gets_403_and_the_reason(client, db, role):
    token = create_token("somebody", role, **NEEDS.get(role, {}))
    answer = client.post(ORDERS, {}, "application/json", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert answer.json()["success"] is False
    assert answer.json()["message"] == (f"the token somebody has the role {role.value}; this needs admin or production")


def test_an_administrator_may_do_everything(client, db):
    token = create_token("root", Role.ADMIN)
    answer = client.post(V1_POST, {"job_ids": [1]}, "application/json", headers={"Authorization": f"Bearer {token}"})
    assert answer.json() == {"success": True, "message": "", "data": [False]}


def test_without_a_token_the_newer_dialect_answers_403(client, db):
    answer = client.post(V1_POST, {}, "application/json")
    assert answer.status_code == 403
    assert "no token" in answer.json()["message"]


@pytest.mark.parametrize(
    ("role", "status"), [(None, 50), (Role.READER, 60)], ids=["nobody is 50", "another role is 60"]
)
def test_the_legacy_dialect_refuses_by_its_status_code(client, db, role, status):
    headers = {"Accept": "application/json"}
    if role:
        headers["Authorization"] = f"Bearer {create_token('somebody', role)}"
    answer = client.post("/server/panda/getJob", {"siteName": "LOCAL"}, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["StatusCode"] == status
    assert answer.json()["errorDialog"]


def test_no_answer_and_no_log_holds_a_token(client, production_token, caplog):
    caplog.set_level("DEBUG")
    answer = client.post(
        "/server/panda/getJob", {"siteName": "X"}, headers={"Authorization": f"Bearer {production_token}"}
    )
    assert production_token not in answer.content.decode()
    assert production_token not in caplog.text


ALICE = Identity("notebook", Role.USER, "alice")
SITE = Identity("site", Role.SITE_ADMIN, queues=frozenset({"LOCAL"}))


@pytest.mark.parametrize(
    ("who", "owner", "queue", "may"),
    [
        (ALICE, "alice", "LOCAL", True),
        (ALICE, "bob", "LOCAL", False),
        (ALICE, "", "LOCAL", False),
        (Identity("nobody's", Role.USER), "", "LOCAL", False),
        (SITE, "bob", "LOCAL", True),
        (SITE, "bob", "REMOTE", False),
        (Identity("manager", Role.PRODUCTION), "bob", "REMOTE", True),
        (Identity("root", Role.ADMIN), "bob", "REMOTE", True),
        (Identity("reader", Role.READER, "bob"), "bob", "LOCAL", False),
        (Identity("pilot", Role.PILOT), "bob", "LOCAL", True),
        (Identity("pilot", Role.PILOT, queues=frozenset({"LOCAL"})), "bob", "LOCAL", True),
        (Identity("pilot", Role.PILOT, queues=frozenset({"LOCAL"})), "bob", "REMOTE", False),
    ],
)
def test_who_may_end_a_job_and_look_into_it(who, owner, queue, may):
    assert who.may_act_on(owner=owner, queue=queue) is may


def test_who_asks_for_one_job_of_somebody_else_is_refused_as_a_whole():
    with pytest.raises(
        NotAllowed, match="job 2 is bob's, at LOCAL; you may act on your own jobs alone; nothing was done"
    ):
        refuse_others(ALICE, {1: ("alice", "LOCAL"), 2: ("bob", "LOCAL")})
    refuse_others(ALICE, {1: ("alice", "LOCAL")})


@pytest.mark.parametrize(
    ("path", "refused", "status"),
    [("/api/v1/x/y", NotAllowed("no"), 403), ("/api/v1/x/y", NotAllowed("no", status=200), 200)],
)
def test_what_a_view_refuses_is_told_in_the_newer_dialect(rf, production_token, path, refused, status):
    answer = refusing(refused)(rf.get(path, headers={"Authorization": f"Bearer {production_token}"}))
    assert answer.status_code == status
    assert json.loads(answer.content) == {"success": False, "message": "no", "data": None}


def test_what_a_view_refuses_is_told_in_the_legacy_dialect(rf, production_token):
    request = rf.get("/server/panda/x", headers={"Authorization": f"Bearer {production_token}"})
    answer = refusing(NotAllowed("no"))(request)
    assert answer.status_code == 200
    assert parse_qs(answer.content.decode()) == {"StatusCode": ["70"], "errorDialog": ["no"]}


def refusing(refused):
    @allow(Role.PRODUCTION)
    def view(request, identity):
        raise refused

    return view
