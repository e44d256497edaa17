"""Requests to storages over HTTP: shown, explained, acted on; what is wrong is named with a remedy."""

from __future__ import annotations

import pytest

from server.dataservice import logic
from server.dataservice.models import RequestEvent
from tests.server.dataservice.conftest import filled, states, world

__all__ = ["world"]
DATA = "/api/v1/data"


@pytest.fixture
def copy(world):
    return logic.request_replicate(filled(world, 2, at="DISK"), "FAR", "manager", now=world.now)


def get(client, token, method, **query):
    return client.get(f"{DATA}/{method}", query, headers={"Authorization": f"Bearer {token}"}).json()


def test_requests_are_listed_by_state(client, production_token, copy):
    (line,) = get(client, production_token, "list_requests")["data"]
    assert (line["id"], line["kind"], line["state"]) == (copy.pk, "replicate", "requested")
    assert line["states"] == {"requested": 2}
    assert line["acts"] == ["give_up"]
    assert get(client, production_token, "list_requests", state="failed")["data"] == []
    assert len(get(client, production_token, "list_requests", state="open")["data"]) == 1


def test_a_request_is_explained(client, production_token, copy, world):
    world.porter.silent = world.far.silent = True
    world.submit()
    found = get(client, production_token, "get_request", request_id=copy.pk)["data"]
    assert found["explained"][0] == "replicate of 2 files at FAR, asked for by manager: 2 requested"
    assert any(words.startswith("FAR has not answered for") for words in found["explained"])
    assert found["bound"]["told_by"] == "the default"
    assert found["bound"]["seconds"] == 60 * 86400
    assert [one["lfn"] for one in found["transfers"]] == ["cdr00000-1.raw", "cdr00001-1.raw"]


def test_one_is_given_up_and_tried_again(manager, copy):
    answer = manager.v1(f"{DATA}/give_request_up", {"request_id": copy.pk, "why": "sold"})
    assert answer["data"]["files"] == 2
    assert (answer["data"]["request"]["state"], answer["data"]["request"]["given_up_why"]) == ("failed", "sold")
    assert states(copy) == ["failed"] * 2
    answer = manager.v1(f"{DATA}/try_request_again", {"request_id": copy.pk})
    assert (answer["data"]["files"], answer["data"]["request"]["state"]) == (2, "requested")
    acts = RequestEvent.objects.order_by("pk").values_list("act", "by", "why")
    assert [one["act"] for one in answer["data"]["request"]["done"]] == ["try_again", "give_up"]
    assert acts[0][2] == "sold"
    assert {by for _, by, _ in acts} != {""}


def test_a_prestage_is_released(manager, world):
    request = logic.request_prestage(filled(world), "TAPE", 60, "manager", now=world.now)
    assert manager.v1(f"{DATA}/release_request", {"request_id": request.pk, "why": "done"})["data"]["files"] == 1
    world.later(days=9).pins()
    assert states(request) == ["expired"]


@pytest.mark.parametrize(
    ("method", "fields", "words"),
    [
        ("give_request_up", {"request_id": 999, "why": "x"}, "request_id: there is no request 999"),
        ("give_request_up", {"request_id": 1}, "why: missing"),
        ("give_request_up", {"request_id": "x", "why": "y"}, "request_id: 'x'"),
        ("try_request_again", {}, "request_id: missing"),
        ("try_request_again", {"request_id": "COPY", "why": "x" * 501}, "has 501 characters; at most 500"),
        ("try_request_again", {"request_id": "COPY"}, "it is open; none of its files has failed"),
        ("release_request", {"request_id": "COPY"}, "only a prestage keeps files on disk"),
        ("release_request", {"request_id": 1, "wy": "x"}, "unexpected argument 'wy'"),
    ],
)
def test_what_cannot_be_done_is_named(manager, copy, method, fields, words):
    fields = {key: copy.pk if value == "COPY" else value for key, value in fields.items()}
    answer = manager.v1(f"{DATA}/{method}", fields)
    assert answer["success"] is False
    assert words in answer["message"]


@pytest.mark.parametrize(
    ("method", "query", "words"),
    [
        ("list_requests", {"state": "queued"}, "state: 'queued' is none of a request; there are open, done, failed"),
        ("list_requests", {"limit": 0}, "limit: 0 is not from 1 to 500"),
        ("get_request", {"request_id": 7777}, "there is no request 7777"),
    ],
)
def test_a_question_that_cannot_be_answered_is_named(client, production_token, method, query, words, db):
    answer = get(client, production_token, method, **query)
    assert answer["success"] is False
    assert words in answer["message"]


def test_who_only_reads_may_not_act(client, db, copy):
    from server.accounts.logic import create_token
    from server.accounts.models import Role

    token = create_token("eye", Role.READER)
    assert get(client, token, "get_request", request_id=copy.pk)["success"] is True
    address, headers = f"{DATA}/give_request_up", {"Authorization": f"Bearer {token}"}
    answer = client.post(address, {"request_id": copy.pk, "why": "x"}, "application/json", headers=headers)
    assert answer.status_code == 403
    assert states(copy) == ["requested"] * 2
