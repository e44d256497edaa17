"""Transformations by address, from a real web server of this machine. Defects 24 and 32 of the peer's are named."""

from __future__ import annotations

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.naming import is_address, transformation_file
from pilot.errors import ConfigError, JobFailed
from pilot.runtime import transformation
from pilot.runtime.transformation import Allowed, Fetching, Patience
from pilot.settings import Server
from tests.pilot.api.test_communicator import answering

ALLOWED = Allowed.below(["https://panda.example:25443/trf/", "http://b.example/user"])
PROGRAM = b"#!/bin/sh\necho hello\n"


@pytest.mark.parametrize(
    "url",
    [
        "https://panda.example:25443/trf/run.sh",
        "https://PANDA.example:25443/trf/user/runGen-00-00-02",
        "HTTPS://panda.example:25443/trf/a/../run.sh",
        "http://b.example/user/run.sh",
        "http://b.example:80/user/run.sh?version=3",
    ],
)
def test_an_address_below_an_allowed_one_is_allowed(url):
    assert ALLOWED.objection(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://panda.example:25443/trf/run.sh",
        "https://panda.example/trf/run.sh",
        "https://panda.example:25443/run.sh",
        "https://panda.example:25443/trfs/run.sh",
        "http://b.example/users/run.sh",
        "http://b.example/user",
        "https://panda.example:25443/trf/../run.sh",
        "https://panda.example:25443/trf/%2e%2e/run.sh",
        "https://panda.example:25443/trf/..%2frun.sh",
        "https://panda.example:25443/trf/\\../run.sh",
        "https://panda.example:25443/trf/%252e%252e/run.sh",
        "https://panda.example:25443/trf/..;/run.sh",
        "https://panda.example:25443/trf/%c0%ae%c0%ae/run.sh",
        "https://panda.example:25443/trf/%2e%2e;a=b/run.sh",
        "https://panda.example:25443@evil.example/trf/run.sh",
        "https://evil.example/?https://panda.example:25443/trf/run.sh",
        "https://panda.example.evil.example:25443/trf/run.sh",
        "https://panda.example:25443:80/trf/run.sh",
        "https:///trf/run.sh",
        "https://panda.example:25443/trf/run now.sh",
        "https://panda.example:25443/trf/",
        "https://panda.example:25443/trf/-rf",
        "https://panda.example:25443/trf/.bashrc",
    ],
)
def test_any_other_address_is_refused_by_name(url):
    objection = ALLOWED.objection(url)
    assert objection.code is ErrorCode.TRF_DOWNLOAD_FAILURE
    assert repr(url) in objection.detail


def test_a_program_of_the_node_is_no_address():
    assert ALLOWED.objection("/sw/run.sh") is None
    assert not is_address("httpd")


def test_the_refusal_says_what_is_allowed():
    """Defect 32: the peer's list of allowed addresses is written into its code."""
    assert "https://panda.example:25443/trf/, http://b.example/user" in ALLOWED.objection("http://x.example/y").detail


@pytest.mark.parametrize("base", ["ftp://a/", "a.example/trf", "https://user@a.example/", ""])
def test_what_an_admin_allows_must_be_an_address(base):
    with pytest.raises(ConfigError, match="verify.transformation_urls"):
        Allowed.below([base])


@pytest.mark.parametrize(
    ("url", "name"), [("http://a/b/run.sh?x=1", "run.sh"), ("http://a/", ""), ("http://a/b/%2e", "")]
)
def test_the_file_is_named_as_the_address_ends(url, name):
    assert transformation_file(url) == name


