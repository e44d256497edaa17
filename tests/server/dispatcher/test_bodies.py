"""What a request's body says, whatever dress it comes in."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest
from django.test import RequestFactory

from server.dispatcher.bodies import read_fields
from server.lib.http import BodyRefused
from server.lib.metrics import exposed

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LIMIT = 2**16


@pytest.fixture(autouse=True)
def small_limit(settings):
    settings.ENVIRONMENT = settings.ENVIRONMENT.__class__(body_limit=LIMIT)


def fields(body: bytes, content_type: str, **headers):
    return read_fields(RequestFactory().post("/", body, content_type, headers=headers))


@pytest.mark.parametrize(
    ("body", "content_type", "headers"),
    [
        (b'{"a": "1"}', JSON, {}),
        (b'{"a": "1"}', JSON + "; charset=utf-8", {}),
        (gzip.compress(b'{"a": "1"}', mtime=0), JSON, {}),
        (gzip.compress(b'{"a": "1"}', mtime=0), JSON, {"Content-Encoding": "gzip"}),
        (b"a=1", FORM, {}),
        (gzip.compress(b"a=1", mtime=0), FORM, {"Content-Encoding": "gzip"}),
        (b'{"a": "1"}', FORM, {}),
    ],
)
def test_every_dress_says_the_same(body, content_type, headers):
    assert fields(body, content_type, **headers) == {"a": "1"}


def test_a_multipart_form_is_read():
    assert read_fields(RequestFactory().post("/", {"a": "1"})) == {"a": "1"}


def test_an_empty_body_says_nothing():
    assert fields(b"", JSON) == {}
    assert fields(b"", FORM) == {}


def test_a_form_keeps_its_empty_fields_and_odd_letters():
    assert fields(b"a=&b=%C3%BC&c=1+2", FORM) == {"a": "", "b": "ü", "c": "1 2"}


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"{", JSON, "not JSON"),
        (b'{"a": NaN}', JSON, "not JSON"),
        (b'{"a": "\xff"}', JSON, "not JSON"),
        (b"[1]", JSON, "not an object"),
        (b'"a"', JSON, "not an object"),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", JSON, "deeper than 100 levels"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, JSON, "not JSON"),
        (b"\x1f\x8bnonsense", JSON, "is none"),
        (gzip.compress(b'{"a": 1}', mtime=0)[:-6], JSON, "cut short"),
        (b"a=\xff", FORM, "not UTF-8"),
        (b"&".join(b"f%d=1" % number for number in range(600)), FORM, "more than 500 fields"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(body, content_type, words):
    with pytest.raises(BodyRefused, match=words):
        fields(body, content_type)


def test_a_body_over_the_limit_is_not_read():
    with pytest.raises(BodyRefused, match="at most 65536") as refused:
        fields(b"a" * (LIMIT + 1), FORM)
    assert refused.value.status == 413


def test_a_bomb_is_not_unpacked():
    bomb = gzip.compress(json.dumps({"a": "0" * 50_000_000}).encode())
    assert len(bomb) < LIMIT
    tracemalloc.start()
    with pytest.raises(BodyRefused, match="unpacks to more than 65536") as refused:
        fields(bomb, JSON)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.status == 413
    assert peak < 2_000_000


@pytest.mark.parametrize("path", ["/api/v1/job/submit", "/server/panda/submitJobs"])
def test_a_bomb_is_refused_in_the_manners_of_the_address_and_counted(client, db, production_token, path):
    line = 'compass_refused_total{reason="too_large"} '

    def counted() -> float:
        lines = exposed().decode().splitlines()
        return sum(float(each.removeprefix(line)) for each in lines if each.startswith(line))

    before, bomb = counted(), gzip.compress(b"0" * 2_000_000)
    headers = {"Authorization": f"Bearer {production_token}", "Content-Encoding": "gzip", "Accept": JSON}
    answer = client.post(path, bomb, JSON, headers=headers)
    assert answer.status_code == 413
    assert "unpacks to more than 65536" in answer.content.decode()
    assert counted() == before + 1


def test_a_length_that_is_no_number_is_refused():
    request = RequestFactory().post("/", b"a=1", FORM)
    request.META["CONTENT_LENGTH"] = request.META["HTTP_CONTENT_LENGTH"] = "many"
    with pytest.raises(BodyRefused, match="not a number of bytes"):
        read_fields(request)
