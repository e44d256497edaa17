"""Logstash and Loki by HTTP, stood in for by a server that holds them to their interfaces."""

from __future__ import annotations

import base64
import json
import threading
import time

import pytest

from pilot.realtime.address import read_address
from pilot.realtime.records import Lines, Origin, records_of
from pilot.realtime.services import make_service
from pilot.realtime.services.base import Access, NotSent, Unwanted
from tests.pilot.realtime.services.standing_in import over_http, over_tcp
from tests.services.authority import Authority

RECORDS = records_of(Origin(7, 1, 3), Lines("payload.stdout", 1, ["one", "two é"]), 1.5e9)


def service(text, **access):
    return make_service(read_address(text, "x"), Access("compass-pilot", **access))


def test_logstash_gets_a_list_of_records_and_who_sends_them():
    with over_http(lambda _: (200, b"ok")) as (port, heard):
        made = service(f"logstash;http://127.0.0.1:{port}", login="pilot", password="sesame")
        made.send(RECORDS, 5)
        made.close()
    assert [request.said for request in heard] == [RECORDS]
    assert heard[0].headers["Authorization"] == "Basic " + base64.b64encode(b"pilot:sesame").decode()


def test_loki_gets_a_stream_with_a_time_in_nanoseconds_for_each_record():
    with over_http() as (port, heard):
        service(f"loki;http://127.0.0.1:{port}").send(RECORDS, 5)
    assert heard[0].path == "/loki/api/v1/push"
    ((stream,),) = heard[0].said.values()
    assert stream["stream"] == {"service_name": "compass-pilot", "file": "payload.stdout"}
    assert [at for at, _ in stream["values"]] == ["1500000000000000000"] * 2
    assert [json.loads(line) for _, line in stream["values"]] == RECORDS


def test_https_is_verified(tmp_path):
    authority, stranger = Authority(tmp_path / "own"), Authority(tmp_path / "stranger", "stranger")
    with over_http(certificate=authority.issue("localhost")) as (port, heard):
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            service(f"loki;https://localhost:{port}", authorities=str(stranger.file)).send(RECORDS, 5)
        service(f"loki;https://localhost:{port}", authorities=str(authority.file)).send(RECORDS, 5)
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, NotSent), (503, NotSent), (429, NotSent), (401, NotSent), (302, NotSent), (400, Unwanted)],
)
def test_an_answer_says_whether_it_is_worth_trying_again(status, kind):
    with (
        over_http(lambda _: (status, b"sesame")) as (port, _),
        pytest.raises(NotSent, match=f"HTTP {status}") as caught,
    ):
        service(f"loki;http://127.0.0.1:{port}").send(RECORDS, 5)
    assert type(caught.value) is kind
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(("piece", "pause"), [(b"x" * 10**6, 0.0), (b"x", 0.05)])
def test_an_answer_without_an_end_is_not_read_to_its_end(piece, pause):
    sent = []

    def serve(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while len(sent) < 1000:
            connection.sendall(piece)
            sent.append(len(piece))
            threading.Event().wait(pause)

    with over_tcp(serve) as port:
        began = time.monotonic()
        service(f"loki;http://127.0.0.1:{port}").send(RECORDS, 0.3)
        assert time.monotonic() - began < 3
    assert sum(sent) < 10**8


def test_one_connection_serves_for_many_records():
    requests = []

    def serve(connection):
        while content := connection.recv(65536):
            if b"POST" in content:
                requests.append(content)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with over_tcp(serve) as port:  # it serves one connection after the other: a second one would wait
        made = service(f"loki;http://127.0.0.1:{port}")
        for _ in range(3):
            made.send(RECORDS, 2)
        made.close()
    assert len(requests) == 3


def test_authorities_that_are_not_there_are_told():
    with pytest.raises(NotSent, match="OSError"):
        service("loki;https://127.0.0.1:9", authorities="/nowhere").send(RECORDS, 5)
