"""Orders about one job, against a small server that answers as ours does."""

from __future__ import annotations

import http.server
import json
import threading
from urllib.parse import parse_qs

import pytest

from client.cli import main


class Server:
    """``state`` and ``command`` are of job 7; the pilot answers a look at the ``shows``-th question for the state."""

    def __init__(self) -> None:
        self.state, self.command, self.kills, self.shows, self.ends = "running", "", True, 0, False
        self.asked: list[tuple[str, object]] = []

    def answer(self, method, query, body):
        self.asked.append((method, body if body is not None else query))
        if method == "job/kill":
            self.state = "cancelled" if self.kills and "code" in body else self.state
            return [self.kills]
        if method == "job/get_status":
            self.shows -= 1
            if self.shows == 0:
                self.state, self.command = ("finished", self.command) if self.ends else (self.state, "debug")
            return [[self.state, self.command]]
        if method == "job/set_command":
            self.command = body["command"]
        return {"text": "$ ls\nthe end\n"} if method == "job/get_shown" else True


@pytest.fixture
def server(monkeypatch, tmp_path):
    found = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.respond(None)

        def do_POST(self):
            self.respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def respond(self, body):
            path, _, query = self.path.partition("?")
            data = found.answer(path.removeprefix("/api/v1/"), parse_qs(query), body)
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
    yield found
    http_server.shutdown()
    http_server.server_close()


def test_a_job_is_killed_through_its_pilot(server, capsys):
    assert main(["kill", "7"]) == 0
    assert server.asked[0] == ("job/kill", {"job_ids": [7]})
    assert capsys.readouterr().out == "job 7 is running; its pilot ends it when it reports next\n"


def test_a_job_is_killed_at_once_by_its_code(server, capsys):
    assert main(["kill", "7", "--code", "9", "--json"]) == 0
    assert server.asked[0] == ("job/kill", {"job_ids": [7], "code": 9})
    assert json.loads(capsys.readouterr().out) == {"PandaID": 7, "state": "cancelled"}


@pytest.mark.parametrize(
    ("state", "words"),
    [("finished", "job 7 has ended already, it is finished; "), ("notfound", "there is no job 7; ")],
)
def test_a_job_that_cannot_be_killed_says_why(server, capsys, state, words):
    server.kills, server.state = False, state
    assert main(["kill", "7"]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(("words", "mode"), [([], True), (["on"], True), (["off"], False)])
def test_debug_mode_is_switched(server, capsys, words, mode):
    assert main(["job", "debug", "7", *words]) == 0
    assert server.asked == [("job/set_debug_mode", {"job_id": 7, "mode": mode})]
    assert f"switch debug mode {'on' if mode else 'off'}" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "told"), [("softkill", "is told 'softkill'"), ("", "is told nothing more")])
def test_a_pilot_is_told_something(server, capsys, words, told):
    assert main(["job", "tell", "7", words]) == 0
    assert server.asked == [("job/set_command", {"job_id": 7, "command": words})]
    assert told in capsys.readouterr().out


def test_what_a_pilot_shows_is_waited_for(server, capsys):
    server.shows = 3
    assert main(["job", "tell", "7", "debug,tail a.log", "--wait", "2"]) == 0
    assert capsys.readouterr().out == "$ ls\nthe end\n"
    assert [method for method, _ in server.asked] == ["job/set_command", *["job/get_status"] * 3, "job/get_shown"]


def test_a_pilot_that_shows_nothing_is_not_waited_for_any_longer(server, capsys):
    assert main(["job", "tell", "7", "ls", "--wait", "0.05"]) == 1
    assert "the pilot of job 7 has shown nothing in 0.05 s; it reports seldom" in capsys.readouterr().err


def test_a_job_that_ends_before_shows_nothing(server, capsys):
    server.shows, server.ends = 2, True
    assert main(["job", "tell", "7", "ls", "--wait", "2"]) == 1
    assert "job 7 is finished, and has shown nothing before" in capsys.readouterr().err


def test_what_has_no_answer_is_not_waited_for(server, capsys):
    assert main(["job", "tell", "7", "softkill", "--wait", "5"]) == 1
    assert "'softkill' has no answer to wait for; there are tail, ls, ps, du" in capsys.readouterr().err
    assert server.asked == []
