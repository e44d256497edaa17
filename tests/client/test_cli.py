"""The command line, against a small server that answers in the envelope."""

import http.server
import json
import re
import threading

import pytest

from client.cli import main

ANSWERS = {
    "production/get_task": {"name": "first"},
    "production/list_tasks": [],
    "job/get_description": [None],
    "job/get_log": {"text": "one\ntwo\n", "words": "", "name": "payload.stdout", "names": ["payload.stdout"]},
    "production/define_task": {"name": "made"},
    "production/move_task": {"name": "moved"},
}


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Answer what ANSWERS says; keep what was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(None)

        def do_POST(self):
            self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def answer(self, body):
            path, _, query = self.path.partition("?")
            asked.append((path.removeprefix("/api/v1/"), query, body))
            text = json.dumps({"success": True, "message": "", "data": ANSWERS[asked[-1][0]]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    found = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    monkeypatch.setenv("COMPASS_URL", f"http://127.0.0.1:{found.server_port}")
    monkeypatch.setenv("COMPASS_HOME", str(tmp_path / "home"))
    yield asked
    found.shutdown()
    found.server_close()


@pytest.mark.parametrize(
    ("words", "method", "query"),
    [
        (["task", "show", "first"], "production/get_task", "name=first"),
        (["task", "show", "first", "--limits"], "production/get_task", "name=first"),
        (["task", "list", "--limit", "3"], "production/list_tasks", "limit=3"),
        (["job", "log", "7", "--file", "payload.stderr"], "job/get_log", "job_id=7&file=payload.stderr"),
    ],
)
def test_a_question_with_json_is_answered_as_the_server_does(server, capsys, words, method, query):
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ANSWERS[method]
    assert server == [(method, query, None)]


def test_a_task_is_defined_from_a_file_and_started_if_asked(server, tmp_path, capsys):
    (tmp_path / "task.json").write_text('{"name": "first"}')
    assert main(["task", "create", str(tmp_path / "task.json"), "--start", "--json"]) == 0
    assert server == [("production/define_task", "", {"definition": {"name": "first"}, "start": True})]


def test_a_move_says_where_to_and_why(server, capsys):
    assert main(["task", "move", "first", "paused", "--words", "lunch", "--json"]) == 0
    assert server[0][2] == {"name": "first", "to": "paused", "words": "lunch"}


def test_a_log_is_printed_as_it_is(server, capsys):
    assert main(["job", "log", "7"]) == 0
    assert capsys.readouterr().out == "one\ntwo\n"


def test_a_job_that_is_not_there_is_told_in_one_line_and_in_json(server, capsys):
    assert main(["job", "show", "9"]) == 1
    assert capsys.readouterr().err == "compass: there is no job 9; see 'compass task show' for the jobs of a task\n"
    assert main(["job", "show", "9", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"] == "there is no job 9"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "'frobnicate'.*compass --help"),
        (["job", "show", "seven"], "'seven'.*compass job show --help"),
        (["demo", "--runs", "0"], "--runs is 0; give 1 or more"),
        (["task"], "VERB.*compass task --help"),
        (["down", "--js"], "--js.*--help"),
        (["--vers"], "--help"),
        ([], "COMMAND.*compass --help"),
    ],
)
def test_words_that_are_not_understood_are_named_in_one_line_with_status_2(capsys, words, said, monkeypatch, tmp_path):
    monkeypatch.setenv("COMPASS_HOME", str(tmp_path))
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(said, error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "line 1"),
        (b"nothing", "line 1"),
        (b"\xff\x00", "is no JSON text"),
        (b"[" * 100_000, "is no JSON text"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_definition_that_cannot_be_read_is_named_with_its_line(server, capsys, tmp_path, text, said):
    file = tmp_path / "task.json"
    if text is not None:
        file.write_bytes(text)
    assert main(["task", "create", str(file)]) == 1
    error = capsys.readouterr().err
    assert str(file) in error
    assert said in error
    assert server == []


def test_down_without_a_system_says_so_and_harms_nothing(capsys, monkeypatch, tmp_path):
    assert main(["down", "--home", str(tmp_path / "none")]) == 0
    assert "no system was up" in capsys.readouterr().out
