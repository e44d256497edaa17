"""Which issuers of web tokens are believed, and what their tokens mean."""

from __future__ import annotations

import re

import pytest

from server.accounts.issuers import BadIssuers, issuers_in, meaning_of, read_issuers
from server.accounts.models import Role

ADDRESS = "https://iam.example.org/"
ENTRY = {
    "issuer": ADDRESS,
    "audience": "compass",
    "roles": [
        {"subject": "robot", "role": "admin"},
        {"group": "/compass/production", "role": "production"},
        {"scope": "compute.create", "group": "compass", "role": "pilot", "queues": ["LOCAL"]},
        {"group": "compass", "role": "user"},
        {"group": "vo.eic.org", "role": "reader"},
    ],
}
ISSUER = read_issuers([ENTRY])[ADDRESS]


@pytest.mark.parametrize(
    ("groups", "scopes", "subject", "origin", "role"),
    [
        ((), (), "robot", "", Role.ADMIN),
        (("compass", "compass/production"), (), "alice", "", Role.PRODUCTION),
        (("compass",), ("compute.create",), "alice", "", Role.PILOT),
        ((), ("compute.create",), "alice", "", None),
        (("compass",), ("compute.read",), "alice", "", Role.USER),
        (("atlas",), (), "alice", "", None),
        # PanDA's clients say which of their roles they mean.
        (("compass", "compass/production"), (), "alice", "compass:production", Role.PRODUCTION),
        (("compass", "compass/production"), (), "alice", "compass.production", Role.PRODUCTION),
        (("compass",), (), "alice", "compass:production", None),
        (("compass",), (), "alice", "compass.production", None),
        (("compass",), (), "robot", "compass:production", None),
        (("compass",), (), "alice", "compass:unheard", None),
        (("compass",), (), "alice", "compass", Role.USER),
        (("vo.eic.org",), (), "alice", "vo.eic.org", Role.READER),
        (("compass",), (), "alice", "https://page.example.org:8443", Role.USER),
    ],
)
def test_the_first_line_that_fits_is_what_a_token_means(groups, scopes, subject, origin, role):
    found = meaning_of(ISSUER, groups=groups, scopes=scopes, subject=subject, origin=origin)
    assert (None if found is None else found.role) == role


def test_a_line_says_for_which_queues_a_pilot_is():
    found = meaning_of(ISSUER, groups=("compass",), scopes=("compute.create",), subject="alice")
    assert found.queues == ("LOCAL",)


def without(*names):
    return {name: value for name, value in ENTRY.items() if name not in names}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (None, "a list of issuers is expected"),
        ([], "a list of issuers is expected"),
        (["x"], "issuer 1: 'x' is not a mapping with issuer, audience"),
        ([{**ENTRY, "audiences": "x"}], "issuer 1: 'audiences' is not known; did you mean audience"),
        ([{**ENTRY, "zzz": "x"}], "issuer 1: 'zzz' is not known; known are issuer"),
        ([without("issuer")], "issuer 1: issuer: None is not a text"),
        ([{**ENTRY, "issuer": "http://iam.example.org/"}], "is not an address that begins with https://"),
        ([{**ENTRY, "issuer": "https://user@iam.example.org/"}], "is not an address"),
        ([without("audience")], "issuer 1: audience is missing"),
        ([{**ENTRY, "audience": [1]}], r"audience: \[1\] is not a text, or a list of texts"),
        ([{**ENTRY, "algorithms": ["HS256"]}], "algorithms: 'HS256' is not taken; known are RS256"),
        ([{**ENTRY, "algorithms": "none"}], "algorithms: 'none' is not taken"),
        ([without("roles")], "roles: a list is expected"),
        ([{**ENTRY, "roles": [{"role": "user"}]}], "roles, line 1: name a group, a scope or a subject"),
        ([{**ENTRY, "roles": [{"group": "/", "role": "user"}]}], "name a group, a scope or a subject"),
        ([{**ENTRY, "roles": [{"group": "x", "role": "king"}]}], "role: 'king' is none; known are pilot"),
        ([{**ENTRY, "roles": [{"group": "x", "role": "site_admin"}]}], "queues: the role site_admin is for some"),
        ([{**ENTRY, "roles": [{"group": "x", "role": "user", "queues": "Q"}]}], "queues: the role user is for all"),
        ([ENTRY, ENTRY], "issuer 2: https://iam.example.org/ stands here twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place_and_the_remedy(entries, words):
    with pytest.raises(BadIssuers, match=words):
        read_issuers(entries)


def test_the_file_is_yaml(tmp_path):
    path = tmp_path / "issuers.yaml"
    path.write_text(
        "- issuer: https://iam.example.org/\n  audience: [compass]\n  person: preferred_username\n"
        "  roles:\n  - {group: compass, role: user}\n"
    )
    found = issuers_in(str(path))[ADDRESS]
    assert (found.audiences, found.person, found.algorithms) == (("compass",), "preferred_username", ("RS256", "ES256"))


def test_no_file_means_no_issuers_and_one_that_cannot_be_read_says_why(tmp_path):
    assert issuers_in("") == {}
    with pytest.raises(BadIssuers, match="No such file"):
        issuers_in(str(tmp_path / "nowhere"))
    (tmp_path / "bad").write_text("a: [")
    with pytest.raises(BadIssuers, match="bad is not YAML: "):
        issuers_in(str(tmp_path / "bad"))


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"client": "c"}, "login: name: None is not a text"),
        ({"name": "a b", "client": "c"}, "login: name: 'a b' stands in addresses"),
        ({"name": "iam"}, "login: client: None is not a text"),
        ({"name": "iam", "client": "c", "secret": "s"}, "login: 'secret' is not known; did you mean secret_file"),
        ({"name": "iam", "client": "c", "scopes": ["email"]}, "login: scopes: openid is missing"),
        ({"name": "iam", "client": "c", "address": "prod"}, "login: address: 'prod' is no address"),
        ("iam", "login: 'iam' is not a mapping"),
    ],
)
def test_a_login_that_cannot_be_meant_is_refused(login, words):
    entry = {"issuer": "https://a/", "audience": "x", "roles": [{"group": "g", "role": "user"}], "login": login}
    with pytest.raises(BadIssuers, match=re.escape(words)):
        read_issuers([entry])


def test_two_logins_of_one_name_are_refused():
    def entry(address):
        login = {"name": "iam", "client": "c"}
        return {"issuer": address, "audience": "x", "roles": [{"group": "g", "role": "user"}], "login": login}

    with pytest.raises(BadIssuers, match="'iam' is another issuer's"):
        read_issuers([entry("https://a/"), entry("https://b/")])
