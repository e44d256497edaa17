"""Lists of raw files and of runs are read line by line, and each slip names its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.production.raw_lists import RawLine, read_raw_lines, read_run_numbers


def one(line, **more):
    (found,) = read_raw_lines(line, **more)
    return found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("raw/2016/cdr11001-278473.raw", RawLine(278473, 11001, "cdr11001-278473.raw", "raw/2016")),
        ("278473, raw/cdr11001-278473.raw, 120", RawLine(278473, 11001, "cdr11001-278473.raw", "raw", 120)),
        ("raw/cdr1-2.raw,0,33,md5:0123456789abcdef0123456789abcdef # empty",
         RawLine(2, 1, "cdr1-2.raw", "raw", 0, 33, "md5:0123456789abcdef0123456789abcdef")),
        ("raw/cdr1-2.raw, -1, -1", RawLine(2, 1, "cdr1-2.raw", "raw")),
    ],
)  # fmt: skip
def test_a_line_names_a_file_and_what_is_known_of_it(line, found):
    assert one(line) == found


def test_what_stands_before_the_storages_folders_is_taken_away():
    home = "root://eos.example.org//eos/"
    assert one(f"{home}raw/cdr1-2.raw", home=home).dataset == "raw"
    with pytest.raises(ValueError, match="line 1, 'raw/cdr1-2.raw': it does not begin with"):
        one("raw/cdr1-2.raw", home=home)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("raw/mDST-1-2-3-4.root", "not the name of a raw file"),
        ("raw/cdr1-.raw", "not the name of a raw file"),
        ("cdr1-2.raw", "it has no folder"),
        ("a/" * 200 + "cdr1-2.raw", "longer than 400 letters"),
        ("/raw/cdr1-2.raw", "outside the storage"),
        ("root://host//raw/cdr1-2.raw", "outside the storage"),
        ("raw/../../cdr1-2.raw", "cannot be a folder"),
        ("3, raw/cdr1-2.raw", "it says run 3, and its file is one of run 2"),
        ("raw/cdr1-0.raw", "are at most"),
        (f"raw/cdr1-{2**31}.raw", "are at most"),
        ("raw/cdr1-2.raw, many", "'many' is no number of events"),
        ("raw/cdr1-2.raw, -2", "'-2' is no number of events"),
        (f"raw/cdr1-2.raw, 1, {2**63}", "is no number of bytes"),
        ("raw/cdr1-2.raw, 1, 1, crc:1", "'crc:1' is no checksum"),
        ("raw/cdr1-2.raw, 1, 1, md5:00000000", "'md5:00000000' is no checksum"),
        ("raw/cdr1-2.raw, 1, 1, adler32:0000000000", "is no checksum"),
        ("9" * 5000 + ", raw/cdr1-2.raw", "longer than 400 letters"),
        ("\u0663, raw/cdr1-3.raw", "it has no folder"),
        ("raw/cdr1-2.raw, 1, 1, md5:00000000, 7", "give 'raw/2016/cdr11001-278473.raw', or"),
    ],
)
def test_a_line_that_is_something_else_is_named(line, words):
    with pytest.raises(ValueError, match="^line 2, ") as wrong:
        list(read_raw_lines(f"\n{line}"))
    assert words in str(wrong.value)


def test_runs_are_numbers_and_ranges():
    assert read_run_numbers("7, 3-5 # these\n\n1") == (1, 3, 4, 5, 7)


@pytest.mark.parametrize("text", ["1\n1", "1-3 2", "x", "5-3", "0", f"{2**31}", "1-200000", "1.5", "-1"])
def test_what_is_no_list_of_runs_is_refused(text):
    with pytest.raises(ValueError, match="^line [12]: "):
        read_run_numbers(text)


def test_more_runs_than_a_task_can_have_are_refused_before_they_are_counted_up():
    ranges = "\n".join(f"{first}-{first + 99_999}" for first in range(1, 2**31 - 100_000, 100_000))
    with pytest.raises(ValueError, match="^line 2: these are more than 100000 runs; make several tasks"):
        read_run_numbers(ranges)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(text):
    for read in (lambda: list(read_raw_lines(text)), lambda: read_run_numbers(text)):
        words = "line "
        try:
            read()
        except ValueError as wrong:
            words = str(wrong)
        assert words.startswith("line ")
