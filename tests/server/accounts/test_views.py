"""What bearers ask about themselves, over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from pilot.api import replies
from pilot.contract.codec import Dialect
from pilot.site.proxy import token_end
from server.accounts import logic
from server.accounts.models import Role
from server.accounts.passes import LONGEST, begin, write

RENEW, WHO = "/api/v1/accounts/renew_pass", "/api/v1/accounts/who_am_i"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def a_pass(db):
    logic.create_token("site-a", Role.PILOT, queues=["LOCAL"])
    return logic.make_pass("site-a", lifetime=timedelta(hours=1))


def test_a_pilot_renews_its_pass_before_it_ends(client, a_pass):
    answer = client.post(RENEW, headers=bearer(a_pass)).json()
    assert answer["success"], answer
    assert datetime.fromisoformat(answer["data"]["expires_at"]) > timezone.now() + timedelta(hours=23)
    assert client.get(WHO, headers=bearer(answer["data"]["token"])).json()["data"] == {
        "name": "site-a", "role": "pilot", "person": "", "queues": ["LOCAL"],
    }  # fmt: skip


def test_a_pilot_reads_the_answer_and_sees_when_its_new_pass_ends(client, a_pass):
    answer = client.post(RENEW, headers=bearer(a_pass))
    new = replies.secret((answer.status_code, answer.content), Dialect.V1)
    assert client.get(WHO, headers=bearer(new)).status_code == 200
    assert token_end(new) == datetime.fromisoformat(answer.json()["data"]["expires_at"]).timestamp()


def test_a_pass_that_was_renewed_for_long_is_not_renewed_any_more(client, db, settings):
    logic.create_token("site-a", Role.PILOT)
    now = timezone.now().timestamp()
    token = logic.Token.objects.get().pk
    old = begin(token, now=now - LONGEST, lifetime=LONGEST + 60)
    answer = client.post(RENEW, headers=bearer(write(old, logic.pass_key(settings.SECRET_KEY)))).json()
    assert answer["success"] is False
    assert "older than 14 days" in answer["message"]


def test_a_token_is_not_renewed(client, pilot_token):
    answer = client.post(RENEW, headers=bearer(pilot_token)).json()
    assert (answer["success"], "only a pass is renewed" in answer["message"]) == (False, True)


def test_a_pass_is_renewed_by_post_alone(client, a_pass):
    assert client.get(RENEW, headers=bearer(a_pass)).json()["message"] == "GET is not allowed here; use POST"


def test_an_altered_pass_gets_403(client, a_pass):
    answer = client.post(RENEW, headers=bearer(a_pass[:-1] + ("A" if a_pass[-1] != "A" else "B")))
    assert answer.status_code == 403
    assert "not of this server" in answer.json()["message"]
