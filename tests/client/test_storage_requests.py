"""``compass data``: what is asked of the server, and how its answers look."""

from __future__ import annotations

import http.server
import json
import threading
from urllib.parse import parse_qs

import pytest
from rich.console import Console

from client.cli import main
from client.storage_requests import request, requests

LINE = {
    "id": 7, "kind": "replicate", "endpoint": "FAR", "state": "queued", "files": 3, "by": "anna",
    "states": {"queued": 2, "failed": 1}, "words": "no route", "silent_since": "2026-11-22T10:00:00+00:00",
    "acts": ["try_again", "give_up"],
}  # fmt: skip
PAGE = {
    **LINE,
    "explained": ["FAR has not answered for 2.0 d"],
    "bound": {"seconds": 5184000, "told_by": "the default"},
    "done": [{"act": "give_up", "files": 3, "at": "2026-11-22T10:00:00+00:00", "by": "anna", "why": "it was sold"}],
    "transfers": [{"lfn": "a.raw", "state": "queued", "tries": 1, "allowed": 5, "since": "2026-11-22", "words": ""}],
    "moves": [{"lfn": "a.raw", "after": "queued", "at": "2026-11-22", "by": "dataservice.submit", "words": ""}],
}


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A small server that notes what it is asked, and answers as ours does."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, query = self.path.partition("?")
            asked.append((path, parse_qs(query)))
            self.respond([LINE] if path.endswith("list_requests") else PAGE)

        def do_POST(self):
            asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.respond({"files": 3, "request": PAGE})

        def respond(self, data):
            text = json.dumps({"success": True, "message": "", "data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    http_server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    monkeypatch.setenv("COMPASS_URL", f"http://127.0.0.1:{http_server.server_port}")
    monkeypatch.setenv("COMPASS_HOME", str(tmp_path / "home"))
    yield asked
    http_server.shutdown()
    http_server.server_close()


def shown(what) -> str:
    console = Console(width=200)
    with console.capture() as text:
        console.print(what)
    return text.get()


@pytest.mark.parametrize(
    ("words", "address", "said"),
    [
        (["requests"], "list_requests", {"limit": ["50"]}),
        (["requests", "--state", "failed", "--limit", "5"], "list_requests", {"limit": ["5"], "state": ["failed"]}),
        (["explain", "7"], "get_request", {"request_id": ["7"]}),
        (["release", "7"], "release_request", {"request_id": 7}),
        (["try-again", "7", "--why", "it is back"], "try_request_again", {"request_id": 7, "why": "it is back"}),
        (["give-up", "7", "--why", "it was sold"], "give_request_up", {"request_id": 7, "why": "it was sold"}),
    ],
)
def test_each_command_asks_for_one_thing(server, capsys, words, address, said):
    assert main(["data", *words]) == 0
    assert server == [(f"/api/v1/data/{address}", said)]
    assert capsys.readouterr().out


def test_what_was_done_is_told_in_a_line_and_to_programs_as_json(server, capsys):
    main(["data", "give-up", "7", "--why", "it was sold"])
    assert capsys.readouterr().out == "replicate 7: 3 files given up; it is queued\n"
    main(["data", "give-up", "7", "--why", "it was sold", "--json"])
    assert json.loads(capsys.readouterr().out)["files"] == 3


def test_nobody_gives_up_without_a_reason(capsys):
    assert main(["data", "give-up", "7"]) == 2
    assert "--why" in capsys.readouterr().err


def test_requests_are_listed_with_what_keeps_them():
    text = shown(requests([LINE]))
    for words in ("replicate", "FAR silent", "queued 2", "failed 1", "no route"):
        assert words in text
    assert "no such request" in shown(requests([]))


def test_a_request_is_explained_with_its_bound_and_what_can_be_done():
    text = shown(request(PAGE))
    for words in (
        "replicate 7 at FAR", "FAR has not answered for 2.0 d", "bound: 60 d (the default)",
        "compass data give-up 7", "it was sold", "a.raw", "1/5", "dataservice.submit",
    ):  # fmt: skip
        assert words in text
