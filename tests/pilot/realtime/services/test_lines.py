"""Lines and messages to a real syslog-ng; what is gone, or another's, by peers of our own."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.errors import ConfigError
from pilot.realtime.address import read_address
from pilot.realtime.records import LONGEST, Lines, Origin, records_of
from pilot.realtime.services import make_service
from pilot.realtime.services.base import Access, NotSent
from tests.pilot.realtime.services.standing_in import over_tcp
from tests.services.authority import Authority

ROOT = Path(__file__).parents[4]
RECORDS = records_of(Origin(7, 1, 3), Lines("payload.stdout", 1, ["one", "two é\u2028", "x" * LONGEST]), 1.5e9)


def service(text, **access):
    return make_service(read_address(text, "x"), Access("compass pilot", **access))


@pytest.mark.parametrize("protocol", ["tcp", "udp", "tls"])
def test_lines_of_json_arrive(syslog_ng, protocol):
    made = service(
        f"logstash;{protocol}://localhost:{getattr(syslog_ng, protocol)}", authorities=str(syslog_ng.authority.file)
    )
    made.send(RECORDS, 5)
    made.send(RECORDS[:1], 5)  # on the same connection
    assert [json.loads(line) for line in syslog_ng.lines(4)] == [*RECORDS, RECORDS[0]]
    made.close()


@pytest.mark.parametrize(("protocol", "port"), [("tls", "syslog"), ("udp", "syslog_udp")])
def test_messages_of_syslog_arrive(syslog_ng, protocol, port):
    made = service(
        f"syslog;{protocol}://localhost:{getattr(syslog_ng, port)}", authorities=str(syslog_ng.authority.file)
    )
    made.send(RECORDS, 5)
    heads, texts = zip(*[line.rsplit("|", 1) for line in syslog_ng.lines(3, "messages")])
    assert set(heads) == {"compass_pilot|7.1|payload.stdout|info"}
    assert [json.loads(text) for text in texts] == RECORDS
    made.close()


def test_a_service_with_a_strangers_certificate_or_another_name_gets_nothing(syslog_ng, tmp_path):
    stranger = Authority(tmp_path / "stranger", "stranger")
    with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
        service(f"logstash;tls://localhost:{syslog_ng.tls}", authorities=str(stranger.file)).send(RECORDS, 5)
    with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
        service(f"logstash;tls://127.1:{syslog_ng.tls}", authorities=str(syslog_ng.authority.file)).send(RECORDS, 5)


def test_a_service_that_has_closed_the_connection_is_connected_to_anew():
    heard: queue.Queue[bytes] = queue.Queue()

    def one_line(connection: socket.socket) -> None:
        heard.put(connection.makefile("rb").readline())

    with over_tcp(one_line) as port:
        made = service(f"logstash;tcp://127.0.0.1:{port}")
        for record in RECORDS[:2]:
            made.send([record], 5)
            assert json.loads(heard.get(timeout=10)) == record
            assert made._connection._socket.recv(1) == b""  # it has closed its side
        made.close()


def test_nobody_there_is_told():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(NotSent, match="ConnectionRefusedError"):
        service(f"logstash;tcp://127.0.0.1:{port}").send(RECORDS, 5)


def test_a_service_that_takes_nothing_is_given_up_in_time():
    with over_tcp(lambda connection: connection.recv(1) and threading_wait()) as port:
        made = service(f"logstash;tcp://127.0.0.1:{port}")
        many = records_of(Origin(7, 1), Lines("f", 1, ["x" * LONGEST] * 2000), 1.5e9)
        with pytest.raises(NotSent, match="timed out|TimeoutError"):
            made.send(many, 0.2)


def threading_wait():
    import threading

    threading.Event().wait(1)


def test_a_file_gets_a_line_for_each_record_and_is_its_owners_alone(tmp_path):
    path = tmp_path / "lines.jsonl"
    service(f"file;file://{path}").send(RECORDS[:1], 5)
    service(f"file;file://{path}").send(RECORDS[1:], 5)
    assert [json.loads(line) for line in path.read_text().splitlines()] == RECORDS
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(NotSent, match=f"{tmp_path}/none/x: No such file"):
        service(f"file;file://{tmp_path}/none/x").send(RECORDS, 5)


def test_a_file_without_room_for_all_of_it_has_not_taken_it(tmp_path):
    script = (
        "import resource, signal, sys\n"
        "from pilot.realtime.address import read_address\n"
        "from pilot.realtime.services import base, make_service\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    made = make_service(read_address('file;file://' + sys.argv[1], 'x'), base.Access('x'))\n"
        "    made.send([{'message': 'x' * 1000}], 5)\n"
        "except base.NotSent as wrong:\n"
        "    print(wrong)\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "lines.jsonl")]
    told = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True, cwd=ROOT).stdout
    assert told == f"{tmp_path}/lines.jsonl: there is room for 100 of 1015 bytes\n"


def test_nobody_is_waited_for_at_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotSent, match="pipe: No such device"):
        service(f"file;file://{tmp_path}/pipe").send(RECORDS, 5)


def test_no_password_goes_unencrypted_to_another_machine():
    with pytest.raises(ConfigError, match="a password is not sent unencrypted; use tls or https"):
        service("loki;http://logs.example.org", login="pilot", password="sesame")
    service("loki;https://logs.example.org", login="pilot", password="sesame")
    service("loki;http://127.0.0.1", login="pilot", password="sesame")
