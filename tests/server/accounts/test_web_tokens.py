"""Web tokens: what their issuer has signed for us is believed, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.accounts.issuer_keys import fetch_keys
from server.accounts.issuers import Issuer as Entry
from server.accounts.web_tokens import BELIEVED, LEEWAY, LONGEST, BadToken, WebTokens
from tests.services import issuer as issuers


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    with issuers.running(tmp_path_factory.mktemp("issuer") / "authority") as issuer:
        yield issuer


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """Wait for keys as long as a slow machine needs."""
    monkeypatch.setattr("server.accounts.issuer_keys.PATIENCE", 60.0)


@pytest.fixture
def entry(issuer):
    issuer.answers, issuer.status = {}, 200
    issuer.rotate("first")
    return Entry(issuer.address, ("compass", "https://compass"), (), authorities=str(issuer.authority.file))


class Clock:
    ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(clock):
    return WebTokens(clock=clock)


def read(tokens, entry, token):
    return tokens.verify(token, hashlib.sha256(token.encode()).hexdigest(), {entry.address: entry})


def test_a_token_says_who_comes_with_which_groups_and_scopes(issuer, entry, tokens):
    said = {"wlcg.groups": ["/compass", "/compass/production"], "groups": ["others"], "scope": "compute.create openid"}
    found = read(tokens, entry, issuer.token(**said))
    assert (found.subject, found.issuer, found.name) == ("1234", entry, "")
    assert found.groups == {"compass", "compass/production", "others"}
    assert found.scopes == {"compute.create", "openid"}


@pytest.mark.parametrize("audience", ["compass", ["another", "https://compass"]])
def test_a_token_for_several_audiences_is_for_us_when_we_are_among_them(issuer, entry, tokens, audience):
    assert read(tokens, entry, issuer.token(aud=audience)).subject == "1234"


def test_the_claim_that_names_persons_is_the_entrys(issuer, entry, tokens):
    named = Entry(entry.address, entry.audiences, (), authorities=entry.authorities, person="preferred_username")
    assert read(tokens, named, issuer.token(preferred_username="alice")).name == "alice"
    with pytest.raises(BadToken, match="the token's preferred_username is not a text of at most 250 printable"):
        read(tokens, named, issuer.token())


NOW = int(time.time())


@pytest.mark.parametrize(
    ("said", "reason", "words"),
    [
        ({"aud": "another"}, "other_audience", "meant for others; get one for the audience compass or https://compass"),
        ({"aud": None}, "bad_token", "MissingRequiredClaimError"),
        ({"aud": []}, "bad_token", "MissingRequiredClaimError"),
        ({"exp": None}, "bad_token", "MissingRequiredClaimError"),
        ({"exp": NOW - 1000}, "expired", r"the token ended \d+ s ago; get another"),
        ({"exp": "tomorrow"}, "bad_token", "the token's exp is not a time"),
        ({"exp": True}, "bad_token", "the token's exp is not a time"),
        ({"exp": 10**300}, "bad_token", "the token's exp is not a time"),
        ({"exp": float("inf")}, "bad_token", "the token's exp is not a time"),
        ({"nbf": NOW + 10**7}, "not_yet", "the token begins in .* s; is a clock wrong"),
        ({"nbf": []}, "bad_token", "the token's nbf is not a time"),
        ({"sub": None}, "bad_token", "MissingRequiredClaimError"),
        ({"sub": ""}, "bad_token", "the token's sub is not a text"),
        ({"sub": "a\nb"}, "bad_token", "the token's sub is not a text"),
        ({"sub": "x" * 251}, "bad_token", "the token's sub is not a text"),
        ({"iss": "https://localhost/"}, "unknown_issuer", "tokens of 'https://localhost/' are not taken here; taken"),
        ({"iss": None}, "unknown_issuer", "tokens of 'None' are not taken here"),
    ],
)
def test_what_is_not_for_us_now_is_refused_by_its_reason(issuer, entry, tokens, said, reason, words):
    with pytest.raises(BadToken, match=words) as refused:
        read(tokens, entry, issuer.token(**said))
    assert refused.value.reason == reason


def test_the_issuers_name_counts_to_the_last_sign(issuer, entry, tokens):
    with pytest.raises(BadToken, match="are not taken here"):
        read(tokens, entry, issuer.token(iss=issuer.address.rstrip("/")))


def test_clocks_may_differ_a_little(issuer, entry, tokens):
    now = time.time()
    assert read(tokens, entry, issuer.token(exp=now - LEEWAY / 2, nbf=now - 60)).subject == "1234"
    assert read(tokens, entry, issuer.token(nbf=now + LEEWAY / 2)).subject == "1234"


def encoded(said):
    return base64.urlsafe_b64encode(json.dumps(said).encode() if not isinstance(said, bytes) else said).rstrip(b"=")


def assembled(head, body, sign=lambda text: b""):
    text = encoded(head) + b"." + encoded(body)
    return (text + b"." + encoded(sign(text))).decode()


def forged(issuer):
    """Answer tokens that say what good ones say, by name."""
    good = issuer.token()
    head, body, signature = good.split(".")
    said = jwt.decode(good, options={"verify_signature": False})
    public = issuer.key("first").public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    other = ec.generate_private_key(ec.SECP256R1())
    own = jwt.algorithms.ECAlgorithm.to_jwk(other.public_key(), as_dict=True)

    def by_secret(text):
        return hmac.digest(pem, text, "sha256")

    return {
        "none": assembled({"alg": "none", "kid": "first"}, said),
        "None": assembled({"alg": "None", "kid": "first"}, said),
        "no algorithm": assembled({"kid": "first"}, said),
        "a list of algorithms": assembled({"alg": ["ES256"], "kid": "first"}, said),
        "by the public key as a secret": assembled({"alg": "HS256", "kid": "first"}, said, by_secret),
        "the same, called otherwise": assembled({"alg": "ES256", "kid": "first"}, said, by_secret),
        "by another key": jwt.encode(said, other, "ES256", {"kid": "first"}),
        "by a key that it brings along": jwt.encode(said, other, "ES256", {"kid": "first", "jwk": own}),
        "by a key that it says where to fetch": jwt.encode(
            said, other, "ES256", {"kid": "first", "jku": f"{issuer.address}own"}
        ),
        "by a key that nobody knows": jwt.encode(said, other, "ES256", {"kid": "second"}),
        "a number that is none": assembled({"alg": "ES256", "kid": 1}, said),
        "several issuers": assembled({"alg": "ES256", "kid": "first"}, {**said, "iss": [said["iss"]]}),
        "another body": f"{head}.{encoded({**said, 'sub': 'root'}).decode()}.{signature}",
        "no signature": f"{head}.{body}.",
        "a signature of nothing": f"{head}.{body}.{encoded(bytes(64)).decode()}",
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.{signature}",
        "no JSON": assembled(b'{"alg', said),
        "no objects": "eyJ." + encoded([]).decode() + ".x",
        "a deep body": assembled({"alg": "ES256", "kid": "first"}, b"[" * 5000),
        "a critical header": assembled({"alg": "ES256", "kid": "first", "crit": ["b64"], "b64": False}, said),
        "a long one": good + "A" * LONGEST,
        "strange letters": good + "é",
    }


NAMES = (
    "none", "None", "no algorithm", "a list of algorithms", "by the public key as a secret",
    "the same, called otherwise", "by another key", "by a key that it brings along",
    "by a key that it says where to fetch", "by a key that nobody knows", "a number that is none", "several issuers",
    "another body",
    "no signature", "a signature of nothing", "two parts", "four parts", "no JSON", "no objects", "a deep body",
    "a critical header", "a long one", "strange letters",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_what_is_forged_is_not_believed(issuer, entry, tokens, name):
    issuer.asked.clear()
    with pytest.raises(BadToken):
        read(tokens, entry, forged(issuer)[name])
    assert "/own" not in issuer.asked


def test_all_that_is_forged_is_tried(issuer, entry):
    assert sorted(forged(issuer)) == sorted(NAMES)


def test_an_algorithm_that_the_entry_does_not_name_is_refused_though_the_signature_is_good(issuer, entry, tokens):
    strict = Entry(entry.address, entry.audiences, (), ("RS256",), entry.authorities)
    with pytest.raises(BadToken, match="the token is signed by 'ES256'; .* signs by RS256"):
        read(tokens, strict, issuer.token())


def test_a_key_counts_for_its_own_algorithm_alone(issuer, entry, tokens):
    (key,) = issuer.published()["keys"]
    issuer.answers = {"/keys": lambda _: json.dumps({"keys": [{**key, "alg": "ES512"}]}).encode()}
    with pytest.raises(BadToken, match="the token is signed by ES256; its key is for ES512"):
        read(tokens, entry, issuer.token())


def test_a_key_that_is_none_harms_only_its_own_tokens(issuer, entry, tokens):
    (key,) = issuer.published()["keys"]
    bad = {"kty": "EC", "crv": "P-256", "x": "!", "y": "!", "kid": "bad"}
    issuer.answers = {"/keys": lambda _: json.dumps({"keys": [bad, key]}).encode()}
    with pytest.raises(BadToken, match="is not what .* has signed: InvalidKeyError"):
        read(tokens, entry, jwt.encode({"iss": issuer.address}, issuer.key("first"), "ES256", {"kid": "bad"}))
    assert read(tokens, entry, issuer.token()).subject == "1234"


def test_a_token_is_verified_once_and_then_known_until_it_ends(issuer, entry, tokens, clock):
    token = issuer.token(exp=time.time() + BELIEVED / 2)
    asked = []
    tokens = WebTokens(lambda one: asked.append(one) or fetch_keys(one), clock=clock)
    assert read(tokens, entry, token) is read(tokens, entry, token)
    assert asked == [entry]
    clock.ahead = BELIEVED / 2 + LEEWAY
    with pytest.raises(BadToken, match="the token ended"):
        read(tokens, entry, token)


def test_a_signature_is_looked_at_again_after_an_hour(issuer, entry, tokens, clock):
    token = issuer.token(exp=time.time() + 100 * BELIEVED)
    first = read(tokens, entry, token)
    clock.ahead = BELIEVED
    again = read(tokens, entry, token)
    assert again == first
    assert again is not first


def test_an_issuer_may_change_its_keys(issuer, entry, tokens):
    issuer.rotate("first", "second")
    assert read(tokens, entry, issuer.token(sub="by the second")).subject == "by the second"


def test_only_so_many_tokens_are_remembered(issuer, entry, clock):
    tokens = WebTokens(clock=clock, most=2)
    several = [issuer.token(sub=name) for name in "abc"]
    assert [read(tokens, entry, token).subject for token in several] == ["a", "b", "c"]
    assert [read(tokens, entry, token).subject for token in several] == ["a", "b", "c"]
    assert len(tokens._known) <= 2
