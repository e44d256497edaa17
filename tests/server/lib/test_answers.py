"""Who is asked over HTTPS may linger wherever it likes: nobody is held up by it."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading

import pytest

from server.lib.answers import Bounds, NoAnswer, get, post
from tests.services.authority import Authority

#: Pieces that are sent one after the other, and seconds between two: with all of them an answer would be whole.
PIECES, PAUSE = 600, 0.05
QUICK = Bounds(100, patience=30.0, longest=0.3)
SLOW = Bounds(100, patience=30.0, longest=30.0)
HEAD = b"HTTP/1.1 200 OK\r\n"


def _read(line):
    """Read a whole question: what is left unread when a line is closed breaks the answer off."""
    with line.makefile("rb") as file:
        lines = list(iter(file.readline, b"\r\n"))
        size = sum(int(one.split()[1]) for one in lines if one.lower().startswith(b"content-length:"))
        return b"".join(lines) + file.read(size)


class Lingerer:
    """Answers one question: first at once, then a byte at a time."""

    def __init__(self, authority):
        self.authority = authority
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.authority.issue("localhost"))
        self._listens = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://localhost:{self._listens.getsockname()[1]}/a"
        self._over, self._thread, self.asked = threading.Event(), None, b""

    def answer(self, at_once, slowly=b"", *, encrypted=True):
        self._thread = threading.Thread(target=self._serve, args=(at_once, slowly, encrypted), daemon=True)
        self._thread.start()

    def _serve(self, at_once, slowly, encrypted):
        line, _ = self._listens.accept()
        try:
            if encrypted:
                line = self._context.wrap_socket(line, server_side=True)
                self.asked = _read(line)
            line.sendall(at_once)
            for _ in range(PIECES if slowly else 0):
                if self._over.wait(PAUSE):
                    break
                line.sendall(slowly)
        except OSError:
            return  # the other side hung up
        finally:
            line.close()

    def close(self):
        self._over.set()
        if self._thread:
            self._thread.join(30)
        self._listens.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "own")


@pytest.fixture
def lingerer(authority):
    made = Lingerer(authority)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("at_once", "slowly", "encrypted"),
    [
        (b"\x16\x03\x03\x3f\xff", b"\0", False),
        (HEAD, b"X-More: yes\r\n", True),
        (HEAD + b"X-Long: ", b"x", True),
        (HEAD + b"Content-Length: 90\r\n\r\n", b"x", True),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", True),
        (HEAD + b"\r\n", b"x", True),
    ],
    ids=["handshake", "lines", "one long line", "body", "pieces", "body without a length"],
)
def test_who_answers_byte_by_byte_is_given_up(lingerer, at_once, slowly, encrypted):
    lingerer.answer(at_once, slowly, encrypted=encrypted)
    with pytest.raises(NoAnswer, match="^TimeoutError$"):
        get(lingerer.address, QUICK, authorities=lingerer.authority.file)


@pytest.mark.parametrize("size", [2, 50_000])
def test_an_answer_is_told_whatever_its_status_and_followed_nowhere(lingerer, size):
    lingerer.answer(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    found = get(lingerer.address, SLOW, authorities=lingerer.authority.file)
    assert (found.status, len(found.body)) == (302, min(size, 101))


@pytest.mark.parametrize("size", [100, 101, 5000])
def test_of_a_long_answer_one_byte_more_is_told_than_was_wanted(lingerer, size):
    packed = gzip.compress(b"x" * size)
    lingerer.answer(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
    assert get(lingerer.address, SLOW, authorities=lingerer.authority.file).body == b"x" * min(size, 101)


def test_a_form_is_sent_and_signed_by_nothing_but_what_it_was_told(lingerer, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login a password b")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    lingerer.answer(HEAD + b"Content-Length: 0\r\n\r\n")
    assert post(lingerer.address, SLOW, fields={"a": "b"}, authorities=lingerer.authority.file).body == b""
    assert lingerer.asked.startswith(b"POST /a ")
    assert b"authorization" not in lingerer.asked.lower()


def test_who_is_not_vouched_for_or_hangs_up_has_not_answered(lingerer):
    lingerer.answer(HEAD + b"Content-Length: 9\r\n\r\nno")
    with pytest.raises(NoAnswer, match="^SSLError$"):
        get(lingerer.address, SLOW)
    lingerer.answer(HEAD + b"Content-Length: 9\r\n\r\nno")
    with pytest.raises(NoAnswer, match="Error$") as caught:
        get(lingerer.address, SLOW, authorities=lingerer.authority.file)
    assert str(caught.value) != "TimeoutError"
