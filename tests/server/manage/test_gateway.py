"""A request gets the worker's thread when all of it has arrived, and not before."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from pilot.contract.routes import IS_ALIVE
from server.manage.gateway import BODIES, IN_MEMORY, MUCH, Gateway, environment_of
from tests.server.manage.running import ROOT, Server, environment, free_port, init


class Fields(dict):
    """Headers as the web server gives them; a value may come as a list."""

    def items(self):
        return [
            (name, value) for name, said in super().items() for value in ([said] if isinstance(said, str) else said)
        ]


@dataclass
class Asked:
    """A request as the web server gives it."""

    method: str = "POST"
    path: str = "/a%2Fb%C3%A9"
    query_string: str = "x=%20"
    http_version: str = "1.1"
    scheme: str = "http"
    server: str = "127.0.0.1:25080"
    client: str = "[::1]:4711"
    headers: Fields = field(default_factory=Fields)


@dataclass
class Line:
    """The connection: gives the parts of a body, then what was answered is there."""

    parts: list[bytes]
    pause: float = 0.0
    answer: tuple[int, list[tuple[str, str]], bytes] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            await asyncio.sleep(self.pause)
            yield part

    def response_bytes(self, *answer) -> None:
        self.answer = answer

    def response_file(self, status, headers, path) -> None:
        self.answer = status, headers, Path(path).read_bytes()


def echo(environ, start_response):
    start_response("201 Created", [("X-Of", environ["REMOTE_ADDR"])])
    return [environ["wsgi.input"].read(), b"!"]


def ask(gateway: Gateway, line: Line, asked: Asked | None = None):
    asyncio.run(gateway.__rsgi__(asked or Asked(), line))
    return line.answer


def test_a_whole_request_is_answered_by_the_application():
    gateway = Gateway(echo, body_limit=100)
    assert ask(gateway, Line([b"one ", b"two"])) == (201, [("x-of", "::1")], b"one two!")
    assert ask(gateway, Line([])) == (201, [("x-of", "::1")], b"!")


@pytest.mark.parametrize(
    ("line", "headers", "status", "words"),
    [
        (Line([b"x" * 60, b"x" * 60]), {}, 413, "more than 100 bytes"),
        (Line([b"x"], pause=5.0), {}, 408, "did not arrive within 0.05 s; send it again"),
        (Line([b"state=finish"]), {"content-length": "14"}, 400, "ended after 12 of 14 bytes; send it again"),
    ],
)
def test_what_is_no_whole_request_does_not_reach_the_application(line, headers, status, words):
    gateway = Gateway(lambda *_: pytest.fail("it was called"), body_limit=100, patience=0.05)
    answered, _, content = ask(gateway, line, Asked(headers=Fields(headers)))
    assert (answered, words in content.decode()) == (status, True)


def test_many_large_bodies_at_once_are_refused_and_forgotten():
    gateway = Gateway(echo, body_limit=100)

    async def together() -> list[int]:
        lines = [Line([b"x" * 90, b"x"], pause=0.02) for _ in range(BODIES + 4)]
        await asyncio.gather(*(gateway.__rsgi__(Asked(), line) for line in lines))
        return [line.answer[0] for line in lines if line.answer]

    assert set(asyncio.run(together())) == {201, 503}
    assert ask(gateway, Line([b"x" * 90]))[0] == 201


def test_what_a_large_request_leaves_in_memory_is_looked_for_at_once():
    kept = []

    def ring(environ, start_response):
        def request():  # holds itself, as one of Django's does
            return request, environ

        kept.append(weakref.ref(request))
        return echo(environ, start_response)

    gateway = Gateway(ring, body_limit=2 * MUCH)
    gc.disable()
    try:
        for size in (MUCH - 1, MUCH):
            assert ask(gateway, Line([b"x" * size]))[0] == 201
    finally:
        gc.enable()
    assert kept[1]() is None


def test_a_long_answer_waits_in_a_file_that_has_no_name(tmp_path):
    def long(environ, start_response):
        start_response("200 OK", [("Content-Length", "1"), ("X", "y")])
        return (b"x" * 1000 for _ in range(IN_MEMORY // 1000 + 2))

    gateway = Gateway(long, body_limit=100)
    gateway.take_large(lambda environ: 0, tmp_path)
    size = 1000 * (IN_MEMORY // 1000 + 2)
    assert ask(gateway, Line([])) == (200, [("x", "y"), ("content-length", str(size))], b"x" * size)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_breaks_off_is_none_and_its_generator_is_closed():
    closed = []

    class Broken:
        def __iter__(self):
            yield b"x" * (IN_MEMORY + 1)
            raise ValueError("the row was no row")

        def close(self):
            closed.append(True)

    def broken(environ, start_response):
        start_response("200 OK", [])
        return Broken()

    with pytest.raises(ValueError, match="no row"):
        ask(Gateway(broken, body_limit=100), Line([]))
    assert closed == [True]


def test_work_is_done_beside_requests_again_and_again_also_when_it_failed_once(caplog):
    done = []

    def work():
        done.append(threading.current_thread() is threading.main_thread())
        if len(done) == 1:
            raise OSError("no disk")

    async def serve():
        gateway = Gateway(echo, body_limit=100)
        gateway.do_beside(work, every=0.01)
        gateway.__rsgi_init__(asyncio.get_running_loop())
        async with asyncio.timeout(20):
            while len(done) < 3:
                await asyncio.sleep(0.01)

    asyncio.run(serve())
    assert set(done) == {False}
    assert "work failed: OSError: no disk" in caplog.text


def test_the_environment_is_as_wsgi_has_it():
    headers = Fields({"content-type": "text/plain", "accept": ["a", "b"], "x_forwarded_for": "10.0.0.1", "host": "h"})
    found = environment_of(Asked(headers=headers), b"body")
    assert found["PATH_INFO"].encode("latin-1").decode() == "/a/bé"
    assert (found["SERVER_NAME"], found["SERVER_PORT"], found["REMOTE_ADDR"]) == ("127.0.0.1", "25080", "::1")
    assert (found["CONTENT_TYPE"], found["CONTENT_LENGTH"], found["HTTP_ACCEPT"]) == ("text/plain", "4", "a,b")
    assert not [name for name in found if "FORWARDED" in name or name == "HTTP_CONTENT_LENGTH"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("served") / "home"
    assert init(home).returncode == 0
    server = Server(home, free_port(), workers=1)
    yield server
    assert server.end() == 0


def connect(server: Server, request: str) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    line.sendall(request.replace("\n", "\r\n").encode())
    return line


@pytest.mark.one_python
def test_peers_that_stop_in_the_middle_keep_nobody_waiting(server):
    head = "POST /admin/login/ HTTP/1.1\nHost: localhost\nCookie: csrftoken=a\nContent-Length: 100\n\nuser"
    stuck = [connect(server, head) for _ in range(5)]
    with connect(server, f"GET {IS_ALIVE} HTTP/1.0\nHost: localhost\n\n") as well:
        assert well.recv(12) == b"HTTP/1.0 200"
    for line in stuck:
        line.close()


@pytest.mark.one_python
def test_the_real_web_server_gives_addresses_and_chunks_as_they_are_meant(server):
    head = "Host: localhost\nConnection: close\n"
    with connect(server, f"POST /server/panda/%C3%A9%25 HTTP/1.1\n{head}Accept: application/json\n\n") as line:
        assert "no method 'é%' here" in _all(line)
    secret = (server.home / "pilot.token").read_text().strip()
    chunked = f"{head}Authorization: Bearer {secret}\nAccept: application/json\nTransfer-Encoding: chunked\n\n"
    with connect(server, f"POST /server/panda/getJob HTTP/1.1\n{chunked}9\nsiteName=\n3\nXYZ\n0\n\n") as line:
        assert "queue 'XYZ' is not known here" in _all(line)


MEGABYTES = 200

GRANIAN = """
import os, sys
from granian import Granian
from server.manage.gateway import Gateway

