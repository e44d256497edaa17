"""Every address says whom it lets in, and keeps to it."""

from __future__ import annotations

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.accounts.rules import rule_of


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


@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.PRODUCTION, Role.ADMIN}])
def test_a_role_that_is_not_named_gets_403_and_the_reason(client, db, role):
    token = create_token("somebody", role)
    answer = client.post(V1_POST, {}, "application/json", headers={"Authorization": f"Bearer {token}"})
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
