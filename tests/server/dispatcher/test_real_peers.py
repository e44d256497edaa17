"""A real server: our pilot renews what it bears, and users send files that are too large for memory."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection

import pytest

from pilot.api.communicator import Communicator
from pilot.api.keys import KeyPair
from pilot.control.credentials import CredentialReader
from pilot.settings import Credentials, Settings, Token
from pilot.settings import Server as Where
from tests.server.credentials import making
from tests.server.manage.running import PATIENCE, ROOT, Server, environment, free_port, init

pytestmark = pytest.mark.one_python

HOUR = timedelta(hours=1)
#: Defines what the files of a folder hold, and has it renewed as the service does.
PROGRAM = """
import sys
import django; django.setup()
from django.utils import timezone
from server.credentials.logic.renew import renew_due
from server.credentials.models import Credential
for kind, asked_as in (("proxy", sys.argv[2]), ("token", "pilot_server"), ("key_pair", "a b")):
    days = int(kind == "token")
    path = f"{sys.argv[1]}/{kind}"
    Credential.objects.create(name=kind, kind=kind, asked_as=asked_as, source="file", path=path, key_days=days)
print(renew_due(timezone.now(), lambda: None))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("server") / "home"
    assert init(home).returncode == 0
    found = Server(home, free_port(), workers=1, COMPASS_SERVER_BODY_LIMIT=str(2**16))
    yield found
    assert found.end() == 0


def token_of(server, role):
    return (server.home / f"{role}.token").read_text().strip()


def put(path, text):
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    return path


@pytest.fixture(scope="module")
def given(server, tmp_path_factory):
    """What the server has to give: a proxy, a token that wants a key, and a key pair."""
    folder, ends = tmp_path_factory.mktemp("given"), datetime.now(UTC) + 20 * HOUR
    texts = {"proxy": making.proxy(ends), "token": making.token(ends), "key_pair": "public\nprivate"}
    for name, text in texts.items():
        put(folder / name, text)
    more = environment(server.home, DJANGO_SETTINGS_MODULE="server.settings")
    argv = [sys.executable, "-c", PROGRAM, str(folder), making.ROLE]
    done = subprocess.run(argv, env=more, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == "{'renewed': 3, 'failed': 0}\n"
    return texts


def pilot(server, folder, dialect):
    """Make our pilot's own reader of credentials, whose proxy and token end within the hour."""
    ends = datetime.now(UTC) + HOUR / 2
    at = f"http://127.0.0.1:{server.port}"
    identity = Where(url=at, dialect=dialect, token_file=str(server.home / "pilot.token"))
    communicator = Communicator(identity, Token(identity).read)
    mine = Where(
        url=at,
        dialect=dialect,
        certificate=str(put(folder / "proxy.pem", making.proxy(ends))),
        token_file=str(put(folder / "token", making.token(ends))),
    )
    wanted = Credentials(left=3600.0, proxy_role=making.ROLE, token_key_file=str(folder / "key"))
    return CredentialReader(Settings(server=mine, credentials=wanted), Token(mine).read, communicator), communicator


def token_key(server):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {token_of(server, 'pilot')}", "Accept": "application/json"}
    connection.request("GET", "/server/panda/get_token_key?client_name=pilot_server", headers=headers)
    answer = connection.getresponse().read()
    connection.close()
    return answer.decode().partition('"tokenKey":"')[2].partition('"')[0]


@pytest.mark.parametrize("dialect", ["v1", "legacy"])
def test_a_pilot_renews_its_proxy_and_token_and_gets_keys(server, given, tmp_path, dialect):
    put(tmp_path / "key", token_key(server))
    reader, communicator = pilot(server, tmp_path, dialect)
    assert reader.renewed().renewal == "the proxy was renewed; the token was renewed"
    assert (tmp_path / "proxy.pem").read_text() == given["proxy"]
    assert (tmp_path / "token").read_text().strip() == given["token"]
    assert communicator.key_pair("a", "b") == KeyPair("public", "private")
    assert reader.renewed().renewal == ""


def test_without_its_key_a_pilot_keeps_the_token_that_it_has(server, given, tmp_path):
    put(tmp_path / "key", "guessed")
    reader, _ = pilot(server, tmp_path, "v1")
    assert reader.renewed().renewal.endswith("no new token can be had: Refused (SERVER_REFUSED)")


def test_nothing_that_was_handed_out_stands_in_the_servers_log_or_database(server, given):
    stored = b"".join(path.read_bytes() for path in server.home.glob("db.sqlite3*"))
    said = "".join(server.said)
    for text in given.values():
        line = text.splitlines()[-2 if "CERTIFICATE" in text else -1]
        assert line.encode() not in stored
        assert line not in said


def send(server, role, body, name):
    border = uuid.uuid4().hex
    head = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    form = head.encode() + body + f"\r\n--{border}--\r\n".encode()
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    said = {"Content-Type": f"multipart/form-data; boundary={border}"}
    if role:
        said["Authorization"] = f"Bearer {token_of(server, role)}"
    connection.request("POST", "/api/v1/file_server/upload_cache_file", form, said)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_a_file_far_above_the_limit_of_bodies_is_taken_from_who_may_send_it(server):
    body = gzip.compress(os.urandom(3 * 2**20))
    name = f"sources.{uuid.uuid4()}.tar.gz"
    status, said = send(server, "production", body, name)
    assert (status, b'"success":true' in said) == (200, True), said
    assert (server.home / "cache" / name).read_bytes() == body
    assert [path.name for path in (server.home / "cache").iterdir()] == [name]
    # A body that nobody reads may be too much for the connection: then it ends before the answer has come.
    for stranger in ("pilot", ""):
        try:
            assert send(server, stranger, body[: 2**17], name)[0] == 413
        except (ConnectionError, BrokenPipeError):
            continue
