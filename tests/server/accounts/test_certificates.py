"""Who calls by a certificate that a web server in front has verified."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.accounts.certificates import FQANS, PROOF, SUBJECT, VERIFIED, role_of, roles_from
from server.accounts.identity import BY_ATTRIBUTES, IDENTITIES, Identity, IdentityRefused, identify_caller
from server.accounts.logic import TokenRefused, ban, create_token, digest_of_certificate, lift_ban, revoke_token
from server.accounts.models import Role
from server.accounts.subjects import BadFront, subject_of

ALICE = "/DC=test/O=Grid/OU=People/CN=Alice Test 42"
SECRET = "s" * 32


@pytest.fixture
def front(db, settings, tmp_path):
    """A server with a front that proves itself; answers what headers a request has after it."""
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    rules = "/tests/Role=production=production /tests=reader"
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, front_secret_file=str(path), voms_roles=rules)

    def headers(subject=ALICE, verified="SUCCESS", **more):
        return {PROOF: SECRET, VERIFIED: verified, SUBJECT: subject, **more}

    return headers


@pytest.mark.parametrize(
    "name",
    [
        ALICE,
        "CN=Alice Test 42,OU=People,O=Grid,DC=test",
        f"{ALICE}/CN=proxy",
        f"{ALICE}/CN=1234567",
        f"{ALICE}/CN=1234567/CN=89/CN=proxy",
        "CN=89,CN=1234567,CN=Alice Test 42,OU=People,O=Grid,DC=test",
    ],
)
def test_a_subject_is_one_in_both_spellings_and_with_any_proxies(name):
    assert subject_of(name) == ALICE


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("CN=a\\, b,O=x", "/O=x/CN=a, b"),
        ("CN=J\\C3\\BCrgen,O=x", "/O=x/CN=Jürgen"),
        ("CN=12 monkeys,O=x", "/O=x/CN=12 monkeys"),
        ("/O=x/CN=proxy server", "/O=x/CN=proxy server"),
    ],
)
def test_what_is_escaped_is_plain_and_what_only_looks_like_a_proxy_stays(name, subject):
    assert subject_of(name) == subject


@pytest.mark.parametrize("name", ["", "nobody", "/" + "x=" * 200, "CN=a\\0Aforged,O=x", "CN=a\\00,O=x"])
def test_what_is_no_subject_is_refused(name):
    with pytest.raises(BadFront, match="names no subject"):
        subject_of(name)


@pytest.mark.parametrize("end", ["/CN=limited proxy", "/CN=limited proxy/CN=12"])
def test_a_limited_proxy_does_nothing_here(end):
    with pytest.raises(BadFront, match="limited proxy"):
        subject_of(ALICE + end)


def test_a_certificate_that_was_named_is_known_whatever_its_proxy(front):
    assert create_token("alices", Role.USER, person="alice", certificate=ALICE) == ""
    for subject in (ALICE, f"{ALICE}/CN=77", "CN=77,CN=Alice Test 42,OU=People,O=Grid,DC=test"):
        assert identify_caller(front(subject)) == Identity("alices", Role.USER, "alice")


@pytest.mark.parametrize("more", [{}, {"HTTP_SEC_FETCH_SITE": "same-site"}, {"HTTP_SEC_FETCH_SITE": "cross-site"}])
@pytest.mark.parametrize("origin", ["https://evil.example.org", "null"])
def test_a_page_from_elsewhere_does_not_call_by_the_certificate_of_who_looks_at_it(front, origin, more):
    create_token("alices", Role.USER, person="alice", certificate=ALICE)
    with pytest.raises(IdentityRefused, match=f"a page of {origin} calls by the certificate") as caught:
        identify_caller(front(HTTP_ORIGIN=origin, **more))
    assert caught.value.reason == "another_page"


def test_pages_of_ours_call_by_a_certificate_and_others_by_a_token(front):
    create_token("alices", Role.USER, person="alice", certificate=ALICE)
    token = create_token("reads", Role.READER)
    ours = front(HTTP_ORIGIN="https://prod.example.org:25443", HTTP_SEC_FETCH_SITE="same-origin")
    assert identify_caller(ours).name == "alices"
    said = front(HTTP_ORIGIN="https://elsewhere.example.org", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert identify_caller(said).name == "reads"


def test_a_subject_is_no_token(db):
    create_token("alices", Role.ADMIN, certificate=ALICE)
    for said in (ALICE, f"certificate:{ALICE}", digest_of_certificate(ALICE)):
        with pytest.raises(IdentityRefused, match="this token is not known here"):
            identify_caller({"HTTP_AUTHORIZATION": f"Bearer {said}"})


def test_a_certificate_is_revoked_and_its_person_banned_as_a_token_is(front):
    create_token("alices", Role.USER, person="alice", certificate=ALICE)
    ban("alice", "tests")
    with pytest.raises(IdentityRefused, match="alice is banned: tests"):
        identify_caller(front())
    lift_ban("alice")
    revoke_token("alices")
    with pytest.raises(IdentityRefused, match="alices was revoked"):
        identify_caller(front(**{FQANS: "/tests"}))


@pytest.mark.parametrize(
    "forged",
    [{PROOF: "x" * 32}, {PROOF: ""}, {PROOF: "é"}],
    ids=["a wrong proof", "an empty one", "one that is no ASCII"],
)
def test_who_forges_a_fronts_words_is_refused(front, forged):
    create_token("alices", Role.ADMIN, certificate=ALICE)
    with pytest.raises(IdentityRefused, match="no front that we know proves it") as caught:
        identify_caller({**front(), **forged})
    assert caught.value.reason == "unproven_certificate"


def test_without_its_proof_a_subject_is_of_no_use(front):
    create_token("alices", Role.ADMIN, certificate=ALICE)
    with pytest.raises(IdentityRefused, match="no front that we know proves it"):
        identify_caller({VERIFIED: "SUCCESS", SUBJECT: ALICE})


def test_where_no_front_is_named_nobody_can_pretend_to_be_one(db):
    create_token("alices", Role.ADMIN, certificate=ALICE)
    for proof in ("", SECRET):
        with pytest.raises(IdentityRefused, match="no front that we know"):
            identify_caller({PROOF: proof, VERIFIED: "SUCCESS", SUBJECT: ALICE})


@pytest.mark.parametrize("verified", ["NONE", "FAILED:expired", "GENEROUS", ""])
def test_a_certificate_that_was_not_verified_is_none(front, verified):
    create_token("alices", Role.ADMIN, certificate=ALICE)
    with pytest.raises(IdentityRefused) as caught:
        identify_caller(front(verified=verified))
    assert caught.value.reason == "no_token"


def test_a_token_counts_before_a_certificate(front):
    create_token("alices", Role.ADMIN, certificate=ALICE)
    token = create_token("reads", Role.READER)
    assert identify_caller({**front(), "HTTP_AUTHORIZATION": f"Bearer {token}"}).name == "reads"


@pytest.mark.parametrize(
    ("fqans", "role"),
    [
        ("/tests/Role=NULL/Capability=NULL", Role.READER),
        ("/tests/Role=NULL/Capability=NULL,/tests/Role=production/Capability=NULL", Role.PRODUCTION),
        ("/tests/Role=production;/tests", Role.PRODUCTION),
    ],
)
def test_somebody_whom_nobody_has_named_has_the_role_of_the_attributes(front, fqans, role):
    assert identify_caller(front(**{FQANS: fqans})) == Identity(ALICE, role, ALICE)


@pytest.mark.parametrize("fqans", ["", "/others/Role=production", "tests", "/testsandmore"])
def test_who_has_neither_a_name_nor_attributes_is_refused(front, fqans):
    with pytest.raises(IdentityRefused, match="not known here, and its attributes mean no role") as caught:
        identify_caller(front(**{FQANS: fqans}))
    assert caught.value.reason == "unknown_certificate"


def test_who_came_in_by_attributes_can_be_banned(front):
    ban(ALICE, "tests")
    BY_ATTRIBUTES.forget()
    with pytest.raises(IdentityRefused, match=f"{ALICE} is banned: tests"):
        identify_caller(front(**{FQANS: "/tests"}))


def test_what_is_known_of_a_certificate_is_believed_for_a_second(front, django_assert_num_queries):
    create_token("alices", Role.READER, certificate=ALICE)
    identify_caller(front())
    with django_assert_num_queries(0):
        identify_caller(front())
    IDENTITIES.forget()
    with django_assert_num_queries(1):
        identify_caller(front())


@pytest.mark.parametrize(
    ("subject", "words"), [("nobody", "names no subject"), (f"{ALICE}/CN=proxy", "has a name here already")]
)
def test_a_certificate_has_one_name(db, subject, words):
    create_token("alices", Role.READER, certificate=ALICE)
    with pytest.raises(TokenRefused, match=words):
        create_token("again", Role.READER, certificate=subject)


def test_the_first_attribute_that_fits_counts():
    rules = roles_from("/a/Role=production=production /a=reader /b=user")
    assert role_of(["/b", "/a"], rules) is Role.READER
    assert role_of([], rules) is None


@pytest.mark.parametrize("text", ["/a", "/a=king", "a=reader", "/a =reader"])
def test_a_slip_in_the_roles_is_named(text):
    with pytest.raises(ValueError, match="is not FQAN=role"):
        roles_from(text)
