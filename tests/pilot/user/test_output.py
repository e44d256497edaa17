"""Reading a payload's output."""

from __future__ import annotations

import os

import pytest

from pilot.user.output import blocks_of_lines, last_lines, tail


@pytest.mark.parametrize("content", [b"", b"a", b"a\n", b"a\nbc\n\ndef", b"x" * 50, b"\n" * 20])
@pytest.mark.parametrize("block", [1, 3, 8, 1000])
def test_blocks_make_up_the_file(tmp_path, content, block):
    (tmp_path / "f").write_bytes(content)
    assert b"".join(blocks_of_lines(tmp_path / "f", block)) == content


def test_a_line_is_not_taken_apart_unless_it_is_longer_than_a_block(tmp_path):
    (tmp_path / "f").write_bytes(b"one\ntwo\nthree\nf")
    assert list(blocks_of_lines(tmp_path / "f", 6)) == [b"one\n", b"two\n", b"three\n", b"f"]


def test_what_cannot_be_read_is_nothing(tmp_path):
    assert list(blocks_of_lines(tmp_path / "gone")) == []
    assert tail(tmp_path / "gone", 10) == b""
    assert last_lines(tmp_path / "gone") == ""
    os.mkfifo(tmp_path / "pipe")
    assert list(blocks_of_lines(tmp_path / "pipe")) == []
    assert tail(tmp_path / "pipe", 10) == b""


def test_the_last_lines_that_say_something_are_told(tmp_path):
    (tmp_path / "f").write_bytes(b"first\nsecond \x1b[31m\n\n  third\xff\n \nfourth\n\n")
    assert last_lines(tmp_path / "f") == "second  [31m | third\ufffd | fourth"
    assert last_lines(tmp_path / "f", 1) == "fourth"


def test_only_the_end_is_read(tmp_path):
    (tmp_path / "f").write_bytes(b"a" * 100 + b"\nend\n")
    assert tail(tmp_path / "f", 5) == b"\nend\n"
    assert last_lines(tmp_path / "f", 3, most=5) == "end"
