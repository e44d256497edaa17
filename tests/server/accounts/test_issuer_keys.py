"""An issuer's keys: when they are fetched, how long they count, and what is taken for an answer."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from server.accounts.issuer_keys import FRESH, LARGEST, PAUSE, STALE, CannotFetch, IssuerKeys, KeysUnknown, fetch_keys
from server.accounts.issuers import Issuer as Entry
from tests.services import issuer as issuers

DESCRIPTION = "/.well-known/openid-configuration"


class World:
    """An issuer whose answers are put in, a clock that is set, and work that is done at once, or later."""

    def __init__(self):
        self.now, self.asked, self.answer, self.later = 0.0, 0, [{"kid": "a"}], None
        self.keys = IssuerKeys("the issuer", self.fetch, clock=lambda: self.now, run=self.run)

    def fetch(self):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def run(self, work):
        if self.later is None:
            work()
        else:
            self.later.append(work)


@pytest.fixture
def world():
    return World()


def test_keys_are_fetched_once_and_then_known(world):
    assert [world.keys.find("a") for _ in range(100)] == [{"kid": "a"}] * 100
    assert world.asked == 1


def test_a_key_that_nobody_knows_is_asked_for_now_and_then_however_often_it_is_named(world):
    world.keys.find("a")
    for _ in range(100):
        with pytest.raises(KeysUnknown, match="the issuer has no key forged"):
            world.keys.find("forged")
    assert world.asked == 1  # the keys came a moment ago
    world.now = PAUSE
    for _ in range(100):
        with pytest.raises(KeysUnknown):
            world.keys.find("forged")
    assert world.asked == 2
    assert world.keys.find("a") == {"kid": "a"}


def test_a_new_key_is_found_by_the_first_token_that_names_it(world):
    world.keys.find("a")
    world.now, world.answer = PAUSE, [{"kid": "a"}, {"kid": "b"}]
    assert world.keys.find("b") == {"kid": "b"}


def test_a_key_that_was_withdrawn_is_forgotten_when_the_keys_are_no_longer_fresh(world):
    world.keys.find("a")
    world.now, world.answer = FRESH, [{"kid": "b"}]
    world.keys.find("a")  # answered at once; the keys are fetched beside it
    with pytest.raises(KeysUnknown):
        world.keys.find("a")


def test_known_keys_wait_for_nobody(world):
    world.keys.find("a")
    world.now, world.later = FRESH, []
    assert [world.keys.find("a") for _ in range(10)] == [{"kid": "a"}] * 10
    assert (world.asked, len(world.later)) == (1, 1)


def test_keys_are_used_while_the_issuer_is_down_for_a_day_and_no_longer(world):
    world.keys.find("a")
    world.answer = CannotFetch("it is down")
    for world.now in (FRESH, 10 * FRESH, STALE - 1):
        assert world.keys.find("a") == {"kid": "a"}
    world.now = STALE + PAUSE
    with pytest.raises(KeysUnknown, match="the keys of the issuer are not known: it is down; try again in 60 s"):
        world.keys.find("a")


def test_an_issuer_that_comes_back_is_believed_again(world):
    world.answer = CannotFetch("it is down")
    with pytest.raises(KeysUnknown):
        world.keys.find("a")
    world.answer = [{"kid": "a"}]
    with pytest.raises(KeysUnknown):
        world.keys.find("a")  # too soon to ask again
    world.now = PAUSE
    assert world.keys.find("a") == {"kid": "a"}


def test_only_the_first_who_needs_the_keys_of_a_slow_issuer_waits(world, monkeypatch):
    monkeypatch.setattr("server.accounts.issuer_keys.PATIENCE", 0.01)
    world.later = []
    for _ in range(3):
        with pytest.raises(KeysUnknown, match="they are being asked for"):
            world.keys.find("a")
    assert len(world.later) == 1
    world.now = 10 * PAUSE
    with pytest.raises(KeysUnknown):
        world.keys.find("a")
    assert len(world.later) == 1  # the first attempt is still under way
    world.later[0]()
    assert world.keys.find("a") == {"kid": "a"}


def test_a_token_without_a_number_means_the_only_key(world):
    assert world.keys.find(None) == {"kid": "a"}
    world.now, world.answer = FRESH, [{"kid": "a"}, {"kid": "b"}]
    world.keys.find("a")
    with pytest.raises(KeysUnknown, match="for a token that names none"):
        world.keys.find(None)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    with issuers.running(tmp_path_factory.mktemp("issuer") / "authority") as issuer:
        yield issuer


@pytest.fixture
def entry(issuer):
    issuer.answers, issuer.status = {}, 200
    return Entry(issuer.address, ("compass",), (), authorities=str(issuer.authority.file))


def test_an_issuer_is_asked_for_its_description_and_then_for_its_keys(issuer, entry):
    issuer.asked.clear()
    assert [key["kid"] for key in fetch_keys(entry)] == ["first"]
    assert issuer.asked == [DESCRIPTION, "/keys"]


def saying(**said):
    return lambda _: json.dumps(said).encode()


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        (DESCRIPTION, saying(issuer="https://another.example.org/"), "it calls itself 'https://another.example.org/'"),
        (DESCRIPTION, lambda _: b"<html>", "localhost answers no JSON$"),
        (DESCRIPTION, lambda _: b"[]", "localhost answers no JSON object"),
        (DESCRIPTION, lambda _: b"[" * 10_000, "localhost answers no JSON$"),
        (DESCRIPTION, lambda _: b" " * (LARGEST + 1), "answers more than"),
        ("/keys", saying(keys=None), "it gives no list of at most 100 keys"),
        ("/keys", saying(keys=[{}] * 101), "it gives no list of at most 100 keys"),
    ],
)
def test_what_is_no_answer_of_an_issuer_is_not_believed(issuer, entry, path, answer, words):
    issuer.answers = {path: answer}
    with pytest.raises(CannotFetch, match=words):
        fetch_keys(entry)


@pytest.mark.parametrize("where", ["http://localhost/keys", "file:///etc/passwd", None, 7])
def test_keys_are_fetched_over_https_alone(issuer, entry, where):
    issuer.answers = {DESCRIPTION: saying(issuer=issuer.address, jwks_uri=where)}
    with pytest.raises(CannotFetch, match="begins with https://"):
        fetch_keys(entry)


def test_shared_secrets_and_keys_for_other_uses_are_no_keys(issuer, entry):
    (good,) = issuer.published()["keys"]
    others = [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}, {**good, "use": "enc"}, {"kid": "no kind"}, "text"]
    issuer.answers = {"/keys": saying(keys=[*others, good])}
    assert list(fetch_keys(entry)) == [good]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_redirections_and_failures_are_no_answers(issuer, entry, status):
    issuer.status = status
    with pytest.raises(CannotFetch, match=f"localhost answers {status}"):
        fetch_keys(entry)


def test_an_issuer_with_a_certificate_of_an_authority_that_is_not_named_is_not_believed(issuer, entry):
    with pytest.raises(CannotFetch, match="localhost does not answer: SSLError"):
        fetch_keys(replace(entry, authorities=""))


def test_an_answer_that_drips_is_given_up(issuer, entry, monkeypatch):
    monkeypatch.setattr("server.accounts.issuer_keys.LONGEST", -1.0)
    with pytest.raises(CannotFetch, match="localhost does not answer: TimeoutError"):
        fetch_keys(entry)
