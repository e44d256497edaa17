"""The communicator against real servers on this machine, well-behaved and not."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import socket
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pilot.api import communicator, replies
from pilot.api.communicator import Communicator, Report, base_url
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.messages import JobUpdate, WorkRequest
from pilot.contract.states import JobState
from pilot.errors import ConfigError
from pilot.settings import Server
from tests.pilot.dispatcher import QUEUE, serving

ACQUIRE, UPDATE = "/api/v1/pilot/acquire_jobs", "/api/v1/pilot/update_job"
REQUEST = WorkRequest(queue=QUEUE)
RUNNING = JobUpdate(job_id=7, attempt=1, state=JobState.RUNNING)


@pytest.fixture
def dispatcher(tmp_path):
    with serving(tmp_path) as found:
        yield found


def speaking_to(url, token="secret-token", **more):
    return Communicator(Server(url=url, **{"connect_timeout": 2.0, "read_timeout": 2.0, **more}), lambda: token)


@pytest.fixture
def server(dispatcher):
    return speaking_to(dispatcher.url)


def talk(connection: socket.socket, pieces: Sequence[bytes], pause: float, hold: bool, done: threading.Event) -> None:
    """Take whatever is asked and answer with these bytes."""
    with connection:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
            if done.wait(pause):
                return
        if hold:
            done.wait(20)
        # Closed with unread bytes, a connection would be reset, and the answer lost with it.
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(5)
        while connection.recv(65536):
            pass


@contextlib.contextmanager
def answering(*pieces: bytes, hold: bool = False, pause: float = 0.0):
    """Answer every connection with these bytes, with pauses between them; then close it, or hold it open."""
    done = threading.Event()

    def answer(connection):
        with contextlib.suppress(OSError):
            talk(connection, pieces, pause, hold, done)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        done.set()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(60)


def said(status, body, length=None):
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("https://a.example", "https://a.example:25443"),
        ("a.example", "https://a.example:25443"),
        ("http://a.example:80/", "http://a.example:80"),
        ("http://[::1]:8080/x/", "http://[::1]:8080/x"),
    ],
)
def test_an_address_is_completed(url, full):
    assert base_url(url, 25443) == full


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://a:port", "http://a:99999", ""])
def test_what_is_no_address_is_named(url):
    with pytest.raises(ConfigError, match=r"server\.url"):
        base_url(url, 25443)


def test_jobs_come_with_their_files_and_no_job_is_an_answer(dispatcher, server):
    dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="/bin/true", arguments=("a b", "c"))]
    (job,) = server.acquire(REQUEST, "r1").jobs
    assert (job.key, job.arguments) == ((7, 1), ("a b", "c"))
    assert server.acquire(REQUEST, "r2") == replies.Jobs()


def test_the_same_request_again_gets_the_same_jobs(dispatcher, server):
    dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="x"), JobSpec(id=8, attempt=1, transformation="x")]
    assert server.acquire(REQUEST, "r1") == server.acquire(REQUEST, "r1")


def test_a_job_that_cannot_be_read_is_told_apart_from_the_others(dispatcher, server):
    dispatcher.raw_jobs = [{"PandaID": 7, "attemptNr": 2, "coreCount": "many", "transformation": "x"}]
    (broken,) = server.acquire(REQUEST, "r1").broken
    assert (broken.id, broken.attempt) == (7, 2)
    assert "coreCount: 'many' is not a whole number" in broken.words


def test_a_job_without_a_number_is_garbage(dispatcher, server):
    dispatcher.raw_jobs = [{"transformation": "x"}]
    with pytest.raises(replies.BadAnswer, match="PandaID"):
        server.acquire(REQUEST, "r1")


def test_a_report_is_answered_with_a_command(dispatcher, server):
    assert not server.report(server.compose(RUNNING)).kills
    dispatcher.commands[7] = "debug,tobekilled"
    assert server.report(server.compose(RUNNING)).kills


def test_what_is_no_text_is_sent_as_text_that_any_server_can_read(server):
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x98\x80")
    text = server.compose(replace(RUNNING, stdout=name, node="n")).text
    assert json.loads(text)["stdout"] == "caf? \U0001f600"
    assert json.loads(text)["node"] == "n"


def test_progress_rides_in_a_header(dispatcher, server):
    server.report(server.compose(RUNNING, (5, 10)))
    server.report(server.compose(RUNNING, (5, None)))
    assert [headers["X-Compass-Progress"] for headers in dispatcher.headers] == ["5/10", "5/?"]


def test_the_token_is_sent_to_the_server_and_read_each_time(dispatcher):
    tokens = iter(["first", "second"])
    server = Communicator(Server(url=dispatcher.url), lambda: next(tokens))
    for _ in range(2):
        server.report(Report(server.compose(RUNNING).text))
    assert [headers["Authorization"] for headers in dispatcher.headers] == ["Bearer first", "Bearer second"]


def test_all_calls_of_a_pilot_have_one_trace_and_each_a_part_of_its_own(dispatcher, caplog):
    caplog.set_level("DEBUG", "pilot.api.communicator")
    for _ in range(2):
        server = speaking_to(dispatcher.url)
        for _ in range(2):
            server.report(server.compose(RUNNING))
    said = [headers["X-Compass-Trace"] for headers in dispatcher.headers]
    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace) for trace in said)
    traces, parts = [trace[3:35] for trace in said], {trace[36:52] for trace in said}
    assert (traces[0], traces[2]) == (traces[1], traces[3])
    assert (len(set(traces)), len(parts)) == (2, 4)
    assert traces[0] in caplog.text


def test_the_token_is_sent_to_nobody_else(dispatcher, tmp_path):
    seen = []
    with serving(tmp_path) as elsewhere:
        answer = elsewhere.answer
        elsewhere.answer = lambda path, body, headers: (
            seen.extend((headers.get("Authorization"), headers.get("X-Compass-Trace"))),
            answer(path, body, headers),
        )[1]
        server = speaking_to(dispatcher.url)
        server.queue_data(QUEUE, f"{elsewhere.url}/cache/schedconfig/{QUEUE}.all.json")
    assert seen == [None, None]


def test_a_token_that_cannot_be_read_is_a_matter_of_identity(dispatcher):
    def unreadable():
        raise ConfigError("server.token_file: x cannot be read")

    with pytest.raises(replies.IdentityRefused, match="token_file"):
        Communicator(Server(url=dispatcher.url), unreadable).acquire(REQUEST, "r")


def test_a_connection_is_kept_and_used_again(dispatcher, server):
    server.report(server.compose(RUNNING))
    session = server._idle[0]
    server.report(server.compose(RUNNING))
    assert server._idle == [session]


def test_a_kept_connection_that_the_server_has_closed_is_no_failure(dispatcher, server):
    dispatcher.misbehave = closing_at(UPDATE, 1)
    server.report(server.compose(RUNNING))
    server.report(server.compose(RUNNING))
    assert len(dispatcher.taken) == 2


def test_where_a_server_leads_on_to_is_told_and_not_followed():
    moved = b"HTTP/1.1 301 X\r\nLocation: https://new.example:25443/\r\nContent-Length: 0\r\n\r\n"
    with answering(moved) as url, pytest.raises(replies.BadAnswer, match="leads on to https://new.example:25443/"):
        Communicator(Server(url=url)).greet()


def closing_at(path, *counts):
    def misbehave(asked, count):
        if asked == path and count in counts:
            raise ConnectionAbortedError

    return misbehave


def test_a_connection_that_is_closed_each_time_is_a_failure(dispatcher, server):
    dispatcher.misbehave = closing_at(UPDATE, *range(10))
    with pytest.raises(replies.Unreachable) as caught:
        server.report(server.compose(RUNNING))
    assert caught.value.code is ErrorCode.COMMUNICATION_FAILURE
    assert caught.value.passes


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((500, b"<h1>oops</h1>"), replies.ServerBroke),
        ((503, b""), replies.ServerBroke),
        ((429, b""), replies.ServerBroke),
        ((401, b"who?"), replies.IdentityRefused),
        ((403, b"no"), replies.IdentityRefused),
        ((400, b"what?"), replies.Refused),
        ((404, b"no such page"), replies.BadAnswer),
        ((302, b""), replies.BadAnswer),
        ((200, b"<html>garbage</html>"), replies.BadAnswer),
        ((200, b"\xff\xfe"), replies.BadAnswer),
        ((200, b"[]"), replies.BadAnswer),
        ((200, b""), replies.BadAnswer),
        ((200, b"{}"), replies.BadAnswer),
        ((200, b'{"success": true, "data": 3}'), replies.BadAnswer),
        ((200, b'{"success": true, "data": {"StatusCode": 0, "command": {"a": 1}}}'), replies.BadAnswer),
        ((200, b'{"success": false, "message": "unknown field x", "data": null}'), replies.Refused),
        ((200, b'{"success": true, "message": "", "data": {"StatusCode": 60}}'), replies.IdentityRefused),
        ((200, b'{"success": true, "message": "", "data": {"StatusCode": 10}}'), replies.ServerBroke),
        ((200, b'{"success": false, "message": "database error in the PanDA server"}'), replies.ServerBroke),
        ((200, b'{"success": false, "message": "", "data": null}'), replies.ServerBroke),
        ((200, b'{"success": true, "data": {"StatusCode": "x"}}'), replies.BadAnswer),
        ((200, b'{"success": true, "data": {"StatusCode": Infinity}}'), replies.BadAnswer),
        ((200, b"[" * 100_000), replies.BadAnswer),
    ],
)
def test_each_way_of_not_taking_a_report_has_its_type(dispatcher, server, answer, kind):
    dispatcher.misbehave = lambda path, count: answer
    with pytest.raises(replies.ServerError) as caught:
        server.report(server.compose(RUNNING))
    assert type(caught.value) is kind
    assert kind.passes is (kind is not replies.Refused)


@pytest.mark.parametrize(
    "body", [b'{"success": true, "data": {"StatusCode": 0}}', b'{"success": true, "data": {"jobs": [3]}}']
)
def test_an_answer_without_jobs_that_does_not_say_so_is_garbage(dispatcher, server, body):
    dispatcher.misbehave = lambda path, count: (200, body)
    with pytest.raises(replies.BadAnswer):
        server.acquire(REQUEST, "r")


def test_a_server_that_is_not_there_is_told_with_the_cause():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(replies.Unreachable, match="refused"):
        speaking_to(f"http://127.0.0.1:{port}").acquire(REQUEST, "r")


def test_a_server_that_hangs_is_left_after_its_time():
    with answering(hold=True) as url, pytest.raises(replies.Unreachable, match=r"[Tt]ime"):
        speaking_to(url, read_timeout=0.3).acquire(REQUEST, "r")


def test_an_answer_that_comes_drop_by_drop_is_left_after_its_time():
    head = b"HTTP/1.1 200 X\r\nContent-Length: 100000000\r\n\r\n"
    drops = [b"x"] * 1000
    with answering(head, *drops, pause=0.05) as url, pytest.raises(replies.Unreachable, match="did not end in time"):
        speaking_to(url, read_timeout=0.3).acquire(REQUEST, "r")


def test_an_answer_that_does_not_end_is_left(monkeypatch):
    monkeypatch.setattr(communicator, "LONGEST_ANSWER", 1000)
    head = b"HTTP/1.1 200 X\r\nContent-Length: 100000000\r\n\r\n"
    with answering(head, b"x" * 70000, hold=True) as url, pytest.raises(replies.Unreachable, match="does not end"):
        speaking_to(url).acquire(REQUEST, "r")


def test_a_compressed_answer_in_pieces_is_read():
    body = gzip.compress(b'{"success": false, "message": "No jobs in PanDA", "data": null}')
    head = b"HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:9], body[9:])]
    with answering(head, *pieces, b"0\r\n\r\n") as url:
        assert speaking_to(url).acquire(REQUEST, "r") == replies.Jobs()


def test_an_answer_that_breaks_off_is_no_answer():
    with answering(said(200, b'{"success": tr', length=100)) as url, pytest.raises(replies.Unreachable):
        speaking_to(url).acquire(REQUEST, "r")


def test_what_is_no_http_is_no_answer():
    with answering(b"SSH-2.0-OpenSSH\r\n") as url, pytest.raises(replies.Unreachable):
        speaking_to(url).acquire(REQUEST, "r")


def test_a_server_that_speaks_no_tls_is_not_trusted(dispatcher):
    with pytest.raises(replies.Unreachable):
        speaking_to(dispatcher.url.replace("http:", "https:")).acquire(REQUEST, "r")


def test_a_client_certificate_that_is_not_there_is_no_crash(dispatcher, tmp_path):
    server = speaking_to(dispatcher.url.replace("http:", "https:"), certificate=str(tmp_path / "missing.pem"))
    with pytest.raises(replies.Unreachable, match="certificate"):
        server.acquire(REQUEST, "r")


def test_a_queue_and_its_storages_are_described_by_the_server(server):
    assert server.queue_data(QUEUE).copytools_for("read_lan") == ("local",)
    assert server.storages()["STORE"].protocols_for("write_lan")


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_queue_may_be_described_by_a_file_of_one_queue_or_of_many(server, dispatcher, tmp_path, wrapped):
    path = tmp_path / "queues.json"
    path.write_text(json.dumps({QUEUE: dispatcher.queue} if wrapped else dispatcher.queue))
    assert server.queue_data(QUEUE, str(path)).name == QUEUE


@pytest.mark.parametrize("text", [None, "garbage", '{"corecount": 1}'])
def test_a_description_that_cannot_be_had_names_its_source(server, tmp_path, text):
    path = tmp_path / "queue.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(replies.BadQueueData) as caught:
        server.queue_data(QUEUE, str(path))
    assert caught.value.code is ErrorCode.QUEUEDATA
    assert not caught.value.passes


@pytest.mark.parametrize(
    ("setting", "said", "own_end"),
    [("auto", "IPv4", "0.0.0.0"), ("auto", "IPv6", None), ("auto", None, None), ("4", None, "0.0.0.0")],
)
def test_connections_are_of_the_version_that_settings_or_queue_want(dispatcher, monkeypatch, setting, said, own_end):
    dispatcher.queue["params"] = {"internet_protocol_version": said}
    server, bound, bind = speaking_to(dispatcher.url, ip_version=setting), [], socket.socket.bind
    server.queue_data(QUEUE)
    monkeypatch.setattr(socket.socket, "bind", lambda made, at: bound.append(at[0]) or bind(made, at))
    server.acquire(REQUEST, "r-1")  # over a connection of its own
    assert bound == ([] if own_end is None else [own_end])


def test_a_queue_that_the_server_does_not_know_is_named(server):
    with pytest.raises(replies.BadQueueData, match="ATLANTIS"):
        server.queue_data("ATLANTIS")


def legacy(answer):
    return answering(said(200, json.dumps(answer).encode()))


JOB = {"PandaID": 7, "attemptNr": 1, "transformation": "x"}


@pytest.mark.parametrize("answer", [JOB, {"jobs": [JOB]}])
def test_the_legacy_dialect_has_one_flat_job_or_a_list(answer):
    with legacy({"StatusCode": 0, **answer}) as url:
        assert [spec.key for spec in speaking_to(url, dialect="legacy").acquire(REQUEST, "r").jobs] == [(7, 1)]


@pytest.mark.parametrize("status", [20, "20"])
def test_the_legacy_dialect_says_no_job_by_its_status(status):
    with legacy({"StatusCode": status, "errorDialog": "No jobs in PanDA"}) as url:
        assert speaking_to(url, dialect="legacy").acquire(REQUEST, "r") == replies.Jobs()


def test_a_legacy_list_that_is_none_is_garbage():
    with legacy({"StatusCode": 0, "jobs": [3]}) as url, pytest.raises(replies.BadAnswer, match="no list of jobs"):
        speaking_to(url, dialect="legacy").acquire(REQUEST, "r")


def test_the_legacy_dialect_names_its_refusal():
    answer = {"StatusCode": 30, "errorDialog": "no such queue"}
    with legacy(answer) as url, pytest.raises(replies.Refused, match="no such queue"):
        speaking_to(url, dialect="legacy").acquire(REQUEST, "r")


def test_the_legacy_dialect_takes_reports_and_gives_commands():
    with legacy({"StatusCode": 0, "command": "tobekilled"}) as url:
        server = speaking_to(url, dialect="legacy")
        assert server.report(server.compose(RUNNING)).kills


def test_a_legacy_report_that_the_database_did_not_take_may_be_taken_later():
    with legacy({"StatusCode": 30}) as url, pytest.raises(replies.ServerBroke):
        speaking_to(url, dialect="legacy").report(Report("{}"))


def test_a_legacy_body_is_compressed_as_panda_expects_it(dispatcher):
    bodies = []
    dispatcher.answer = lambda path, body, headers: (bodies.append(gzip.decompress(body)), (200, b"{}"))[1]
    with pytest.raises(replies.BadAnswer):
        speaking_to(dispatcher.url, dialect="legacy").report(Report('{"jobId": 7}'))
    assert bodies == [b'{"jobId": 7}']


def test_a_job_whose_number_is_none_is_garbage(dispatcher, server):
    body = b'{"success": true, "data": {"StatusCode": 0, "jobs": [{"PandaID": Infinity}]}}'
    dispatcher.misbehave = lambda path, count: (200, body)
    with pytest.raises(replies.BadAnswer, match="without a number"):
        server.acquire(REQUEST, "r")


def test_a_legacy_answer_without_status_is_garbage():
    with legacy({"command": "NULL"}) as url, pytest.raises(replies.BadAnswer, match="StatusCode"):
        speaking_to(url, dialect="legacy").report(Report("{}"))


def test_no_error_tells_the_token(dispatcher, server, caplog):
    dispatcher.misbehave = lambda path, count: (500, b"x")
    with pytest.raises(replies.ServerBroke) as caught:
        server.report(server.compose(RUNNING))
    assert "secret-token" not in str(caught.value) + caplog.text


def test_several_threads_may_speak_at_once(dispatcher, server):
    threads = [threading.Thread(target=server.report, args=(server.compose(RUNNING),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(dispatcher.taken) == 8


def test_the_cores_that_are_free_ride_in_a_header(dispatcher, server):
    server.acquire(WorkRequest(QUEUE, cores=3), "request-1")
    server.acquire(WorkRequest(QUEUE), "request-2")
    assert [headers.get("X-Compass-Cores") for headers in dispatcher.headers] == ["3", None]


@pytest.mark.parametrize(("header", "ours"), [(b"X-Compass-Contract: 1\r\n", True), (b"", False)])
def test_a_server_that_announces_our_contract_is_known_by_it(header, ours):
    body = b'{"success": false, "message": "No jobs in PanDA", "data": null}'
    head = b"HTTP/1.1 200 OK\r\n" + header + b"Content-Length: %d\r\n\r\n" % len(body)
    with answering(head + body) as url:
        server = speaking_to(url)
        assert not server.announced
        server.acquire(WorkRequest(QUEUE), "request-1")
        assert server.announced is ours
