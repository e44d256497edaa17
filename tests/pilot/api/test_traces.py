"""Tests of the traces of copies: what they say, and how they are sent."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pilot.api.traces import NotTaken, TraceSender, trace_of
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.copytool.trace import Trace
from pilot.settings.sections import Server

QUEUE = QueueData("CERN-PROD", site="CERN")
SPEC = JobSpec(id=7, attempt=2, transformation="true", name="mc.1", task_id=3, user="/CN=A Person")
IN = Trace(
    "mDST-1.root",
    "in",
    scope="mc",
    dataset="ds",
    guid="A1-B2",
    tool="rucio",
    protocol="root",
    source="root://eos//a",
    target="file:///job/a",
    endpoint="EOS",
    began=1000.0,
    copying=2.0,
    verifying=0.5,
    size=10,
)


def test_a_trace_has_what_pandas_pilots_say():
    found = trace_of(SPEC, QUEUE, IN)
    assert found.pop("uuid") == trace_of(SPEC, QUEUE, replace(IN, lfn="other"))["uuid"]
    assert found.pop("eventVersion").startswith("compass-pilot ")
    assert found == {
        "eventType": "get_sm",
        "protocol": "root",
        "clientState": "DONE",
        "stateReason": "OK",
        "localSite": "CERN",
        "remoteSite": "EOS",
        **dict.fromkeys(("timeStart", "catStart", "relativeStart", "transferStart"), 1000.0),
        "validateStart": 1002.0,
        "timeEnd": 1002.5,
        "scope": "mc",
        "dataset": "ds",
        "version": None,
        "duid": None,
        "filename": "mDST-1.root",
        "guid": "A1B2",
        "filesize": 10,
        "url": "root://eos//a",
        "usr": hashlib.md5(b"/CN=A Person").hexdigest(),
        "usrdn": "/CN=A Person",
        "appid": "7",
        "taskid": "3",
        "pq": "CERN-PROD",
        "suspicious": "0",
    }


@pytest.mark.parametrize(
    ("label", "direction", "event"),
    [
        ("managed", "in", "get_sm"),
        ("managed", "out", "put_sm"),
        ("user", "in", "get_sm_a"),
        ("panda", "out", "put_sm_a"),
    ],
)
def test_the_event_tells_the_way_and_whether_the_job_is_a_users(label, direction, event):
    found = trace_of(replace(SPEC, label=label), QUEUE, replace(IN, direction=direction))
    assert found["eventType"] == event
    assert found["url"] == ("root://eos//a" if direction == "in" else "file:///job/a")


@pytest.mark.parametrize(
    ("more", "state", "reason"),
    [
        ({"direct": True}, "FOUND_ROOT", "OK"),
        ({"kind": "checksum", "error": "it differs"}, "FAILED", "checksum: it differs"),
        ({"error": "who knows"}, "FAILED", "who knows"),
        ({"error": "x" * 1000}, "FAILED", "x" * 500),
    ],
)
def test_the_state_says_how_it_went(more, state, reason):
    found = trace_of(SPEC, QUEUE, replace(IN, **more))
    assert (found["clientState"], found["stateReason"]) == (state, reason)


def test_attempts_of_a_job_are_told_apart():
    assert trace_of(SPEC, QUEUE, IN)["uuid"] != trace_of(replace(SPEC, attempt=3), QUEUE, IN)["uuid"]


class Rucio:
    """Takes traces, or answers with ``status``, after ``wait`` has been set."""

    def __init__(self):
        self.heard, self.status, self.wait, self.connections = [], 201, threading.Event(), 0
        self.wait.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                outer.connections += 1
                super().setup()

            def do_POST(self):
                outer.heard.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                outer.wait.wait(30)
                self.send_response(outer.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "7")
                self.end_headers()
                self.wfile.write(b"Created")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/traces/"


@pytest.fixture
def rucio():
    made = Rucio()
    yield made
    made.wait.set()
    made.server.shutdown()
    made.server.server_close()


def test_traces_go_over_one_connection_with_the_name_of_the_node(rucio):
    sender = TraceSender(rucio.address, 5.0, Server())
    sender.send({"filename": "a"})
    sender.send({"filename": "b"})
    sender.close()
    assert [path for path, _ in rucio.heard] == ["/traces/"] * 2
    assert [trace["filename"] for _, trace in rucio.heard] == ["a", "b"]
    assert all(trace["hostname"] and "ip" in trace for _, trace in rucio.heard)
    assert rucio.connections == 1


@pytest.mark.parametrize("status", [302, 400, 500])
def test_another_answer_than_that_it_is_taken_is_a_failure(rucio, status):
    rucio.status = status
    with pytest.raises(NotTaken, match=f"HTTP {status}"):
        TraceSender(rucio.address, 5.0, Server()).send({})
    assert len(rucio.heard) == 1


def test_silence_is_a_failure_in_time(rucio):
    rucio.wait.clear()
    with pytest.raises(NotTaken, match="ReadTimeout"):
        TraceSender(rucio.address, 0.1, Server()).send({})


def test_a_file_of_authorities_that_is_not_there_is_a_failure_and_no_breakage(tmp_path):
    with pytest.raises(NotTaken, match="OSError"):
        TraceSender("https://127.0.0.1:1/", 1.0, Server(authorities=str(tmp_path / "none"))).send({})


def test_nobody_there_is_a_failure():
    with pytest.raises(NotTaken, match="ConnectionError"):
        TraceSender("http://127.0.0.1:1/", 1.0, Server()).send({})
