"""Files that are exchanged with another program: whole or not at all, and read without trust."""

from __future__ import annotations

import stat

import pytest

from pilot.api import exchange


def test_what_is_written_can_be_read_and_others_may_read_it_too(tmp_path):
    path = tmp_path / "x.json"
    exchange.write_json(path, {"a": [1]})
    assert exchange.read_json(path) == {"a": [1]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["x.json"]


def test_a_full_disk_leaves_what_was_there(small_disk):
    path = small_disk / "x.json"
    exchange.write(path, "before")
    with pytest.raises(OSError, match="No space"):
        exchange.write(path, "x" * 10**6)
    assert path.read_text() == "before"
    assert [one.name for one in small_disk.iterdir()] == ["x.json"]


def test_a_file_that_is_not_there_or_not_whole_says_nothing(tmp_path):
    assert exchange.read(tmp_path / "none") is None
    assert exchange.read_json(tmp_path / "none") is None
    (tmp_path / "half").write_text('{"a": [1, ')
    assert exchange.read_json(tmp_path / "half") is None


@pytest.mark.parametrize("content", [b"\xff\xfe", b"["])
def test_what_is_no_text_or_too_long_is_an_error(tmp_path, monkeypatch, content):
    monkeypatch.setattr(exchange, "LONGEST", 0)
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(OSError, match="longer than 0"):
        exchange.read(tmp_path / "x")
    monkeypatch.setattr(exchange, "LONGEST", 100)
    if content != b"[":
        with pytest.raises(OSError, match="is no text"):
            exchange.read(tmp_path / "x")


def test_removing_what_is_not_there_is_no_failure(tmp_path):
    exchange.remove(tmp_path / "none")
    exchange.remove(tmp_path / "none" / "deeper")
