"""Credentials on the disk, and new ones from a real dispatcher."""

from __future__ import annotations

import json
import stat
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from pilot.api.communicator import Communicator
from pilot.contract.codes import ErrorCode
from pilot.control.credentials import Credential, CredentialReader, objection
from pilot.job import Problem
from pilot.settings import Credentials, Server, Settings, Token
from tests.pilot.dispatcher import serving
from tests.pilot.site.certificates import make
from tests.pilot.site.test_proxy import token

NOW = 1e9
DAY = 86400.0
ROLE = "compass:/compass/Role=production"


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (Credential(), None),
        (Credential(NOW + 100, NOW + 100), None),
        (Credential(problem=Problem(ErrorCode.NO_PROXY, "gone")), ErrorCode.NO_PROXY),
        (Credential(certificate_end=NOW), ErrorCode.CERTIFICATE_EXPIRED),
        (Credential(token_end=NOW - 5), ErrorCode.CERTIFICATE_EXPIRED),
        (Credential(certificate_end=NOW + 99), ErrorCode.PROXY_TOO_SHORT),
        (Credential(NOW + 100, NOW + 99), ErrorCode.PROXY_TOO_SHORT),
    ],
)
def test_a_job_begins_only_with_credentials_that_live_long_enough(found, code):
    problem = objection(found, NOW, 100.0)
    assert (problem and problem.code) is code


class Renewing:
    """A pilot's credentials in a folder, and a server that gives new ones."""

    def __init__(self, folder, server, dialect="v1", left=3600.0, wanted=None):
        self.proxy, self.token_file = folder / "proxy.pem", folder / "pilot.token"
        self.key_file = folder / "token.key"
        self.key_file.write_text("secret-key\n")
        there = Server(
            url=server.url,
            dialect=dialect,
            certificate=str(self.proxy),
            token_file=str(self.token_file),
            connect_timeout=2.0,
            read_timeout=2.0,
        )
        wanted = wanted or Credentials(left=left, proxy_role=ROLE, token_key_file=str(self.key_file))
        read = Token(there).read
        # The server is asked with the token alone: this one speaks no TLS.
        issuer = Communicator(Server(url=server.url, dialect=dialect, connect_timeout=2.0, read_timeout=2.0), read)
        self.reader = CredentialReader(Settings(server=there, credentials=wanted), read, issuer)


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        yield dispatcher


def giving(server, proxy, new_token):
    """Let the dispatcher give credentials, in both dialects; answers the list of addresses that were asked."""
    asked = []

    def answer(path, count):
        asked.append(path)
        parts = urlsplit(path)
        if parts.path.endswith(("getProxy", "get_proxy")):
            secret = proxy
        else:
            assert parse_qs(parts.query) == {"client_name": ["pilot_server"], "token_key": ["secret-key"]}
            secret = new_token
        legacy = {"StatusCode": 0, "userProxy": secret, "errorDialog": None}
        v1 = {"success": True, "message": "", "data": {"StatusCode": 0, "userProxy": secret}}
        return 200, json.dumps(legacy if "/server/panda/" in path else v1).encode()

    server.misbehave = answer
    return asked


