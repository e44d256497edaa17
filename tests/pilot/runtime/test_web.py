"""Sessions, with real web servers of this machine: nothing of the environment is heeded, the settings are."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from pilot.runtime.web import session
from pilot.settings import Server


@contextlib.contextmanager
def listening(address="127.0.0.1"):
    """A web server that keeps what it was asked, and with which headers."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer((address, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server.server_address[1], asked
        server.shutdown()
        thread.join()


def test_neither_a_proxy_of_the_environment_nor_a_login_of_the_home_is_used(monkeypatch, tmp_path):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("no_proxy", "")
    with listening() as (port, asked), session(Server()) as made:
        assert made.get(f"http://127.0.0.1:{port}/x", timeout=60).status_code == 200
    ((path, headers),) = asked
    assert path == "/x"
    assert "Authorization" not in headers


@pytest.mark.parametrize("version", ["auto", "4"])
def test_the_web_proxy_of_the_settings_is_used(version):
    with listening() as (port, asked), session(Server(web_proxy=f"http://127.0.0.1:{port}"), version) as made:
        assert made.get("http://panda.example:25080/x", timeout=60).status_code == 200
    assert asked[0][0] == "http://panda.example:25080/x"


@pytest.fixture
def two_ways(monkeypatch):
    """A server named ``both`` that has an address of each version, of which that of version 6 leads nowhere."""
    with listening() as (port, _), contextlib.ExitStack() as opened:
        try:
            full = opened.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6, backlog=0))
        except OSError as none:
            pytest.skip(f"not tested: this machine has no address of version 6: {none}")
        for _ in range(3):  # nobody accepts them; whoever comes later hears nothing
            waiting = opened.enter_context(socket.socket(socket.AF_INET6))
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        places = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        ask = socket.getaddrinfo
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *more, **named: places if host == "both" else ask(host, *more, **named)
        )
        yield f"http://both:{port}/x"


def test_a_version_that_leads_nowhere_costs_its_time_unless_the_other_is_chosen(two_ways):
    began = time.monotonic()
    with session(Server(), "4") as made:
        assert made.get(two_ways, timeout=30.0).status_code == 200
    assert time.monotonic() - began < 30.0
    began = time.monotonic()
    with session(Server(), "auto") as made:
        assert made.get(two_ways, timeout=2.0).status_code == 200
    assert time.monotonic() - began > 2.0
    with session(Server(), "6") as made, pytest.raises(requests.ConnectionError):
        made.get(two_ways, timeout=0.2)


def test_the_authorities_of_the_settings_are_used():
    assert session(Server(authorities="/etc/grid-security")).verify == "/etc/grid-security"
    assert session(Server()).verify is True
