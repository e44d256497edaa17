"""A straight line through points, from sums that each point adds to: the points themselves are not kept. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """The least squares' line through all points so far: means, and sums of squared deviations from them."""

    points: int = 0
    mean_x: float = 0.0
    mean_y: float = 0.0
    squares_x: float = 0.0
    squares_y: float = 0.0
    products: float = 0.0

    def add(self, x: float, y: float) -> Line:
        """Take one more point."""
        points = self.points + 1
        beside_x, beside_y = x - self.mean_x, y - self.mean_y
        mean_x, mean_y = self.mean_x + beside_x / points, self.mean_y + beside_y / points
        return Line(
            points,
            mean_x,
            mean_y,
            self.squares_x + beside_x * (x - mean_x),
            self.squares_y + beside_y * (y - mean_y),
            self.products + beside_x * (y - mean_y),
        )

    @property
    def is_one(self) -> bool:
        """Say whether the points make a line: they must not all have the same x."""
        return self.squares_x > 0

    @property
    def slope(self) -> float:
        """Answer by how much y grows with x.

        Raises:
            ZeroDivisionError: the points make no line.
        """
        return self.products / self.squares_x

    @property
    def intersect(self) -> float:
        """Answer y where x is 0; raises likewise."""
        return self.mean_y - self.slope * self.mean_x

    @property
    def scatter(self) -> float:
        """Answer the sum of squares of what lies beside the line, in parts of the mean of y; 0 for a mean of 0."""
        beside = max(0.0, self.squares_y - self.products * self.slope)
        return beside / self.mean_y**2 if self.mean_y else 0.0
