"""Keys of object storages: how a server is asked for them, and where they are kept."""

from __future__ import annotations

import gzip
import json
import logging
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pilot.api import keys, replies
from pilot.api.communicator import Communicator
from pilot.api.keys import KeyPair, StorageKeys
from pilot.contract.codec import ContractError, Dialect
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import QueueData, StorageEndpoint
from pilot.copytool.base import Cancel, Deadline
from pilot.copytool.known import Known
from pilot.copytool.toolbox import Toolbox
from pilot.settings import Server
from pilot.settings import s3 as settings_s3
from pilot.settings.everything import Settings

PAIR = {"StatusCode": 0, "publicKey": "who-i-am", "privateKey": "the-secret"}


class Panda(ThreadingHTTPServer):
    """Answers every request alike, and remembers what was asked."""

    daemon_threads = True

    def __init__(self, answer, status=200):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answer, self.status, self.asked = json.dumps(answer).encode(), status, []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def communicator(self, dialect):
        return Communicator(Server(url=f"http://127.0.0.1:{self.server_port}", dialect=dialect.value))


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, json.loads(gzip.decompress(body)) if body else None))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        """Say nothing."""


def test_an_older_server_is_asked_by_a_post():
    with Panda(PAIR) as panda:
        assert panda.communicator(Dialect.LEGACY).key_pair("open", "hidden") == KeyPair("who-i-am", "the-secret")
    asked = {"publicKeyName": "open", "privateKeyName": "hidden"}
    assert panda.asked == [("POST", "/server/panda/getKeyPair", asked)]


def test_a_newer_one_by_a_get():
    with Panda({"success": True, "message": "", "data": PAIR}) as panda:
        assert panda.communicator(Dialect.V1).key_pair("a b", "c") == KeyPair("who-i-am", "the-secret")
    assert panda.asked == [("GET", "/api/v1/creds/get_key_pair?public_key_name=a+b&private_key_name=c", None)]


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (403, b"", replies.IdentityRefused),
        (500, b"", replies.BadAnswer),
        (200, b"the-secret, in clear", replies.BadAnswer),
        (200, b'["the-secret"]', replies.BadAnswer),
        (200, b'{"StatusCode": 10, "publicKey": "the-secret", "privateKey": "the-secret"}', replies.Refused),
        (200, b'{"StatusCode": 0, "publicKey": "the-secret"}', replies.Refused),
        (200, b'{"StatusCode": 0, "publicKey": "a", "privateKey": "the-secret\\n[default]"}', replies.Refused),
    ],
)
def test_what_holds_no_keys_is_refused_and_none_of_it_is_told(status, content, error):
    with pytest.raises(error) as caught:
        keys.pair_in((status, content), Dialect.LEGACY)
    assert "the-secret" not in str(caught.value)


def storage(host="objects:9000", settings=None, path="/bucket"):
    named = {"access_key": "open", "secret_key": "hidden"} if settings is None else settings
    protocol = {"endpoint": f"s3://{host}", "path": path, "settings": named}
    entry = {"is_deterministic": False, "arprotocols": {"read_lan": [{"id": 7}], "write_lan": [{"id": 7}]}}
    return StorageEndpoint.from_wire("S", {**entry, "rprotocols": {"7": protocol}})


QUEUE = QueueData("Q", acopytools={"default": ("s3",)}, astorages={"read_lan": ("S",), "write_lan": ("S",)})


class Asked:
    """A server that has one pair; what it was asked for."""

    def __init__(self, failure=None, pair=None):
        self.failure, self.pair, self.names = failure, pair or KeyPair("who-i-am", "the-secret"), []

    def key_pair(self, public, private):
        self.names.append((public, private))
        if self.failure:
            raise self.failure
        return self.pair


def test_names_of_keys_are_told_with_a_storages_protocol():
    (protocol,) = storage().protocols_for("read_lan")
    assert (protocol.public_key, protocol.private_key) == ("open", "hidden")
    with pytest.raises(ContractError, match="settings"):
        storage(settings={"access_key": ["open"]})


def test_keys_are_asked_for_once_and_lie_in_a_file_for_the_pilot_alone(tmp_path):
    server = Asked()
    kept = StorageKeys(server, tmp_path)
    for _ in range(2):
        path = tmp_path / keys.KEYS
        assert kept.added_to(Settings(), QUEUE, {"S": storage()}).s3.credentials_file == str(path)
    assert server.names == [("open", "hidden")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().splitlines()[:3] == [
        "[objects:9000]",
        "aws_access_key_id = who-i-am",
        "aws_secret_access_key = the-secret",
    ]
    kept.added_to(Settings(), QUEUE, {"S": storage("other:9000")})
    assert path.read_text().count("[") == 2


@pytest.mark.parametrize(
    ("settings", "storages"),
    [
        (Settings(s3=settings_s3.S3(credentials_file="/mine")), {"S": storage()}),
        (Settings(), {"S": storage(settings={})}),
        (Settings(), {"T": storage()}),
    ],
    ids=["the admin's own file", "no names", "not the queue's"],
)
def test_nobody_is_asked_when_there_is_nothing_to_ask(tmp_path, settings, storages):
    server = Asked()
    assert StorageKeys(server, tmp_path).added_to(settings, QUEUE, storages) is settings
    assert server.names == []
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_gives_none_is_told_in_the_log_and_asked_again(tmp_path, caplog):
    server, settings = Asked(replies.Refused("status 10, and no keys")), Settings()
    kept = StorageKeys(server, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert kept.added_to(settings, QUEUE, {"S": storage()}) is settings
    assert "no keys open and hidden of s3://objects:9000: SERVER_REFUSED" in caplog.text
    assert len(server.names) == 1
    server.failure = None
    assert kept.added_to(settings, QUEUE, {"S": storage()}).s3.credentials_file


def test_keys_that_cannot_be_kept_are_told_in_the_log_and_kept_when_they_can_be(tmp_path, caplog):
    settings, kept = Settings(), StorageKeys(Asked(), tmp_path / "later")
    with caplog.at_level(logging.WARNING):
        assert kept.added_to(settings, QUEUE, {"S": storage()}) is settings
    assert "the keys of objects:9000 could not be kept in" in caplog.text
    assert "the-secret" not in caplog.text
    (tmp_path / "later").mkdir()
    assert kept.added_to(settings, QUEUE, {"S": storage()}).s3.credentials_file
    assert "the-secret" in (tmp_path / "later" / keys.KEYS).read_text()


@pytest.mark.one_python
def test_an_output_is_stored_by_keys_of_the_server(tmp_path, object_storage):
    from tests.services.object_storage import ACCESS_KEY, BUCKET, SECRET_KEY

    (tmp_path / "f").write_bytes(b"content")
    kept = StorageKeys(Asked(pair=KeyPair(ACCESS_KEY, SECRET_KEY)), tmp_path)
    settings = Settings(s3=settings_s3.S3(secure=False))
    box = Toolbox(Known({}), settings, kept.added_to)
    engine = box.engine(QUEUE, {"S": storage(object_storage.host, path=f"/{BUCKET}/keys")})
    file = FileSpec("f", Role.OUTPUT, dataset="set")
    spec = JobSpec(id=1, attempt=1, transformation="true", outputs=(file,))
    (stored,) = engine.stage_out(spec, [file], tmp_path, Deadline(30), Cancel())
    assert stored.url == f"s3://{object_storage.host}/{BUCKET}/keys/set/f"
    assert object_storage.client.get_object(Bucket=BUCKET, Key="keys/set/f")["Body"].read() == b"content"
