"""The two dialects: which one a server speaks is learnt once, and nothing that would do harm is said twice."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading

import pytest

from pilot.api import replies
from pilot.api.communicator import Communicator, Report
from pilot.contract import routes
from pilot.contract.codec import Dialect
from pilot.contract.messages import JobUpdate, StoredFile, WorkRequest
from pilot.contract.states import JobState
from pilot.settings import Server
from tests.pilot.api.connections import accepting, whole_request
from tests.pilot.dispatcher import QUEUE, serving

REQUEST = WorkRequest(queue=QUEUE)
FINAL = JobUpdate(job_id=7, attempt=2, state=JobState.FINISHED, files=(StoredFile("a.root", 5, "adler32:00000001"),))
GONE = (404, b"no such page")
NO_JOBS = (200, b'{"StatusCode": 20, "errorDialog": "No jobs in PanDA"}')
NO_JOBS_V1 = (200, b'{"success": false, "message": "No jobs in PanDA", "data": null}')
TAKEN = (200, b'{"StatusCode": 0, "command": "NULL"}')


class Peer:
    """A server of one dialect: what it was asked, in order."""

    def __init__(self, dispatcher):
        self.asked: list[tuple[str, bytes]] = []
        self._usual = dispatcher.answer
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.url = dispatcher.url
        dispatcher.answer = self.answer

    def answer(self, path, body, headers):
        self.asked.append((path, body))
        return self.answers[path] if path in self.answers else self._usual(path, body, headers)

    def paths(self):
        return [path for path, _ in self.asked]


@pytest.fixture
def peer(tmp_path):
    with serving(tmp_path) as dispatcher:
        yield Peer(dispatcher)


@pytest.fixture
def old_peer(peer):
    """A server that knows nothing of /api/v1."""
    peer.answers = {
        routes.ACQUIRE_JOBS: GONE,
        routes.UPDATE_JOB_V1: GONE,
        routes.GET_JOB: NO_JOBS,
        routes.UPDATE_JOB: TAKEN,
    }
    return peer


def speaking_to(peer, dialect="auto"):
    return Communicator(Server(url=peer.url, dialect=dialect, connect_timeout=2.0, read_timeout=2.0))


def test_the_usual_server_is_asked_once_and_its_dialect_is_kept(peer):
    server = speaking_to(peer)
    assert server.dialect is None
    server.acquire(REQUEST, "r1")
    server.report(server.compose(FINAL))
    assert server.dialect is Dialect.V1
    assert peer.paths() == [routes.ACQUIRE_JOBS, routes.UPDATE_JOB_V1]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_the_new_addresses_is_spoken_to_as_the_older_ones_are(old_peer, status):
    old_peer.answers[routes.ACQUIRE_JOBS] = (status, b"<h1>no</h1>")
    server = speaking_to(old_peer)
    assert server.acquire(REQUEST, "r1") == replies.Jobs()
    assert server.acquire(REQUEST, "r2") == replies.Jobs()
    server.report(server.compose(FINAL))
    assert old_peer.paths() == [routes.ACQUIRE_JOBS, routes.GET_JOB, routes.GET_JOB, routes.UPDATE_JOB]


def test_a_setting_spares_the_question(old_peer):
    speaking_to(old_peer, "legacy").acquire(REQUEST, "r1")
    assert old_peer.paths() == [routes.GET_JOB]


def test_a_server_that_knows_neither_is_named_and_asked_again_later(old_peer):
    server = speaking_to(old_peer)
    old_peer.answers[routes.GET_JOB] = GONE
    with pytest.raises(replies.BadAnswer, match="no address of the dialects v1, legacy"):
        server.acquire(REQUEST, "r1")
    old_peer.answers.clear()
    server.acquire(REQUEST, "r1")
    assert server.dialect is Dialect.V1


def test_a_server_of_our_kind_is_not_taken_for_an_older_one_when_its_web_server_is_in_trouble(old_peer):
    server = speaking_to(old_peer)
    server._announced = True  # as its description of a queue has done in a header
    with pytest.raises(replies.BadAnswer, match="no address of the dialects v1") as caught:
        server.acquire(REQUEST, "r1")
    assert caught.value.passes
    assert old_peer.paths() == [routes.ACQUIRE_JOBS]


@pytest.mark.parametrize("answer", [(503, b""), (403, b"{}"), (200, b"<html>log in first</html>"), (200, b"[1]")])
def test_a_proxys_page_and_a_fault_say_nothing_about_the_dialect(peer, answer):
    peer.answers[routes.ACQUIRE_JOBS] = answer
    server = speaking_to(peer)
    with pytest.raises(replies.ServerError):
        server.acquire(REQUEST, "r1")
    assert server.dialect is None
    assert peer.paths() == [routes.ACQUIRE_JOBS]


def test_a_report_that_a_dead_pilot_wrote_in_one_dialect_is_taken_in_the_other(old_peer):
    written = speaking_to(old_peer, "v1").compose(FINAL)
    speaking_to(old_peer).report(written)
    said = json.loads(gzip.decompress(old_peer.asked[-1][1]))
    assert (said["jobId"], said["attemptNr"], said["state"]) == (7, 2, "finished")
    assert json.loads(said["xml"])["a.root"]["fsize"] == 5


def test_a_legacy_report_is_turned_into_the_new_dialect(peer):
    written = speaking_to(peer, "legacy").compose(FINAL)
    speaking_to(peer).report(written)
    said = json.loads(peer.asked[-1][1])
    assert (said["job_id"], said["attempt_nr"], said["job_status"]) == (7, 2, "finished")


def test_a_journal_that_holds_no_report_is_refused_and_not_sent(peer):
    with pytest.raises(replies.Refused, match="no report"):
        speaking_to(peer, "v1").report(Report('{"jobId": 7}'))
    assert not peer.asked


def test_journals_name_the_server_alike_in_every_dialect(peer):
    assert {speaking_to(peer, dialect).name for dialect in ("auto", "v1", "legacy")} == {peer.url}


@contextlib.contextmanager
def breaking_off(answers: int):
    """Answer so many requests properly, then close each connection after the request has come. Yields url, requests."""
    requests, lock = [], threading.Lock()

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            while head := whole_request(connection):
                with lock:
                    requests.append(head)
                    if len(requests) > answers:
                        return
                said = NO_JOBS_V1[1] if b"/api/v1/" in head else NO_JOBS[1]
                connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))

    with accepting(serve) as port:
        yield f"http://127.0.0.1:{port}", requests


@pytest.mark.parametrize("dialect", ["legacy", "v1"])
@pytest.mark.parametrize("before", [0, 1])
def test_a_request_for_work_of_pandas_server_that_broke_off_is_not_repeated_at_once(before, dialect):
    """The server may have given a job that nobody would ever hear of."""
    with breaking_off(before) as (url, requests):
        server = Communicator(Server(url=url, dialect=dialect, read_timeout=2.0))
        for _ in range(before):
            server.acquire(REQUEST, "r")
            assert server._idle
        with pytest.raises(replies.Unreachable):
            server.acquire(REQUEST, "r")
    assert len([head for head in requests if head.startswith(b"POST")]) == before + 1


def test_a_server_of_our_kind_knows_the_number_of_a_request_and_may_be_asked_again_at_once(peer):
    server = speaking_to(peer, "v1")
    server._announced = True
    server.acquire(REQUEST, "r1")
    usual, failed = peer._usual, []

    def once(path, body, headers):
        if not failed:
            failed.append(path)
            raise ConnectionAbortedError
        return usual(path, body, headers)

    peer._usual = once
    assert server.acquire(REQUEST, "r2") == replies.Jobs()
    assert failed == [routes.ACQUIRE_JOBS]


def test_a_greeting_says_who_is_there_and_changes_nothing(peer):
    server = speaking_to(peer)
    server.greet()
    assert server.dialect is Dialect.V1
    assert peer.asked == [(routes.UPDATE_JOB_V1, b"{}")]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((403, b"who are you"), replies.IdentityRefused),
        ((200, b'{"success": true, "data": {"StatusCode": 50}, "message": "bad token"}'), replies.IdentityRefused),
        ((500, b"oops"), replies.ServerBroke),
        ((200, b"<html>"), replies.BadAnswer),
    ],
)
def test_a_greeting_that_is_not_returned_tells_why(peer, answer, error):
    peer.answers[routes.UPDATE_JOB_V1] = answer
    with pytest.raises(error):
        speaking_to(peer).greet()


@pytest.mark.parametrize(
    ("answer", "good"), [((200, b"ERROR: no jobId"), True), ((500, b"oops"), True), ((502, b""), False)]
)
def test_an_older_server_may_return_a_greeting_in_its_own_manner(old_peer, answer, good):
    old_peer.answers[routes.UPDATE_JOB] = answer
    server = speaking_to(old_peer, "legacy")
    if good:
        server.greet()
    else:
        with pytest.raises(replies.ServerBroke):
            server.greet()


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Thu, 01 Jan 1970 00:16:40 GMT", 900.0),
        ("yesterday", None),
        ("", None),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_the_servers_clock_is_read_from_its_answers(peer, date, skew):
    server = speaking_to(peer)
    assert server.clock_skew is None
    server._dated = (date, 100.0)
    assert server.clock_skew == skew
