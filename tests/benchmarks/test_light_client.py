from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from benchmarks.light_client import MANY, Wire
from benchmarks.system import Server

DONE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
BODY = b'{"success":true,"data":{"jobs":[{"PandaID":17}]}}'


class Peer:
    """Answers each request with the given pieces, and keeps what it was sent."""

    def __init__(self, pieces):
        self.heard, self.pieces, self.talking = [], pieces, []
        self.door = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.door.accept()
            except OSError:
                return
            self.talking.append(connection)
            with connection, contextlib.suppress(OSError):
                while request := connection.recv(65536):
                    self.heard.append(request)
                    for piece in self.pieces:
                        connection.sendall(piece)

    def close(self):
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        for connection in self.talking:
            with contextlib.suppress(OSError):  # who was refused leaves its connection open
                connection.shutdown(socket.SHUT_RDWR)
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def home(tmp_path):
    for role in ("pilot", "production"):
        (tmp_path / f"{role}.token").write_text(f"token-of-{role}\n")
    return tmp_path


def lived(home, pieces, *, keep, how=Wire.live):
    peer = Peer(pieces)
    try:
        how(Wire(Server(home, peer.door.getsockname()[1], 0), keep=keep))
    finally:
        peer.close()
    return peer.heard


@pytest.mark.parametrize("keep", [True, False])
def test_a_life_is_four_calls(home, keep):
    heard = lived(home, [DONE % (len(BODY), BODY)], keep=keep)
    assert [request.split()[1].rpartition(b"/")[2] for request in heard] == [
        b"submit",
        b"acquire_jobs",
        b"update_job",
        b"update_job",
    ]
    assert [b"Connection: close" in request for request in heard] == [not keep] * 4
    assert b"token-of-production" in heard[0]
    assert all(b"token-of-pilot" in request for request in heard[1:])
    assert b'"job_id": 17' in heard[2]
    assert b'"job_output_report": {"out.root"' in heard[3]


def test_many_live_together_by_three_calls(home):
    body = BODY.replace(b'{"PandaID":17}', b",".join(b'{"PandaID":%d}' % number for number in range(MANY)))
    asked, running, finished = lived(home, [DONE % (len(body), body)], keep=True, how=Wire.live_together)
    assert b'"n_jobs": 20' in asked
    assert running.count(b'"job_status": "running"') == finished.count(b'"job_output_report"') == MANY


def test_who_gets_no_jobs_says_so(home):
    none = b'{"success":true,"data":{"jobs":[]}}'
    with pytest.raises(RuntimeError, match="there were 0 of 20 jobs to acquire"):
        lived(home, [DONE % (len(none), none)], keep=True, how=Wire.live_together)


def test_an_answer_may_come_in_pieces(home):
    whole = DONE % (len(BODY), BODY)
    assert len(lived(home, [whole[:20], whole[20:50], whole[50:]], keep=True)) == 4


def test_a_refusal_ends_the_measurement(home):
    body = b'{"success":false,"message":"no such queue"}'
    with pytest.raises(RuntimeError, match="no such queue"):
        lived(home, [DONE % (len(body), body)], keep=True)