def long(environ, start_response):
    start_response("200 OK", [("X-Worker", str(os.getpid()))])
    return (b"x" * 2**20 for _ in range(int(environ["QUERY_STRING"])))

application = Gateway(long, body_limit=100)
if __name__ == "__main__":
    Granian("long:application", interface="rsgi", address="127.0.0.1", port=int(sys.argv[1]), workers=1).serve()
"""


@pytest.fixture
def long_answers(tmp_path):
    (tmp_path / "long.py").write_text(f"import django; django.setup()\n{GRANIAN}")
    port, path = free_port(), os.pathsep.join((str(ROOT), str(tmp_path)))
    more = {"DJANGO_SETTINGS_MODULE": "server.settings", "PYTHONPATH": path}
    words = [sys.executable, str(tmp_path / "long.py"), str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, env=environment(tmp_path / "home", **more), stdout=log, stderr=log)
    yield port
    process.terminate()
    assert process.wait(20) == 0


@pytest.mark.one_python
def test_a_peer_that_reads_slowly_fills_no_memory_and_holds_up_nobody(long_answers):
    def get(method: str, megabytes: int) -> HTTPResponse:
        line = HTTPConnection("127.0.0.1", long_answers, timeout=20)
        line.request(method, f"/?{megabytes}")
        return line.getresponse()

    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionError):
            worker = get("GET", 1).headers["x-worker"]
            break
        time.sleep(0.1)
    slow = get("GET", MEGABYTES)
    assert len(slow.read(1000)) == 1000
    assert get("GET", 1).read() == b"x" * 2**20
    head = get("HEAD", MEGABYTES)
    assert (head.headers["content-length"], head.read()) == (str(MEGABYTES * 2**20), b"")
    peak = next(line for line in Path(f"/proc/{worker}/status").read_text().splitlines() if line.startswith("VmHWM"))
    before = 1024 * 130  # KiB, of Python with Django
    assert int(peak.split()[1]) < before + 1024 * MEGABYTES // 4
    assert sum(map(len, iter(lambda: slow.read(2**20), b""))) == MEGABYTES * 2**20 - 1000


def _all(line: socket.socket) -> str:
    found = b""
    while part := line.recv(65536):
        found += part
    return found.decode()


def large(line, told, folder, most=1000, patience=30.0, application=echo):
    asked = []
    gateway = Gateway(application, body_limit=100, patience=patience)
    gateway.take_large(lambda environ: asked.append(environ["PATH_INFO"]) or most, folder)
    answer = ask(gateway, line, Asked(headers=Fields({"content-length": str(told)})))
    assert len(asked) == 1
    return answer[0], answer[2].decode()


def test_a_large_body_comes_by_a_file_that_has_no_name(tmp_path):
    folder = tmp_path / "home" / "cache"

    def look(environ, start_response):
        assert (environ["CONTENT_LENGTH"], list(folder.iterdir())) == ("300", [])
        return echo(environ, start_response)

    assert large(Line([b"a" * 150, b"b" * 150]), 300, folder, application=look) == (201, "a" * 150 + "b" * 150 + "!")
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("line", "told", "status", "words"),
    [
        (Line([]), 1001, 413, "the body has 1001 bytes; at most 1000 are taken"),
        (Line([b"a" * 200]), 300, 400, "ended after 200 of 300 bytes"),
        (Line([b"a" * 301]), 300, 400, "ended after 301 of 300 bytes"),
        (Line([b"a"], pause=30.0), 300, 408, "comes too slowly"),
    ],
)
def test_a_large_body_that_is_not_whole_does_not_reach_the_application(tmp_path, line, told, status, words):
    answered, said = large(line, told, tmp_path, patience=0.05, application=lambda *_: pytest.fail("it was called"))
    assert (answered, words in said) == (status, True)


def test_a_large_body_that_may_not_come_is_not_read(tmp_path):
    answered, said = large(Line([b"a"] * 300), 300, tmp_path, most=0)
    assert (answered, said) == (413, "the body has 300 bytes; at most 100 are taken\n")


def test_a_folder_that_is_gone_refuses_large_bodies_for_now(tmp_path):
    gateway = Gateway(echo, body_limit=100)
    gateway.take_large(lambda environ: 1000, tmp_path / "cache")
    (tmp_path / "cache").rmdir()
    status, _, said = ask(gateway, Line([b"a" * 300]), Asked(headers=Fields({"content-length": "300"})))
    assert (status, b"cannot be written: No such file" in said) == (503, True)
