"""A call goes straight to its view, a page through all of Django's middleware."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt

from pilot.contract.routes import IS_ALIVE, V1_BASE
from server.lib import straight
from server.lib.straight import Straight

SAID_TO_BROWSERS = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin"}


def handed_on(request):
    return HttpResponse(b"a page", headers={"X-Page": "yes"})


def asked(rf, path, **more):
    return Straight(handed_on)(rf.get(path, **more))


@pytest.mark.parametrize("path", ["/", "/admin/login/", f"{V1_BASE}/no/such/method", "/api/v2/system/is_alive"])
def test_what_is_no_call_is_handed_on(rf, path):
    assert "X-Page" in asked(rf, path).headers


@pytest.mark.parametrize("path", [IS_ALIVE, "/server/panda/isAlive", "/server/panda/no_such_method"])
def test_a_call_is_answered_by_its_view_and_tells_browsers_what_pages_do(rf, path):
    answer = asked(rf, path)
    assert "X-Page" not in answer.headers
    assert {name: answer.headers[name] for name in SAID_TO_BROWSERS} == SAID_TO_BROWSERS
    assert answer.headers["Content-Length"] == str(len(answer.content))


def test_a_call_has_no_session_and_the_pattern_of_its_address(client, db, monkeypatch):
    seen = []
    view = straight._call
    monkeypatch.setattr(straight, "_call", lambda request: seen.append(request) or view(request))
    assert client.get(IS_ALIVE).status_code == 200
    (request,) = seen
    assert request.resolver_match.route == IS_ALIVE.lstrip("/")
    assert not hasattr(request, "session")
    assert not hasattr(request, "user")


def test_a_view_that_wants_a_token_against_forged_forms_is_a_pages(rf, monkeypatch):
    match = SimpleNamespace(func=handed_on, args=(), kwargs={})
    monkeypatch.setattr(straight, "resolve", lambda path: match)
    assert "X-Page" in asked(rf, f"{V1_BASE}/a/page").headers


def test_a_host_that_is_not_ours_is_refused_in_the_manners_of_the_address(rf):
    answer = asked(rf, IS_ALIVE, headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert json.loads(answer.content)["message"] == "the request cannot be read: DisallowedHost"


def test_a_view_that_breaks_is_answered_in_the_manners_of_the_address(rf, monkeypatch):
    @csrf_exempt
    def broken(request):
        raise RuntimeError("no")

    match = SimpleNamespace(func=broken, args=(), kwargs={})
    monkeypatch.setattr(straight, "resolve", lambda path: match)
    answer = asked(rf, f"{V1_BASE}/system/broken")
    assert answer.status_code == 500
    assert "the server broke on this request" in json.loads(answer.content)["message"]


@pytest.mark.django_db(transaction=True)
def test_a_view_that_loses_its_database_says_that_nobody_knows_what_was_done(rf, monkeypatch):
    @csrf_exempt
    def cut_off(request):
        raise OperationalError from OSError(2006, "MySQL server has gone away")

    match = SimpleNamespace(func=cut_off, args=(), kwargs={})
    monkeypatch.setattr(straight, "resolve", lambda path: match)
    answer = asked(rf, f"{V1_BASE}/job/submit")
    assert answer.status_code == 500
    assert "nobody knows whether it was done" in json.loads(answer.content)["message"]


def test_addresses_that_callers_make_up_are_not_remembered(rf):
    goes = Straight(handed_on)
    for path in (IS_ALIVE, IS_ALIVE, "/server/panda/made_up_1", "/server/panda/made_up_2", f"{V1_BASE}/made/up"):
        goes(rf.get(path))
    assert list(goes._known) == [IS_ALIVE]
