from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.control.tails import open_file
from pilot.realtime.tail import MOST_LINES, READ, Tail, may_be_shared


@pytest.fixture
def path(tmp_path):
    return tmp_path / "payload.stdout"


MADE = []


@pytest.fixture(autouse=True)
def _closed():
    yield
    while MADE:
        MADE.pop().close()


def tail_of(path, behind=10**6):
    MADE.append(Tail(path.parent, path.name, behind, open_file))
    return MADE[-1]


def read(tail, **more):
    """Read all that there is; answer the texts."""
    found = []
    while (piece := tail.read(**more)) is not None:
        found += piece.lines.texts
        tail.sent(piece)
    return found


def test_a_file_that_is_not_there_yet_has_no_lines(path):
    tail = tail_of(path)
    assert tail.read() is None
    path.write_text("one\n")
    assert read(tail) == ["one"]
    tail.close()


def test_a_line_is_told_when_it_is_whole(path):
    path.write_text("one\ntw")
    tail = tail_of(path)
    assert read(tail) == ["one"]
    with path.open("a") as file:
        file.write("o\r\nthree")
    assert read(tail) == ["two"]
    assert read(tail, ended=True) == ["three"]
    assert tail.left() == 0


def test_what_was_not_sent_is_read_again_with_the_same_number(path):
    path.write_text("one\ntwo\n")
    tail = tail_of(path)
    first, again = tail.read(), tail.read()
    assert first == again
    tail.sent(first)
    with path.open("a") as file:
        file.write("three\n")
    assert tail.read().lines.first == 3


@given(
    st.lists(st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=("Cs",)), max_size=9), max_size=9)
)
def test_all_lines_come_once_and_in_order_however_they_are_written(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("tail") / "payload.stdout"
    tail, found = tail_of(path), []
    with path.open("wb", buffering=0) as file:
        for byte in "".join(f"{line}\n" for line in lines).encode():
            file.write(bytes([byte]))
            found += read(tail)
    assert found == lines
    tail.close()


def test_many_lines_come_in_batches(path):
    path.write_text("x\n" * (2 * MOST_LINES + 5))
    tail = tail_of(path)
    sizes = []
    while (piece := tail.read()) is not None:
        sizes.append((piece.lines.first, len(piece.lines.texts)))
        tail.sent(piece)
    assert sizes == [(1, MOST_LINES), (MOST_LINES + 1, MOST_LINES), (2 * MOST_LINES + 1, 5)]


def test_a_line_without_an_end_is_told_in_parts_and_no_letter_is_cut(path):
    path.write_bytes("é".encode() * READ)  # of two bytes each
    tail = tail_of(path, behind=10**7)
    parts = read(tail)
    assert len(parts) == 2
    assert "".join(parts + read(tail, ended=True)) == "é" * READ
    path.write_bytes(b"a" + "é".encode() * READ)
    odd = tail_of(path, behind=10**7)
    assert set("".join(read(odd) + read(odd, ended=True))) == {"a", "é"}


def test_what_a_payload_left_in_one_long_line_is_told_with_no_letter_cut(path):
    path.write_bytes(b"a" + "é".encode() * READ)
    parts = read(tail_of(path, behind=10**7), ended=True)
    assert "".join(parts) == "a" + "é" * READ


def test_a_last_letter_that_is_whole_is_told_with_its_line(path):
    path.write_bytes("é".encode() * (READ // 2))
    assert read(tail_of(path, behind=10**7), ended=True) == ["é" * (READ // 2)]


def test_a_file_that_is_far_ahead_loses_older_lines_and_they_are_counted(path):
    path.write_text("".join(f"line {number}\n" for number in range(1, 100_001)))
    tail = tail_of(path, behind=100_000)
    piece = tail.read()
    assert piece.lines.dropped == piece.lines.first - 1 == tail.lost > 80_000
    assert piece.lines.texts[0] == f"line {piece.lines.first}"
    tail.sent(piece)
    assert tail.read().lines.dropped == 0


def test_of_a_line_without_an_end_it_is_told_that_its_beginning_was_left_out(path):
    path.write_bytes(b"a" * 1_000_000)
    tail = tail_of(path, behind=200_000)
    piece = tail.read(ended=True)
    assert (piece.lines.dropped, piece.lines.first, tail.lost) == (1, 2, 1)


def test_a_hole_in_a_file_is_not_read_through(path):
    path.write_bytes(b"one\n")
    tail = tail_of(path, behind=200_000)
    assert read(tail) == ["one"]
    os.truncate(path, 1 << 42)  # to read so much takes a quarter of an hour
    piece = tail.read(ended=True)
    assert (piece.lines.dropped, piece.end) == (1, 1 << 42)


def test_what_a_service_refuses_is_counted_too(path):
    path.write_text("one\ntwo\n")
    tail = tail_of(path)
    tail.refused(tail.read())
    assert tail.lost == 2
    with path.open("a") as file:
        file.write("three\n")
    assert (tail.read().lines.first, tail.read().lines.dropped) == (3, 2)


def test_a_file_that_was_emptied_is_read_from_its_beginning(path):
    path.write_text("one\ntwo\n")
    tail = tail_of(path)
    read(tail)
    path.write_text("new\n")
    assert (tail.read().lines.first, tail.read().lines.texts) == (3, ["new"])


def test_no_link_leads_out_of_the_jobs_directory(tmp_path):
    root, secret = tmp_path / "job", tmp_path / "secret"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/log").write_text("secret\n")
    root.mkdir()
    secret.write_text("secret\n")
    (root / "link").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    for name in ("link", "folder/log"):
        assert Tail(root, name, 10**6, open_file).read(ended=True) is None


def test_a_file_on_no_disk_of_this_machine_may_be_shared():
    with Path("/proc/self/stat").open() as file:
        assert may_be_shared(file.fileno())
