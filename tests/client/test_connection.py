"""The connection against a real HTTP server that answers what each test wants."""

import http.server
import threading

import pytest

from client.connection import Connection
from client.errors import ClientError
from client.place import Place


@pytest.fixture
def answering(tmp_path):
    """Serve one canned answer; keep what was asked."""
    servers = []

    def serve(status, body, **headers):
        class Handler(http.server.BaseHTTPRequestHandler):
            asked = []

            def do_GET(self):
                self.asked.append((self.path, self.headers.get("Authorization")))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        token = tmp_path / "token"
        token.write_text("secret-word\n")
        return Connection(Place(f"http://127.0.0.1:{server.server_port}", token)), Handler.asked

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_answer_is_the_data_of_the_envelope_and_the_token_rides_in_the_header(answering):
    connection, asked = answering(200, b'{"success": true, "message": "", "data": [1, 2]}')
    assert connection.get("job/get_status", job_ids=7) == [1, 2]
    assert asked == [("/api/v1/job/get_status?job_ids=7", "Bearer secret-word")]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b'{"success": false, "message": "name: missing", "data": null}', "name: missing"),
        (403, b'{"success": false, "message": "token unknown", "data": null}', "token unknown.*--token-file"),
        (500, b"<html>oops</html>", "answered 500.*check --url"),
        (200, b"[]", "not as a server of this kind"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words_with_a_remedy(answering, status, body, words):
    connection, _ = answering(status, body)
    with pytest.raises(ClientError, match=words) as caught:
        connection.get("system/is_alive")
    assert "secret-word" not in str(caught.value)


def test_a_redirection_is_not_followed_so_that_nobody_else_sees_the_token(answering):
    _, seen = answering(200, b"{}")
    connection, asked = answering(302, b"", Location="/elsewhere")
    with pytest.raises(ClientError, match="answered 302"):
        connection.get("system/is_alive")
    assert (len(asked), seen) == (1, [])


def test_the_token_stands_before_an_entry_of_netrc(answering, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    connection, asked = answering(200, b'{"success": true, "message": "", "data": 1}')
    connection.get("system/is_alive")
    assert asked[0][1] == "Bearer secret-word"


def test_a_server_that_is_not_there_is_named_with_its_reason():
    with pytest.raises(ClientError, match="http://127.0.0.1:9 cannot be reached: Connection refused.*compass up"):
        Connection(Place("http://127.0.0.1:9", None)).get("system/is_alive")