@pytest.mark.programs("openssl")
@pytest.mark.parametrize("dialect", ["v1", "legacy"])
def test_what_is_about_to_expire_is_renewed_by_the_server_and_kept_from_others(tmp_path, server, dialect):
    new, new_token = make(tmp_path, 4, "new").read_text(), token(exp=time.time() + 4 * DAY)
    giving(server, new, new_token)
    pilot = Renewing(tmp_path, server, dialect, left=3 * DAY)
    make(tmp_path, 2).chmod(0o644)
    pilot.token_file.write_text(token(exp=time.time() + 60))
    found = pilot.reader.renewed()
    assert found.renewal == "the proxy was renewed; the token was renewed"
    assert found.certificate_end > time.time() + 3.9 * DAY
    assert found.token_end > time.time() + 3.9 * DAY
    assert pilot.proxy.read_text() == new
    assert pilot.token_file.read_text().strip() == new_token
    for path in (pilot.proxy, pilot.token_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.programs("openssl")
def test_a_proxy_that_lives_is_not_asked_for_and_one_that_somebody_renewed_is_seen(tmp_path, server):
    asked = giving(server, "", "")
    pilot = Renewing(tmp_path, server)
    assert pilot.reader.read().problem.code is ErrorCode.NO_PROXY
    make(tmp_path, 2)
    found = pilot.reader.renewed()
    assert (found.problem, found.renewal, asked) == (None, "", [])


@pytest.mark.programs("openssl")
@pytest.mark.parametrize(("new", "words"), [("neither", "it holds no certificate"), ("half", "it holds no key")])
def test_a_new_proxy_that_is_none_leaves_the_old_one(tmp_path, server, new, words):
    whole = make(tmp_path, 9, "new").read_text()
    giving(server, whole.partition("-----BEGIN PRIVATE")[0] if new == "half" else "not a certificate", "")
    pilot = Renewing(tmp_path, server, left=3 * DAY)
    pilot.token_file.write_text("opaque")
    old = make(tmp_path, 2).read_text()
    assert pilot.reader.renewed().renewal == f"a new proxy cannot be used: {words}"
    assert pilot.proxy.read_text() == old


@pytest.mark.programs("openssl")
@pytest.mark.parametrize(
    ("new", "words"),
    [
        ({"exp": 40.0}, "it lives no longer than the old one"),
        ({"exp": -1.0}, "it has expired already"),
        ({}, "it does not say when it ends, as the old one does"),
    ],
)
def test_what_is_no_better_leaves_the_old_one(tmp_path, server, new, words):
    now = time.time()
    giving(server, make(tmp_path, 1, "new").read_text(), token(**{name: now + value for name, value in new.items()}))
    pilot = Renewing(tmp_path, server, left=3 * DAY)
    old_proxy, old_token = make(tmp_path, 2).read_text(), token(exp=now + 60)
    pilot.token_file.write_text(old_token)
    told = pilot.reader.renewed().renewal.split("; ")
    assert told[0] == "a new proxy cannot be used: it lives no longer than the old one"
    assert told[1] == f"a new token cannot be used: {words}"
    assert (pilot.proxy.read_text(), pilot.token_file.read_text()) == (old_proxy, old_token)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b"secret-key"),
        (500, b"secret-key"),
        (200, b"secret-key"),
        (200, json.dumps({"success": False, "message": "no secret-key here", "data": None}).encode()),
        (200, json.dumps({"success": True, "message": "", "data": "a b secret-key"}).encode()),
    ],
)
def test_a_refusal_is_told_without_what_was_asked_with(tmp_path, server, caplog, status, body):
    server.misbehave = lambda path, count: (status, body)
    pilot = Renewing(tmp_path, server)
    pilot.token_file.write_text(old := token(exp=time.time() + 60))
    words = pilot.reader.renewed().renewal
    assert "token" in words
    assert "secret-key" not in words + caplog.text
    assert pilot.token_file.read_text() == old


def test_a_server_that_cannot_be_reached_is_told_without_the_key(tmp_path, server):
    pilot = Renewing(tmp_path, server)
    pilot.token_file.write_text(token(exp=time.time() + 60))

    def close(path, count):
        raise ConnectionAbortedError

    server.misbehave = close
    words = pilot.reader.renewed().renewal
    assert words.endswith("no new token can be had: Unreachable (COMMUNICATION_FAILURE)")


def test_peer_defect_10_and_25_the_renewal_has_a_real_address_and_reads_numbers_in_any_form(tmp_path, server):
    """PanDA's pilot asks ``{url}`` by its fallback, and takes a StatusCode that is text for a failure."""
    pilot = Renewing(tmp_path, server, "legacy")
    pilot.token_file.write_text(token(exp=time.time() + 60))
    fresh = token(exp=time.time() + DAY)
    server.misbehave = lambda path, count: (200, json.dumps({"StatusCode": "0", "userProxy": fresh}).encode())
    assert pilot.reader.renewed().renewal.endswith("the token was renewed")
    assert pilot.token_file.read_text().strip() == fresh
    assert all(path.startswith("/server/panda/get") for path in server.counts)


def a_pass(seconds, name="7"):
    now = int(time.time())
    return f"cpp_{name}.{now - 3600}.{now + seconds}.0123456789abcdef.{'s' * 43}"


def test_a_pass_is_renewed_before_it_ends_without_any_setting(tmp_path, server):
    new, asked = a_pass(int(DAY)), []

    def answer(path, count):
        asked.append(path)
        return 200, json.dumps({"success": True, "message": "", "data": {"token": new, "expires_at": "later"}}).encode()

    server.misbehave = answer
    pilot = Renewing(tmp_path, server, wanted=Credentials())
    pilot.token_file.write_text(a_pass(4000))
    assert (pilot.reader.renewed().renewal, asked) == ("", [])
    pilot.token_file.write_text(a_pass(3000))
    found = pilot.reader.renewed()
    assert (found.renewal, asked) == ("the pass was renewed", ["/api/v1/accounts/renew_pass"])
    assert found.token_end > time.time() + DAY - 100
    assert (pilot.token_file.read_text(), stat.S_IMODE(pilot.token_file.stat().st_mode)) == (new + "\n", 0o600)


def test_a_pass_that_is_not_renewed_stays_and_its_end_is_told(tmp_path, server):
    server.misbehave = lambda path, count: (403, b"{}")
    pilot = Renewing(tmp_path, server, wanted=Credentials())
    pilot.token_file.write_text(old := a_pass(3000))
    assert pilot.reader.renewed().renewal == "no new pass can be had: IdentityRefused (IDENTITY_REFUSED)"
    assert pilot.token_file.read_text() == old
