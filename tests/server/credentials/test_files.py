"""A file is read when it is the server's alone."""

from __future__ import annotations

import os

import pytest

from server.credentials.files import FileRefused, read


def test_a_file_is_read_anew_each_time(private_file):
    path = private_file("one\n")
    assert read(str(path)) == "one"
    private_file("two", mode=0o400)
    assert read(str(path)) == "two"


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [("a", 0o640, "others may read"), ("a" * 70000, 0o600, "more than 65536 bytes"), ("ü", 0o600, "is no text")],
)
def test_a_file_that_is_no_good_is_refused(private_file, text, mode, words):
    with pytest.raises(FileRefused, match=words):
        read(str(private_file(text, mode=mode)))


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path, words in [("credential", "absolute"), (str(tmp_path / "pipe"), "is no file"), ("/nowhere", "No such")]:
        with pytest.raises(FileRefused, match=words):
            read(path)
    with pytest.raises(FileRefused, match="is no file|Is a directory"):
        read(str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_another_users_file_is_refused(private_file):
    path = private_file("a")
    os.chown(path, 65534, 65534)
    with pytest.raises(FileRefused, match="another user's"):
        read(str(path))
