"""Files that hold one short text."""

from __future__ import annotations

import os

import pytest

from server.lib.short_files import NoShortText, read_short


def test_a_text_is_read_without_the_blanks_around(tmp_path):
    (tmp_path / "a").write_text("  a token\n")
    assert read_short(str(tmp_path / "a"), most=11) == "a token"


@pytest.mark.parametrize(("content", "words"), [(b"a" * 12, "has more than 11 bytes"), (b"\xc3\xbc", "is no text")])
def test_what_is_no_short_text_is_told(tmp_path, content, words):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(NoShortText, match=f"^{words}$"):
        read_short(str(tmp_path / "a"), most=11)


def test_neither_a_pipe_nor_a_folder_nor_a_device_is_waited_for_or_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(NoShortText, match="^is no file$"):
            read_short(str(path), most=11)
    with pytest.raises((NoShortText, OSError)):
        read_short(str(tmp_path), most=11)
    with pytest.raises(FileNotFoundError):
        read_short(str(tmp_path / "nowhere"), most=11)


def test_a_file_may_be_refused_before_it_is_read(tmp_path):
    (tmp_path / "a").write_text("a")

    def refuse(found):
        raise PermissionError(found.st_size)

    with pytest.raises(PermissionError, match="1"):
        read_short(str(tmp_path / "a"), most=11, check=refuse)
