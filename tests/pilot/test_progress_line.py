from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios

import pytest

from pilot.api.staged import FileResult, Progress, Results, State
from pilot.contract.job import FileSpec, Role
from pilot.progress_line import ProgressLine, drawn, line_of, printable, size_of, summary

FILE = FileSpec("a", Role.INPUT, "s")
HALF = Progress(4, 1, 0, 1000, 500, ("b", "c"), 2.0)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_goes_by_bytes():
    assert drawn(HALF, 80) == "[##########..........] 1/4 files 500 B/1 kB 250 B/s 2 s b c"


def test_without_sizes_it_goes_by_files():
    assert drawn(Progress(4, 1, 1, None, 7, (), 0.0), 80) == "[##########..........] 1/4 files, 1 failed 7 B 0 s"


def test_what_has_not_moved_has_no_rate():
    assert drawn(Progress(1, 0, 0, 1000, 0, ("a",), 12.3), 80) == "[....................] 0/1 files 0 B/1 kB 12 s a"


def test_at_the_end_it_is_full_though_a_file_failed():
    assert drawn(Progress(2, 1, 1, 1000, 500, (), 1.0), 80).startswith("[####################]")


def test_more_than_was_registered_makes_it_no_longer():
    assert drawn(Progress(2, 0, 0, 10, 500, ("a",), 1.0), 80).startswith("[####################]")


def test_it_goes_by_the_terminal_that_it_is_drawn_on():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    with os.fdopen(theirs, "w") as stream:
        ProgressLine(stream).show(HALF)
        assert os.read(ours, 1000).decode() == f"\r\x1b[K{drawn(HALF, 29)}"
    os.close(ours)


@pytest.mark.parametrize("width", [0, 1, 20, 40])
def test_it_is_no_wider_than_the_terminal(width):
    assert len(drawn(HALF, width)) <= width


def test_a_terminal_is_drawn_to_when_something_is_new_and_cleared():
    terminal = Terminal()
    line = ProgressLine(terminal, 60)
    for _ in range(3):
        line.show(HALF)
    line.clear()
    line.clear()
    assert terminal.getvalue() == f"\r\x1b[K{drawn(HALF, 59)}\r\x1b[K"


def test_without_a_terminal_there_is_no_line():
    stream = io.StringIO()
    line = ProgressLine(stream, 60)
    line.show(HALF)
    line.clear()
    assert stream.getvalue() == ""
    assert not line.is_seen


def test_a_terminal_that_is_gone_ends_the_line_and_nothing_else():
    class Gone(Terminal):
        def write(self, text):
            raise OSError("gone")

    line = ProgressLine(Gone(), 60)
    line.show(HALF)
    assert not line.is_seen


def test_a_line_says_what_became_of_a_file():
    well = FileResult(FILE, State.DONE, size=1500, seconds=0.5, tool="xrdcp", target="/in/a")
    assert line_of(well) == "s:a: 1.5 kB in 0.50 s by xrdcp, /in/a"
    failed = FileResult(FILE, State.FAILED, 1331, "a: gone", attempts=3)
    assert line_of(failed) == "s:a: FAILED after 3 tries, error 1331: gone"
    assert line_of(FileResult(FILE, State.CANCELLED, 1912, "x")) == "s:a: given up"


def test_nothing_in_a_name_moves_the_cursor():
    assert printable("a\x1b[2Jb\n") == "a?[2Jb?"


def test_the_last_line_counts():
    results = Results(
        [
            FileResult(FILE, State.DONE, size=2_500_000),
            FileResult(FILE, State.FAILED, 1331),
            FileResult(FILE, State.CANCELLED, 1912),
        ]
    )
    assert summary(results, 3.21) == "1 of 3 files, 2.5 MB in 3.2 s, 1 failed, 1 given up"
    assert summary(Results(results[:1]), 0) == "1 of 1 files, 2.5 MB in 0.0 s"


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1 MB"), (4_200_000_000, "4.2 GB"), (10**18, "1e+03 PB")],
)
def test_sizes_are_written_in_three_digits(size, words):
    assert size_of(size) == words