@contextlib.contextmanager
def serving(answers):
    """Serve these answers by path: a list of (status, headers, body), the last one for ever. Yields url, counts."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            listed = answers[self.path]
            status, headers, body = listed[min(asked.count(self.path), len(listed) - 1)]
            asked.append(self.path)
            assert "Authorization" not in self.headers
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


class Waits:
    """Patience without end that waits no time, and notes how long it would have."""

    def __init__(self, cancelled=False, left=60.0):
        self.seconds = []
        self.patience = Patience(lambda: left, lambda seconds: (self.seconds.append(seconds), cancelled)[1])


def fetching(url, most=1000):
    return Fetching(Allowed.below([f"{url}/trf/"]), Server(connect_timeout=2.0, read_timeout=2.0), most)


def test_it_comes_executable_by_its_owner_alone(tmp_path):
    with serving({"/trf/run.sh": [(200, {}, PROGRAM)]}) as (url, asked):
        path = fetching(url).fetch(f"{url}/trf/run.sh", tmp_path, Waits().patience)
    assert path == tmp_path / "run.sh"
    assert path.read_bytes() == PROGRAM
    assert path.stat().st_mode & 0o777 == 0o700
    assert asked == ["/trf/run.sh"]


def test_what_is_not_allowed_is_not_asked_for(tmp_path):
    """Defect 24: the peer runs the payload of a job that it has refused."""
    with serving({}) as (url, asked):
        with pytest.raises(JobFailed, match="allowed addresses"):
            fetching(url).fetch(f"{url}/other/run.sh", tmp_path, Waits().patience)
        assert (asked, list(tmp_path.iterdir())) == ([], [])


def test_a_fault_that_passes_is_waited_out(tmp_path):
    waits = Waits()
    with serving({"/trf/run.sh": [(503, {}, b""), (200, {}, b""), (200, {}, PROGRAM)]}) as (url, asked):
        fetching(url).fetch(f"{url}/trf/run.sh", tmp_path, waits.patience)
    assert (len(asked), [seconds for seconds in waits.seconds if seconds]) == (3, [1.0, 2.0])


def test_after_three_tries_it_is_given_up(tmp_path):
    answers = {"/trf/run.sh": [(500, {}, b"")]}
    with serving(answers) as (url, asked), pytest.raises(JobFailed, match="HTTP 500; tried 3 times") as caught:
        fetching(url).fetch(f"{url}/trf/run.sh", tmp_path, Waits().patience)
    assert (caught.value.code, len(asked)) == (ErrorCode.TRF_DOWNLOAD_FAILURE, 3)


def test_a_server_that_is_not_there_is_tried_again(tmp_path):
    with serving({}) as (url, _):
        pass
    with pytest.raises(JobFailed, match="ConnectionError.*tried 3 times"):
        fetching(url).fetch(f"{url}/trf/run.sh", tmp_path, Waits().patience)


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_any_more_is_not_tried_again(tmp_path, status):
    answers = {"/trf/run.sh": [(status, {}, b"")]}
    with serving(answers) as (url, asked), pytest.raises(JobFailed, match=f"HTTP {status}") as caught:
        fetching(url).fetch(f"{url}/trf/run.sh", tmp_path, Waits().patience)
    assert (caught.value.code, len(asked)) == (ErrorCode.MISSING_USER_CODE, 1)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "2000"}])
def test_what_is_too_large_is_not_kept(tmp_path, headers):
    answers = {"/trf/run.sh": [(200, headers, b"x" * 2000)]}
    with serving(answers) as (url, asked), pytest.raises(JobFailed, match="more than 1000 bytes"):
        fetching(url).fetch(f"{url}/trf/run.sh", tmp_path, Waits().patience)
    assert (len(asked), list(tmp_path.iterdir())) == (1, [])


def test_a_redirection_is_followed_below_what_is_allowed_and_nowhere_else(tmp_path):
    with serving({"/secret/run.sh": [(200, {}, PROGRAM)]}) as (outside, asked_outside):
        answers = {
            "/trf/a.sh": [(302, {"Location": "b.sh"}, b"")],
            "/trf/b.sh": [(200, {}, PROGRAM)],
            "/trf/out.sh": [(307, {"Location": f"{outside}/secret/run.sh"}, b"")],
            "/trf/up.sh": [(301, {"Location": "/secret/run.sh"}, b"")],
            "/trf/loop.sh": [(302, {"Location": "/trf/loop.sh"}, b"")],
        }
        with serving(answers) as (url, _):
            assert fetching(url).fetch(f"{url}/trf/a.sh", tmp_path, Waits().patience) == tmp_path / "a.sh"
            for name, words in (("out", "leads on to"), ("up", "leads on to"), ("loop", "more than 5 times")):
                with pytest.raises(JobFailed, match=words):
                    fetching(url).fetch(f"{url}/trf/{name}.sh", tmp_path, Waits().patience)
    assert asked_outside == []


def test_nobody_waits_for_a_job_that_is_ended(tmp_path):
    with serving({"/trf/run.sh": [(500, {}, b"")], "/trf/b.sh": [(200, {}, PROGRAM)]}) as (url, asked):
        for name, waits in (("run.sh", Waits(cancelled=True)), ("b.sh", Waits(left=0.0))):
            with pytest.raises(JobFailed, match="given up") as caught:
                fetching(url).fetch(f"{url}/trf/{name}", tmp_path, waits.patience)
            assert caught.value.code is ErrorCode.COPY_CANCELLED
    assert len(asked) == 2


def test_what_comes_drop_by_drop_is_left_after_its_time(tmp_path):
    head, until = b"HTTP/1.1 200 X\r\nContent-Length: 900\r\n\r\n", time.monotonic() + 0.3
    patience = Patience(lambda: max(0.0, until - time.monotonic()), lambda seconds: False)
    with answering(head, *[b"x"] * 900, pause=0.05) as url, pytest.raises(JobFailed, match=r"given up after \d bytes"):
        fetching(url).fetch(f"{url}/trf/run.sh", tmp_path, patience)


def test_what_breaks_off_is_tried_again(tmp_path):
    broken = b"HTTP/1.1 200 X\r\nContent-Length: 900\r\n\r\nhalf"
    with answering(broken) as url, pytest.raises(JobFailed, match="tried 3 times"):
        fetching(url).fetch(f"{url}/trf/run.sh", tmp_path, Waits().patience)


def test_a_full_disk_is_told_as_such(small_disk):
    with serving({"/trf/run.sh": [(200, {}, b"x" * 100_000)]}) as (url, _), pytest.raises(JobFailed) as caught:
        fetching(url, most=10**6).fetch(f"{url}/trf/run.sh", small_disk, Waits().patience)
    assert caught.value.code is ErrorCode.NO_LOCAL_SPACE


def test_the_tries_are_three():
    assert transformation.TRIES == 3
