"""The work list, as it is written and as ranks read it."""

from __future__ import annotations

import stat

import pytest

from pilot.hpc.worklist import COMMANDS, BadWorkList, Command, Line, WorkList, lines_of, write
from tests.pilot.hpc.lists import head

LONG = "x" * 100_000


def line(number):
    return Line(number, 1, f"/jobs/{'ü' * number}", {"memory": 3}, 5.0, 1.0)


@pytest.fixture
def written(tmp_path):
    lines = [line(1), line(200), line(3)]
    commands = [Command((f"program-{number}", LONG, "ü\n"), {"A": str(number)}) for number in range(3)]
    return write(tmp_path, head(), lines, commands), lines, commands


def test_each_line_and_command_is_read_as_it_was_written(written):
    path, lines, commands = written
    works = WorkList(path)
    assert works.head.lines == 3
    assert [works.line(number) for number in range(3)] == lines
    assert [works.command(number) for number in range(3)] == commands


def test_no_arguments_make_the_list_long(written):
    assert written[0].stat().st_size < len(LONG)


def test_nobody_else_can_read_it(written):
    path, *_ = written
    for each in (path, *(path.parent / COMMANDS).iterdir()):
        assert stat.S_IMODE(each.stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", [1, 100, 10_000_000])
def test_one_that_is_not_whole_is_refused(written, cut):
    path, *_ = written
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(BadWorkList):
        WorkList(path)


def test_one_of_another_version_is_refused(tmp_path):
    path = write(tmp_path, head(version=99), [line(1)], [])
    with pytest.raises(BadWorkList, match="another version"):
        WorkList(path)


def test_a_line_or_a_command_that_is_not_there_is_refused(written):
    path, *_ = written
    works = WorkList(path)
    for read in (works.line, works.command):
        with pytest.raises(BadWorkList):
            read(7)


def test_each_rank_has_its_line_and_where_they_take_turns_each_so_many_th():
    assert [list(lines_of(rank, 2, head(lines=2))) for rank in range(3)] == [[0], [1], []]
    assert [list(lines_of(rank, 2, head(lines=5, turns=True))) for rank in range(2)] == [[0, 2, 4], [1, 3]]
