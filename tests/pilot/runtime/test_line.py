from __future__ import annotations

import random

import pytest

from pilot.runtime.line import Line


def through(*points):
    line = Line()
    for point in points:
        line = line.add(*point)
    return line


def test_points_on_a_line_give_that_line():
    line = through(*((x, 3.0 * x - 2.0) for x in range(10)))
    assert (line.slope, line.intersect) == (pytest.approx(3.0), pytest.approx(-2.0))
    assert line.scatter == pytest.approx(0.0, abs=1e-12)


def test_what_lies_beside_the_line_is_counted_in_units_of_the_mean():
    line = through((0, 90.0), (1, 110.0), (2, 110.0), (3, 90.0))
    assert line.slope == pytest.approx(0.0)
    assert line.scatter == pytest.approx(4 * 0.1**2)


def test_the_line_is_that_of_the_textbook_sums_also_far_from_zero():
    """Times are seconds since 1970: sums of their squares would have lost what matters."""
    luck = random.Random(7)
    points = [(1.7e9 + 60.0 * n, 2e6 + 5.0 * n + luck.gauss(0, 100)) for n in range(500)]
    line = through(*points)
    places, values = [x - points[0][0] for x, _ in points], [y for _, y in points]
    middle, mean = sum(places) / 500, sum(values) / 500
    slope = sum((x - middle) * (y - mean) for x, y in zip(places, values)) / sum((x - middle) ** 2 for x in places)
    assert line.slope == pytest.approx(slope, rel=1e-6)
    assert line.slope * points[0][0] + line.intersect == pytest.approx(mean - slope * middle, rel=1e-6)


@pytest.mark.parametrize("points", [(), ((1.0, 2.0),), ((1.0, 2.0), (1.0, 3.0))])
def test_points_at_one_place_make_no_line(points):
    assert not through(*points).is_one


def test_no_scatter_is_told_of_values_around_zero():
    assert through((0, -1.0), (1, 1.0), (2, -1.0), (3, 1.0)).scatter == 0.0
