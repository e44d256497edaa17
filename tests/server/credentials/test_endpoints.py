"""A real token endpoint over TLS is asked as RFC 6749 has it, and whatever it answers, no secret is told."""

from __future__ import annotations

import base64
import gzip
import json
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from urllib.parse import parse_qs

import pytest
from cryptography import x509

from server.credentials import endpoints
from server.credentials.endpoints import EndpointFailed, Question, ask, check_address
from tests.server.credentials import making
from tests.server.credentials.making import HOUR, NOW


class Endpoint(BaseHTTPRequestHandler):
    """Answers what it was told to, and notes what it was asked."""

    def do_POST(self):
        self.server.asked.append(
            (parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()), self.headers["Authorization"])
        )
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + self.server.lacking))
        if self.server.encoding:
            self.send_header("Content-Encoding", self.server.encoding)
        if status == 302:
            self.send_header("Location", "https://elsewhere.invalid/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("endpoint")
    host = making.certificate(
        "localhost", datetime.now(UTC) + timedelta(days=300), names=[x509.IPAddress(ip_address("127.0.0.1"))]
    )
    (folder / "host.pem").write_text(host + making.private())
    (folder / "ca.pem").write_text(host)
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "host.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.authority = str(folder / "ca.pem")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join(30)
    server.server_close()


@pytest.fixture
def endpoint(serving):
    serving.asked = []
    serving.answer = 200, b""
    serving.lacking, serving.encoding = 0, ""
    return serving


def question(endpoint, **said):
    wanted = {"client": "robot", "ca_file": endpoint.authority, **said}
    return Question(f"https://127.0.0.1:{endpoint.server_port}/token", **wanted)


def test_a_client_asks_by_its_secret(endpoint):
    given = making.token()
    endpoint.answer = 200, json.dumps({"access_token": given, "expires_in": 9}).encode()
    said = ask(question(endpoint, scope="a b", audience="all", grant={"client_secret": "word"}), now=NOW)
    assert (said.token, said.ends_at, said.refresh_token) == (given, NOW + HOUR, "")
    ((fields, signed),) = endpoint.asked
    assert fields == {"grant_type": ["client_credentials"], "scope": ["a b"], "audience": ["all"]}
    assert base64.b64decode(signed.removeprefix("Basic ")) == b"robot:word"
    assert given not in repr(said)


def test_a_refresh_token_is_asked_with_and_the_next_one_is_told(endpoint, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login a password b")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    endpoint.answer = 200, json.dumps({"access_token": "opaque", "expires_in": 60, "refresh_token": "next"}).encode()
    said = ask(question(endpoint, grant={"refresh_token": "this"}), now=NOW)
    assert (said.refresh_token, said.ends_at) == ("next", NOW + HOUR / 60)
    ((fields, signed),) = endpoint.asked
    assert fields == {"grant_type": ["refresh_token"], "refresh_token": ["this"], "client_id": ["robot"]}
    assert signed is None


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"geheim", "HTTP 200, and no JSON object"),
        (200, b"[]", "no JSON object"),
        (200, b" " * 70000, "no JSON object"),
        (200, b"{}", "holds no access_token"),
        (200, b'{"access_token": "geheim"}', "says when it ends"),
        (200, b'{"access_token": "geheim", "expires_in": "soon"}', "says when it ends"),
        (200, b'{"access_token": "geheim wort", "expires_in": 1}', "cannot be used"),
        (400, b'{"error": "invalid_grant", "error_description": "geheim"}', "HTTP 400: invalid_grant"),
        (401, b'{"error": "geheim wort"}', "HTTP 401: no reason"),
        (302, b"{}", "HTTP 302"),
    ],
)
def test_an_answer_that_is_no_token_is_told_without_what_it_holds(endpoint, status, body, words):
    endpoint.answer = status, body
    with pytest.raises(EndpointFailed, match=words) as wrong:
        ask(question(endpoint, grant={"client_secret": "geheim"}), now=NOW)
    assert "geheim" not in str(wrong.value)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(("lacking", "encoding"), [(9, ""), (0, "gzip")])
def test_an_answer_that_breaks_off_or_cannot_be_unpacked_is_an_endpoints_failure(endpoint, lacking, encoding):
    endpoint.answer, endpoint.lacking, endpoint.encoding = (200, b'{"access_token": "geheim"'), lacking, encoding
    with pytest.raises(EndpointFailed, match=r"cannot be asked: \w+Error$"):
        ask(question(endpoint), now=NOW)


def test_an_answer_that_does_not_come_to_its_end_is_given_up(endpoint, monkeypatch):
    monkeypatch.setattr(endpoints, "BOUNDS", replace(endpoints.BOUNDS, longest=0.0))
    endpoint.answer = 200, json.dumps({"access_token": "opaque", "expires_in": 60}).encode()
    with pytest.raises(EndpointFailed, match="cannot be asked: TimeoutError$"):
        ask(question(endpoint), now=NOW)


def test_a_packed_answer_is_unpacked(endpoint):
    body = json.dumps({"access_token": "opaque", "expires_in": 60, "more": "x" * 50000}).encode()
    endpoint.answer, endpoint.encoding = (200, gzip.compress(body)), "gzip"
    assert ask(question(endpoint), now=NOW).token == "opaque"


def test_an_endpoint_that_nobody_vouches_for_is_not_told_anything(endpoint, tmp_path):
    with pytest.raises(EndpointFailed, match="cannot be asked: SSLError"):
        ask(question(endpoint, ca_file=""), now=NOW)
    with pytest.raises(EndpointFailed, match="cannot be asked: OSError"):
        ask(question(endpoint, ca_file=str(tmp_path / "nowhere")), now=NOW)
    assert endpoint.asked == []


@pytest.mark.parametrize("address", ["", "http://a/", "https://", "https://a:b@c/", "https://[/", "file:///x"])
def test_no_secret_goes_to_such_an_address(address):
    with pytest.raises(EndpointFailed, match="it has to be https://host/path"):
        check_address(address)
