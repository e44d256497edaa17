"""Defects of PanDA's pilot on the wire that ours does not have; each test names one."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess

import pytest

from pilot.api import replies
from pilot.api.communicator import Communicator, Report
from pilot.contract.messages import JobUpdate, WorkRequest
from pilot.contract.states import JobState
from pilot.settings import Server
from tests.pilot.api.connections import accepting, whole_request
from tests.pilot.dispatcher import QUEUE, serving

REQUEST = WorkRequest(queue=QUEUE)
FINAL = JobUpdate(job_id=7, attempt=1, state=JobState.FINISHED)
NO_JOBS = b'{"success": false, "message": "No jobs in PanDA", "data": null}'


@pytest.fixture
def dispatcher(tmp_path):
    with serving(tmp_path) as found:
        yield found


@pytest.fixture
def certificate(tmp_path):
    """A certificate for this machine that no authority of any list has signed, and its key, in one file."""
    path = tmp_path / "server.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", "-", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"),
        ],
        capture_output=True,
        check=True,
    )
    path.write_bytes(made.stdout)
    return path


@contextlib.contextmanager
def serving_tls(certificate):
    """Answer each request over TLS that there are no jobs. Yields the address and what was asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    asked = []

    def serve(connection):
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as safe:
            asked.append(whole_request(safe))  # closed with something unread, the connection would be reset
            safe.sendall(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%s" % (len(NO_JOBS), NO_JOBS))

    with accepting(serve) as port:
        yield f"https://127.0.0.1:{port}", asked


@pytest.mark.programs("openssl")
def test_a_server_whose_certificate_nobody_vouches_for_is_told_nothing(certificate):
    """Defect 19: the peer does not verify the server's certificate."""
    with serving_tls(certificate) as (url, asked):
        server = Communicator(Server(url=url, read_timeout=3.0), lambda: "secret-token")
        with pytest.raises(replies.Unreachable, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
            server.acquire(REQUEST, "r")
        assert asked == []


@pytest.mark.programs("openssl")
def test_a_server_that_the_named_authority_vouches_for_is_believed(certificate):
    """Defect 19, the other side: a site's own authority is named, and verification stays on."""
    with serving_tls(certificate) as (url, asked):
        server = Communicator(Server(url=url, read_timeout=3.0, authorities=str(certificate)), lambda: "secret-token")
        assert server.acquire(REQUEST, "r") == replies.Jobs()
        assert b"Authorization: Bearer secret-token\r\n" in asked[0]


def test_no_client_certificate_is_needed_for_plain_http(dispatcher):
    """Defect 19: the peer loads a client certificate even for an address without TLS."""
    assert Communicator(Server(url=dispatcher.url)).acquire(REQUEST, "r") == replies.Jobs()


@pytest.mark.parametrize("token", ["a.b-c_d~e+f/g==", "it's'$quoted"])
def test_a_token_goes_into_its_header_as_it_is(dispatcher, token):
    """Defect 20: the peer quotes the token for a shell."""
    Communicator(Server(url=dispatcher.url, origin="compass"), lambda: token).acquire(REQUEST, "r")
    assert dispatcher.headers[0]["Authorization"] == f"Bearer {token}"
    assert dispatcher.headers[0]["Origin"] == "compass"


def test_each_request_is_sent_once_and_its_answer_is_used(dispatcher):
    """Defect 9: the peer asks for event ranges twice and drops the first answer."""
    server = Communicator(Server(url=dispatcher.url))
    server.acquire(REQUEST, "r1")
    server.report(server.compose(FINAL))
    server.queue_data(QUEUE)
    server.storages()
    assert set(dispatcher.counts.values()) == {1}


def test_every_address_is_the_servers_own(dispatcher):
    """Defect 10: one of the peer's addresses is the text ``{url}`` itself, so that call can never succeed."""
    server = Communicator(Server(url=dispatcher.url))
    server.acquire(REQUEST, "r1")
    server.report(server.compose(FINAL))
    server.queue_data(QUEUE)
    assert not [path for path in dispatcher.counts if "{" in path or not path.startswith(("/api/v1/", "/cache/"))]


def test_a_final_report_that_is_refused_is_not_taken_for_delivered(dispatcher):
    """Defect 17: the peer does not look at the status in the answer to a report."""
    dispatcher.misbehave = lambda path, count: (200, b'{"success": false, "message": "no such job", "data": null}')
    server = Communicator(Server(url=dispatcher.url))
    with pytest.raises(replies.Refused, match="no such job"):
        server.report(server.compose(FINAL))


@pytest.mark.parametrize("status", ["0", 0])
def test_a_legacy_status_may_be_a_number_or_its_text(dispatcher, status):
    """Defect 25: the peer compares the status as a number here and as a text there."""
    body = b'{"StatusCode": "0", "command": "NULL"}' if status == "0" else b'{"StatusCode": 0, "command": "NULL"}'
    dispatcher.misbehave = lambda path, count: (200, body)
    server = Communicator(Server(url=dispatcher.url, dialect="legacy"))
    assert not server.report(Report('{"jobId": 7, "state": "running"}')).kills


def test_no_host_is_asked_but_the_server(dispatcher, monkeypatch):
    """Defect 22: the peer asks further, outside hosts for what its server has told it already."""
    asked = []
    usual = socket.getaddrinfo

    def watched(host, *more, **also):
        asked.append(host)
        return usual(host, *more, **also)

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    server = Communicator(Server(url=dispatcher.url))
    server.queue_data(QUEUE)
    server.storages()
    server.acquire(REQUEST, "r")
    server.report(server.compose(FINAL))
    assert set(asked) == {"127.0.0.1"}
