from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.broker.frames import LARGEST, Frame, NotStomp, Reader, write

WORDS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=20)


@given(st.dictionaries(WORDS, WORDS, max_size=4), st.binary(max_size=40), st.integers(1, 7))
def test_what_is_written_is_read_however_it_is_cut(headers, body, cut):
    headers.pop("content-length", None)
    sent = write(Frame("MESSAGE", headers, body)) + b"\n\r\n" + write(Frame("RECEIPT"))
    reader, found = Reader(), []
    for at in range(0, len(sent), cut):
        found += reader.feed(sent[at : at + cut])
    message, receipt = found
    assert (message.command, message.body, receipt.command) == ("MESSAGE", body, "RECEIPT")
    assert {name: message.headers[name] for name in headers} == headers


def test_a_body_without_its_length_ends_at_a_zero():
    assert Reader().feed(b"MESSAGE\nid:1\n\nhello\0\n") == [Frame("MESSAGE", {"id": "1"}, b"hello")]


def test_line_ends_of_two_letters_are_understood():
    assert Reader().feed(b"CONNECTED\r\nversion:1.2\r\n\r\n\0") == [Frame("CONNECTED", {"version": "1.2"})]


def test_of_a_header_that_is_said_twice_the_first_counts():
    assert Reader().feed(b"MESSAGE\nfoo:1\nfoo:2\n\n\0")[0].headers == {"foo": "1"}


def test_escapes_mean_what_the_protocol_says():
    assert Reader().feed(b"MESSAGE\na\\cb:x\\ny\\\\n\\r\n\n\0")[0].headers == {"a:b": "x\ny\\n\r"}


def test_a_greeting_knows_no_escapes():
    assert write(Frame("CONNECT", {"passcode": "a:b\\c"})) == b"CONNECT\npasscode:a:b\\c\n\n\0"
    with pytest.raises(ValueError, match="line's end"):
        write(Frame("CONNECT", {"passcode": "a\nlogin:admin"}))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no command"),
        (b"MESSAGE\nno header\n\n\0", "no header"),
        (b"MESSAGE\na:\\t\n\n\0", "escape"),
        (b"MESSAGE\na:\xff\n\n\0", "no text"),
        (b"MESSAGE\ncontent-length:-1\n\n\0", "content-length '-1'"),
        (b"MESSAGE\ncontent-length:99999999\n\n\0", "99999999 bytes"),
        (b"MESSAGE\ncontent-length:1\n\nab\0", "does not end"),
        (b"MESSAGE\nid:1\n\0", "blank line"),
        (b"M" * (LARGEST + 1), "more than"),
    ],
)
def test_what_is_no_frame_is_refused(content, words):
    with pytest.raises(NotStomp, match=words):
        Reader().feed(content)
