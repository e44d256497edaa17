"""FTS3's REST interface as it is documented, played by a small server; there is no FTS3 here to be asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from server.storage.base import Copied, Copy, CopyState, StorageUnavailable
from server.storage.movers.fts3 import Fts3Mover, Fts3Options, number_of, read_file

BASE, ORGANISATION = "01874efb-4735-4595-bc9c-591aef8240c9", "compass"
COPIES = [
    Copy("root://a//f", "root://b//f", 10, "adler32:0000000a"),
    Copy("root://a//g", "root://b//g"),
]


class Fts3(ThreadingHTTPServer):
    """Takes jobs, refuses those that it knows, and says of their files what a test wants."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answering)
        self.jobs, self.files, self.cancelled, self.broken = {}, [], [], False

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/whoami":
            self.answer(200, {"base_id": BASE, "vos": [ORGANISATION], "method": "certificate"})
        elif self.path.split("/")[2] in self.server.jobs:
            self.answer(200, self.server.files)
        else:
            self.answer(404, {"status": "404 Not Found", "message": "No job"})

    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = number_of(said["params"]["sid"], BASE, ORGANISATION)
        if number in self.server.jobs:
            return self.answer(409, {"status": "409 Conflict", "message": "The sid provided by the user is duplicated"})
        self.server.jobs[number] = said
        return self.answer(200, {"job_id": number})

    def do_DELETE(self):
        self.server.cancelled.append(self.path)
        self.answer(200, {})

    def answer(self, status, said):
        body = json.dumps(said).encode() if not self.server.broken else b"down for maintenance"
        self.send_response(status if not self.server.broken else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def fts3():
    with Fts3() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_request_is_one_job_with_what_is_known_of_each_file(fts3):
    number = Fts3Mover(fts3.address + "/").submit(COPIES, request="r1")
    said = fts3.jobs[number]
    assert said["files"] == [
        {
            "sources": ["root://a//f"],
            "destinations": ["root://b//f"],
            "checksum": "ADLER32:0000000A",
            "filesize": 10,
        },
        {"sources": ["root://a//g"], "destinations": ["root://b//g"]},
    ]
    assert said["params"]["verify_checksum"] == "both"
    assert said["params"]["overwrite"] is False


def test_the_same_request_again_is_the_same_job(fts3):
    mover = Fts3Mover(fts3.address)
    assert mover.submit(COPIES, request="r1") == mover.submit(COPIES, request="r1")
    assert mover.submit(COPIES, request="r2") != mover.submit(COPIES, request="r1")
    assert len(fts3.jobs) == 2


def test_files_are_told_by_their_targets(fts3):
    mover = Fts3Mover(fts3.address)
    number = mover.submit(COPIES, request="r1")
    fts3.files = [
        {"dest_surl": "root://b//f", "file_state": "FINISHED", "filesize": 10, "checksum": "ADLER32:0000000A"},
        {"dest_surl": "root://b//g", "file_state": "FAILED", "reason": "SOURCE [2] No such file", "filesize": 0},
    ]
    assert mover.status(number) == {
        "root://b//f": Copied(CopyState.DONE, 10, "", "adler32:0000000a"),
        "root://b//g": Copied(CopyState.FAILED, 0, "SOURCE [2] No such file"),
    }


def test_of_a_job_that_it_does_not_know_nothing_is_said(fts3):
    assert Fts3Mover(fts3.address).status("never-made") == {}


def test_a_job_is_cancelled(fts3):
    Fts3Mover(fts3.address).cancel("number")
    assert fts3.cancelled == ["/jobs/number"]


@pytest.mark.parametrize(
    ("state", "meant"),
    [
        ("SUBMITTED", CopyState.QUEUED),
        ("STAGING", CopyState.QUEUED),
        ("READY", CopyState.ACTIVE),
        ("ACTIVE", CopyState.ACTIVE),
        ("CANCELED", CopyState.FAILED),
        ("A_WORD_OF_TOMORROW", CopyState.QUEUED),
    ],
)
def test_its_words_are_read(state, meant):
    found = read_file({"file_state": state, "filesize": 10, "transferred": 4, "reason": None})
    assert found.state is meant
    assert found.moved == 4
    assert found.words == ("CANCELED" if meant is CopyState.FAILED else "")


def test_a_server_that_is_down_is_unavailable(fts3):
    fts3.broken = True
    with pytest.raises(StorageUnavailable, match="FTS3 answers GET /whoami with 503: down for maintenance"):
        Fts3Mover(fts3.address).submit(COPIES, request="r1")


def test_a_server_that_is_not_there_is_unavailable():
    with pytest.raises(StorageUnavailable, match="FTS3 does not answer"):
        Fts3Mover("http://127.0.0.1:1", Fts3Options(patience=2)).status("x")
