"""What of a pilot's texts is read: parts, without secrets, and nothing outside its directory."""

from __future__ import annotations

import os

import pytest

from server.monitor import pilotlog
from server.monitor.pilotlog import NoLog, log_files, read_log, stream_log

TOKEN = b"cps_" + b"x1Y2" * 12


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "pilot"
    made.mkdir()
    (made / "stdout").write_bytes(b"0123456789" * 10)
    return made


def test_without_a_start_it_is_the_end(folder):
    window = read_log(str(folder), "stdout", length=5)
    assert (window.start, window.end, window.size, window.text) == (95, 100, 100, "56789")


@pytest.mark.parametrize(
    ("start", "length", "text"),
    [(0, 3, "012"), (98, 50, "89"), (100, 5, ""), (10**9, 5, ""), (-7, 2, "01"), (3, 0, "")],
)
def test_a_part_is_what_there_is_of_it(folder, start, length, text):
    assert read_log(str(folder), "stdout", start=start, length=length).text == text


def test_no_more_is_read_than_a_window_has(folder, monkeypatch):
    monkeypatch.setattr(pilotlog, "MOST", 30)
    assert len(read_log(str(folder), "stdout", start=0, length=10**12).content) == 30


def test_a_character_that_a_window_cuts_is_whole_in_the_next(folder):
    (folder / "stdout").write_bytes("aé".encode() * 3 + b"\xc3")
    found, start = [], 0
    while start < 10:
        said = read_log(str(folder), "stdout", start=start, length=2).as_json()
        found.append(said["text"])
        start = said["end"]
    assert "".join(found) == "aéaéaé\ufffd"
    assert read_log(str(folder), "stdout", start=1, length=1).as_json()["end"] == 2  # it goes on in any case


def test_a_stream_has_it_all_window_by_window(folder, monkeypatch):
    monkeypatch.setattr(pilotlog, "MOST", 30)
    parts = list(stream_log(str(folder), "stdout"))
    assert [len(part) for part in parts] == [30, 30, 30, 10]
    assert b"".join(parts) == b"0123456789" * 10
    monkeypatch.setattr(pilotlog, "MOST_STREAMED", 40)
    assert sum(map(len, stream_log(str(folder), "stdout"))) == 40


def test_a_stream_ends_where_its_file_is_removed(folder, monkeypatch):
    monkeypatch.setattr(pilotlog, "MOST", 30)
    parts = stream_log(str(folder), "stdout")
    assert len(next(parts)) == 30
    (folder / "stdout").unlink()
    assert list(parts) == []


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (b"token is " + TOKEN, TOKEN),
        (b"Authorization: Bearer abcdefgh.ijkl", b"abcdefgh.ijkl"),
        (b"export RUCIO_AUTH_TOKEN=s3cr3tvalue", b"s3cr3tvalue"),
        (b'{"password": "hunter2hunter2"}', b"hunter2hunter2"),
        (b"https://eos/f?X-Amz-Signature=abcdef0123", b"abcdef0123"),
        (b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----", b"MIIB"),
        (b"root://ada:geheim@eos//f", b"geheim"),
    ],
)
def test_what_looks_like_a_secret_is_starred_and_all_else_stays_where_it_was(folder, line, secret):
    (folder / "stderr").write_bytes(b"before\n" + line + b"\nafter")
    window = read_log(str(folder), "stderr")
    assert secret not in window.content
    assert len(window.content) == window.size == len(line) + 13
    assert window.text.startswith("before\n")
    assert window.text.endswith("\nafter")


@pytest.mark.parametrize(
    "line", [b"TOKEN_FILE=/home/pilot/token", b"token = 123456789", b"COMPASS_TOKEN_FILE: ./pass.json"]
)
def test_paths_and_numbers_are_no_secrets(folder, line):
    (folder / "stderr").write_bytes(line)
    assert read_log(str(folder), "stderr").content == line


def test_no_part_of_a_secret_is_shown_at_the_edges_of_a_window(folder):
    (folder / "stderr").write_bytes(b"a" * 50 + b" " + TOKEN + b" " + b"b" * 50)
    for start in range(40, 120, 7):
        shown = read_log(str(folder), "stderr", start=start, length=20).content
        assert set(shown) <= set(b"ab *")


def test_a_link_is_not_followed(folder, tmp_path):
    (tmp_path / "other").write_text("of somebody else")
    (folder / "stderr").symlink_to(tmp_path / "other")
    with pytest.raises(NoLog, match="stderr cannot be read"):
        read_log(str(folder), "stderr")
    (folder / "last-words").hardlink_to(tmp_path / "other")
    with pytest.raises(NoLog, match="no plain file of its own"):
        read_log(str(folder), "last-words")
    assert [file.name for file in log_files(str(folder))] == ["stdout"]
    (tmp_path / "way").symlink_to(folder)
    with pytest.raises(NoLog, match="its directory is not on this machine"):
        read_log(str(tmp_path / "way"), "stdout")


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "job.json", "", "stdout/../../other", "stdout\0"])
def test_no_other_name_is_read(folder, tmp_path, name):
    (tmp_path / "other").write_text("of somebody else")
    (folder / "job.json").write_text("{}")
    with pytest.raises(NoLog, match="is no text of a pilot"):
        read_log(str(folder), name)


def test_what_is_no_file_is_not_waited_for(folder):
    os.mkfifo(folder / "stderr")
    (folder / "last-words").mkdir()
    for name in ("stderr", "last-words"):
        with pytest.raises(NoLog):
            read_log(str(folder), name)


def test_what_is_not_there_is_said(folder, tmp_path):
    with pytest.raises(NoLog, match="there is no stderr"):
        read_log(str(folder), "stderr")
    with pytest.raises(NoLog, match="not on this machine"):
        read_log(str(tmp_path / "nowhere"), "stdout")
    with pytest.raises(NoLog, match="have been removed"):
        read_log("", "stdout")
