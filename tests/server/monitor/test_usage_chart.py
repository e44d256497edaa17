"""Where the parts of the chart stand."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from server.monitor.usage_chart import BOTTOM, HEIGHT, LEFT, OTHERS, RIGHT, SERIES, TOP, WIDTH, draw, nice_step

FIRST = date(2026, 11, 20)
NEXT = FIRST + timedelta(days=1)


def test_parts_of_a_day_stand_on_each_other_and_fill_what_they_are_worth():
    chart = draw({(FIRST, "a"): 30.0, (FIRST, "b"): 10.0, (NEXT, "b"): 20.0}, ["a", "b"], FIRST, NEXT)
    a, b, c = chart.parts
    assert a.y + a.height == pytest.approx(HEIGHT - BOTTOM) == c.y + c.height
    assert b.y + b.height == pytest.approx(a.y)
    assert (a.height, c.height) == (pytest.approx(3 * b.height), pytest.approx(2 * b.height))
    assert b.y == pytest.approx(TOP)
    assert a.x == b.x < a.x + a.width < c.x
    assert a.words == "2026-11-20 · a: 30.0 core-hours"


def test_names_beyond_the_colours_share_one():
    names = [f"n{n}" for n in range(SERIES + 3)]
    chart = draw({(FIRST, name): 1.0 for name in names}, names, FIRST, FIRST)
    assert [one.name for one in chart.legend] == [*names[:SERIES], OTHERS]
    assert (chart.legend[-1].hours, len(chart.parts)) == (3.0, SERIES + 1)


def test_what_has_no_name_is_called_none():
    assert draw({(FIRST, ""): 1.0}, [""], FIRST, FIRST).legend[0].name == "none"


@pytest.mark.parametrize("count", [1, 14, 366])
def test_all_days_have_their_place_and_a_few_are_written(count):
    last = FIRST + timedelta(days=count - 1)
    chart = draw({(FIRST, "a"): 1.0, (last, "a"): 1.0}, ["a"], FIRST, last)
    assert all(part.x >= LEFT and part.x + part.width <= WIDTH - RIGHT for part in chart.parts)
    assert chart.days[0].words == f"{last.day} {last:%b}"
    assert len(chart.days) <= 8


def test_a_chart_of_nothing_has_a_floor():
    chart = draw({(FIRST, "a"): 0.0}, ["a"], FIRST, FIRST)
    assert [chart.parts, [line.words for line in chart.lines]] == [(), ["0", "1"]]


@pytest.mark.parametrize(
    ("most", "step"), [(0, 1), (0.03, 0.01), (4, 1), (5, 2), (11, 5), (21, 10), (10_900, 5000), (4e6, 1e6)]
)
def test_lines_are_at_round_numbers(most, step):
    assert nice_step(most) == pytest.approx(step)


def test_large_numbers_are_written_in_full_and_small_ones_with_their_decimals():
    words = [line.words for hours in (4e6, 0.03) for line in draw({(FIRST, "a"): hours}, ["a"], FIRST, FIRST).lines]
    assert "4\u202f000\u202f000" in words
    assert "0.03" in words
