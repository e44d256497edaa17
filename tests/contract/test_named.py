from __future__ import annotations

import copy
import pickle
import typing
from typing import Any

import pytest

from pilot.contract.named import NamedTuple


class Point(NamedTuple):
    """A point."""

    x: int
    y: int = 0
    marks: tuple[str, ...] = ()

    @property
    def far(self) -> bool:
        """Whether it is."""
        return self.x + self.y > 10

    def moved(self, by: int) -> Point:
        """Answer another one."""
        return self._replace(x=self.x + by)


class Place(Point):
    """A point with a name."""

    def named(self) -> str:
        """Answer it."""
        return f"{self.x}, {self.y}"


class Plain(typing.NamedTuple):
    """What `Point` has to be like."""

    x: int
    y: int = 0
    marks: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("given", "named"),
    [((1,), {}), ((1, 2), {}), ((1, 2, ("a",)), {}), ((1,), {"marks": ("a",)}), ((), {"y": 3, "x": 1})],
)
def test_places_are_given_in_order_or_by_name_and_else_as_declared(given, named):
    point, plain = Point(*given, **named), Plain(*given, **named)
    assert tuple(point) == tuple(plain)
    assert (point.x, point.y, point.marks) == tuple(plain)
    assert point._asdict() == plain._asdict()
    assert repr(point) == repr(plain).replace("Plain", "Point")


@pytest.mark.parametrize(
    ("given", "named"), [((), {}), ((1, 2, (), 4), {}), ((1,), {"x": 2}), ((1,), {"z": 2}), ((), {"y": 2})]
)
def test_what_does_not_fit_is_refused(given, named):
    with pytest.raises(TypeError, match=r"Point takes \(x, y, marks\), not \("):
        Point(*given, **named)


def test_it_is_a_tuple():
    x, *rest = Point(1, 2)
    assert (x, rest) == (1, [2, ()])
    assert Point(1) == (1, 0, ())
    assert {Point(1): "a"}[Point(1)] == "a"
    assert sorted([Point(2), Point(1, 5)]) == [Point(1, 5), Point(2)]
    assert isinstance(Point(1), tuple)


def test_it_tells_its_fields():
    assert (Point._fields, Point._field_defaults) == (Plain._fields, Plain._field_defaults)
    assert Point._make([1, 2, ()]) == Point(1, 2)
    assert Point.__doc__ == "A point."


def test_it_has_methods_and_heirs():
    assert Point(1).moved(10).far
    assert Place(1, 2).named() == "1, 2"
    assert Place(1)._replace(y=4) == Place(1, 4)
    assert type(Place(1).moved(1)) is Place


def test_nothing_of_it_can_be_changed():
    point: Any = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2
    with pytest.raises(AttributeError):
        point.other = 2


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_are_equal(again):
    copied = again(Point(1, marks=("a",)))
    assert (type(copied), copied) == (Point, Point(1, marks=("a",)))
