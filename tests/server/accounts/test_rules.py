"""Every address says whom it lets in, and keeps to it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from server.accounts import rules
from server.accounts.identity import Identity
from server.accounts.logic import ban, create_token, revoke_token
from server.accounts.models import Role
from server.accounts.rules import NotAllowed, allow, refuse_others, rule_of
from server.lib.metrics import exposed
from server.lib.rates import Rates


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


def refusals(reason):
    line = f'compass_refused_total{{reason="{reason}"}} '
    return sum(float(each.removeprefix(line)) for each in exposed().decode().splitlines() if each.startswith(line))


def banned():
    token = create_token("notebook", Role.USER, person="alice")
    ban("alice", "")
    return token


def revoked():
    token = create_token("old", Role.READER)
    revoke_token("old")
    return token


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (lambda: "", "no_token"),
        (lambda: "cps_unknown", "unknown_token"),
        (lambda: "cpp_bad", "bad_pass"),
        (revoked, "revoked"),
        (banned, "banned"),
        (lambda: create_token("reads", Role.READER), "role"),
        (lambda: create_token("manager", Role.PRODUCTION), "bad_call"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/job/kill", "/server/panda/killJobs"])
def test_what_is_refused_is_counted_by_its_reason(client, db, caplog, path, token, reason):
    caplog.set_level("INFO", "server.lib.http")
    before = refusals(reason)
    answer = client.post(path, {}, headers={"Authorization": f"Bearer {token()}", "Accept": "application/json"})
    assert answer.json().get("success") is not True
    assert refusals(reason) == before + 1
    assert f"refused ({reason}): POST {path}: " in caplog.text


def test_that_there_is_no_work_is_no_refusal(client, queue, pilot_token):
    before = refusals("bad_call")
    headers = {"Authorization": f"Bearer {pilot_token}"}
    answer = client.post("/api/v1/pilot/acquire_jobs", {"site_name": queue}, "application/json", headers=headers)
    assert answer.json()["success"] is False
    assert refusals("bad_call") == before


@pytest.mark.parametrize("role", [Role.USER, Role.PILOT])
def test_who_calls_too_often_is_told_how_long_to_wait(client, db, settings, monkeypatch, role):
    monkeypatch.setattr(rules, "RATES", Rates(lambda: 0.0))  # all at the same moment
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, user_rate=1, service_rate=1)
    headers = {"Authorization": f"Bearer {create_token('busy', role, **NEEDS.get(role, {}))}"}
    answers = [client.get("/api/v1/accounts/who_am_i", headers=headers) for _ in range(12)]
    assert (answers[0].status_code, answers[-1].status_code) == (200, 429)
    assert "the token busy calls more often than 1 times a second; wait " in answers[-1].json()["message"]
    assert answers[-1].headers["Retry-After"] == "1"
    assert refusals("too_often") > 0


def test_who_calls_too_often_in_the_legacy_dialect_is_told_by_its_status_code(client, db, settings, monkeypatch):
    monkeypatch.setattr(rules, "RATES", Rates(lambda: 0.0))
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, service_rate=1)
    headers = {"Authorization": f"Bearer {create_token('busy', Role.PILOT)}", "Accept": "application/json"}
    answers = [client.post("/server/panda/getResourceTypes", headers=headers) for _ in range(12)]
    assert (answers[-1].status_code, answers[-1].json()["StatusCode"]) == (200, 10)


def refused_for(client, route, **headers):
    """Call an address with nothing said; answer whether it is refused for the role, for want of a token, or not."""
    path = "/" + re.sub(r"<(int|str):\w+>", lambda found: {"int": "1", "str": "x"}[found[1]], route)
    said = client.get(path, headers={"Accept": "application/json", **headers}).content
    return "role" if b"; this needs " in said else "no_token" if b"no token: send" in said else ""


@pytest.mark.one_python
@pytest.mark.parametrize("role", [None, *Role])
def test_every_address_keeps_to_its_rule(client, queue, role):
    """All addresses with each role: who is not named is refused for that alone, and who is named is never."""
    headers = {} if role is None else {"Authorization": f"Bearer {create_token('asks', role, **NEEDS.get(role, {}))}"}
    wrong = []
    for route, view in ALL.items():
        rule = rule_of(view)
        if rule.roles:  # one that is open to some who have no token says itself whom it lets in
            wanted = "" if role in rule.roles else "no_token" if role is None else "role"
            if refused_for(client, route, **headers) != wanted:
                wrong.append(route)
    assert wrong == []
