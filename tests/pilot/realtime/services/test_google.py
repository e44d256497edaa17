"""Google Cloud Logging, stood in for by a server that verifies the account's signature and the entries' form."""

from __future__ import annotations

import base64
import json
import sys
from urllib.parse import parse_qs

import pytest

from pilot.errors import ConfigError
from pilot.realtime.address import read_address
from pilot.realtime.records import Lines, Origin, records_of
from pilot.realtime.services import make_service
from pilot.realtime.services.base import Access, NotSent
from tests.pilot.realtime.services.standing_in import Request, over_http

pytest.importorskip("google.oauth2.service_account")
hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
padding = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.padding")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
RECORDS = records_of(Origin(7, 1, 3), Lines("payload.stdout", 1, ["one", "two é"]), 1.5e9 + 0.25)
TOKEN = "token-of-google"


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Cloud:
    def __init__(self, key):
        self.key, self.entries = key, []

    def __call__(self, request: Request) -> tuple[int, bytes]:
        if request.path == "/token":
            return self.token(parse_qs(request.body.decode()))
        assert request.path == "/v2/entries:write"
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            return 401, b"{}"
        self.entries.append(request.said)
        return 200, b"{}"

    def token(self, form):
        head, claims, signature = form["assertion"][0].split(".")
        padded = base64.urlsafe_b64decode(signature + "==")
        self.key.public_key().verify(padded, f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        said = json.loads(base64.urlsafe_b64decode(claims + "=="))
        assert said["iss"] == "pilot@mc.iam"
        assert said["scope"].endswith("/auth/logging.write")
        return 200, json.dumps({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}).encode()


def account(folder, key, port):
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    said = {"type": "service_account", "project_id": "mc", "private_key_id": "1", "private_key": pem}
    said.update(client_email="pilot@mc.iam", client_id="1", token_uri=f"http://127.0.0.1:{port}/token")
    file = folder / "account.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(said))
    return str(file)


def service(port, file):
    return make_service(read_address(f"google;http://127.0.0.1:{port}", "x"), Access("compass pilot/1", file=file))


def test_entries_are_written_with_a_token_that_the_accounts_key_was_good_for(tmp_path, key):
    cloud = Cloud(key)
    with over_http(cloud) as (port, heard):
        made = service(port, account(tmp_path, key, port))
        made.send(RECORDS, 5)
        made.send(RECORDS, 5)  # again, with the same token
        made.close()
    assert [request.path for request in heard].count("/token") == 1
    first, again = cloud.entries
    assert first == again
    assert first["logName"] == "projects/mc/logs/compass%20pilot%2F1"
    assert [entry["jsonPayload"] for entry in first["entries"]] == RECORDS
    assert [entry["insertId"] for entry in first["entries"]] == ["7.1.payload.stdout.1.0", "7.1.payload.stdout.2.0"]
    assert first["entries"][0]["timestamp"] == "2017-07-14T02:40:00.250000Z"


def test_without_a_token_nothing_is_sent_and_the_key_is_not_told(tmp_path, key):
    with over_http(lambda _: (400, b'{"error": "invalid_grant"}')) as (port, heard):
        made = service(port, account(tmp_path, key, port))
        with pytest.raises(NotSent, match="no token can be had: RefreshError"):
            made.send(RECORDS, 5)
    assert {request.path for request in heard} == {"/token"}


@pytest.mark.parametrize("content", ["", "{}", "sesame", '{"private_key": "sesame", "project_id": "mc"}', "[]"])
def test_what_is_no_account_is_refused_without_telling_what_is_in_it(tmp_path, content):
    file = tmp_path / "account.json"
    file.touch(mode=0o600)
    file.write_text(content)
    with pytest.raises(ConfigError, match="is no JSON key of a service account") as caught:
        service(1, str(file))
    assert "sesame" not in str(caught.value)


def test_an_account_is_needed():
    with pytest.raises(ConfigError, match="needs realtime.credentials_file"):
        service(1, "")


def test_the_extra_is_named_where_google_auth_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.oauth2", None)
    with pytest.raises(ConfigError, match=r"install compass-pilot\[google\]"):
        service(1, "x")
