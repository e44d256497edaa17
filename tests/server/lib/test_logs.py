"""Lines of the log."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from server.lib import logs
from server.lib.logs import HIDDEN, Json, Line, about, begin, masked


@pytest.fixture(autouse=True)
def _no_request():
    before = logs._ABOUT.set(None)
    yield
    logs._ABOUT.reset(before)


def record(words, *values, failed=False):
    why = None
    if failed:
        try:
            raise ValueError("with Bearer abcdefgh1234")
        except ValueError:
            why = sys.exc_info()
    return logging.LogRecord("server.x", logging.INFO, __file__, 1, words, values, why)


def test_a_line_says_what_the_request_is_about():
    begin("r-1")
    about(identity="site-a", job=7, attempt=2)
    assert (
        Line()
        .format(record("taken %s", "well"))
        .endswith("INFO server.x: taken well [request=r-1 identity=site-a job=7 attempt=2]")
    )


def test_outside_of_requests_a_line_is_as_it_was_and_nothing_is_noted():
    about(job=7)
    assert Line().format(record("begun")).endswith("INFO server.x: begun")


def test_the_next_request_knows_nothing_of_the_last():
    begin("one")
    about(job=7)
    begin("two")
    assert "job" not in json.loads(Json().format(record("x")))


def test_for_programs_a_line_is_an_object():
    begin("r-1")
    about(job=7, attempt=2)
    said = json.loads(Json().format(record("taken %d", 3, failed=True)))
    assert {name: said[name] for name in ("level", "logger", "message", "request", "job", "attempt")} == {
        "level": "INFO", "logger": "server.x", "message": "taken 3", "request": "r-1", "job": 7, "attempt": 2,
    }  # fmt: skip
    assert said["time"].endswith("+00:00")
    assert "ValueError" in said["exception"]
    assert "abcdefgh1234" not in said["exception"]


@pytest.mark.parametrize("bad", ["", "x" * 65, "a b", "a\nb", "é"])
def test_a_request_gets_a_name_of_ours_where_its_own_is_none(bad):
    first, second = begin(bad), begin(bad)
    assert first != second
    assert bad not in {first, second}


@pytest.mark.parametrize(
    "secret",
    [
        "cps_" + "a1-_" * 8,
        "cpp_12.1800000000.1800003600.0123456789abcdef." + "x" * 43,
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nMIGHAgEA",
    ],
)
@pytest.mark.parametrize("kind", [Line, Json])
def test_what_looks_like_a_secret_is_not_written(secret, kind):
    line = kind().format(record("before %s after", secret))
    assert HIDDEN in line
    assert secret[4:20] not in line
    assert "MIGHAgEA" not in line


def test_stars_stand_for_a_secret_in_bytes_as_many_as_it_had():
    content = b"\xff\xc3\xa9 Bearer abcdefghij, https://ada:geheim@here/ \n"
    assert logs.blotted(content) == b"\xff\xc3\xa9 Bearer **********, https://**********@here/ \n"


def test_passwords_and_what_a_bearer_bears_are_not_written():
    assert masked("amqp://me:pass@host/x Bearer abc12345678 end") == f"amqp://{HIDDEN}@host/x Bearer {HIDDEN} end"
    assert masked("root://host:1094//file and http://h:80/a@b") == "root://host:1094//file and http://h:80/a@b"


def test_nobody_forges_a_line():
    assert "\n" not in Line().format(record("%s", "/a\n2026 ERROR x: forged"))
    begin("r-1")
    about(identity="/CN=a\nforged")
    assert Line().format(record("x")).endswith("x [request=r-1 identity=/CN=a\\nforged]")


@pytest.mark.parametrize(
    ("sign", "written"), [("\x1b", "\\x1b"), ("\x9b", "\\x9b"), ("\u2028", "\\u2028"), ("\t", "\t"), ("ü", "ü")]
)
def test_an_address_does_nothing_to_the_terminal_on_which_the_log_is_read(sign, written):
    assert Line().format(record("%s", f"/a{sign}[2J")).endswith(f"/a{written}[2J")
