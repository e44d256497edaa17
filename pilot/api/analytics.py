"""Fits straight lines to tables such as prmon's, to see whether a program's memory grows. Under semantic versioning.

The names are those of PanDA's pilot. Nothing but the standard library is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from pilot.contract.codes import ErrorCode
from pilot.errors import PilotError
from pilot.runtime.line import Line

__all__ = ["Analytics", "BadTable", "Fit"]

#: A line is fitted to no fewer points.
FEWEST = 8
#: From so many points on, the ends are cut off where that makes the fit better, and not by their number.
MANY = 100
#: The points at both ends that a short table is fitted without: memory is taken there, and given back.
FIRST, LAST = 5, 2
#: The part of all points that cutting ends off leaves in any case.
LEAST_LEFT = 2 / 3


class BadTable(PilotError):
    """A table cannot be read, or has no such column."""

    code = ErrorCode.FILE_HANDLING


@dataclass(frozen=True)
class Fit:
    """The line ``y = slope * x + intersect`` through ``count`` points.

    ``chi2`` is the sum of ``((y - line) / line)**2`` over them: 0.01 for one point that lies a tenth beside. It is 0
    where the line crosses zero at a point, since nothing can be said there.
    """

    slope: float
    intersect: float
    chi2: float
    count: int

    def value(self, x: float) -> float:
        """Answer the line's value at ``x``."""
        return self.slope * x + self.intersect


class Analytics:
    """Fits lines, and remembers the last one."""

    def __init__(self) -> None:
        self._fit: Optional[Fit] = None

    def fit(self, x: Sequence[float], y: Sequence[float], model: str = "linear") -> Fit:
        """Fit a line by least squares.

        Args:
            x: Where the values are; n of them, not all the same.
            y: The values; n of them.
            model: ``linear``; there is no other.

        Raises:
            ValueError: there is no such model, or through these points goes no line.
        """
        if model != "linear":
            raise ValueError(f"model: {model!r} is not known; there is linear")
        if len(x) != len(y):
            raise ValueError(f"x has {len(x)} values, y has {len(y)}; as many are expected")
        line = Line()
        for point in zip(x, y):
            line = line.add(*point)
        if not line.is_one:
            raise ValueError(f"{len(x)} points at {len(set(x))} places make no line; two places are needed")
        expected = [line.slope * place + line.intersect for place in x]
        chi2 = 0.0 if 0 in expected else sum(((one - told) / told) ** 2 for one, told in zip(y, expected))
        self._fit = Fit(line.slope, line.intersect, chi2, len(x))
        return self._fit

    def slope(self) -> float:
        """Answer the last fit's slope.

        Raises:
            ValueError: nothing was fitted.
        """
        return self._last().slope

    def intersect(self) -> float:
        """Answer the last fit's value at 0; raises likewise."""
        return self._last().intersect

    def chi2(self) -> float:
        """Answer the last fit's chi2; raises likewise."""
        return self._last().chi2

    def _last(self) -> Fit:
        if self._fit is None:
            raise ValueError("nothing has been fitted; call fit() first")
        return self._fit

    def get_table(
        self, filename: Union[str, Path], header: str = "", separator: str = "\t", convert_to_float: bool = True
    ) -> dict[str, list[Any]]:
        """Read a table from a text file; answer its columns by name.

        A last line that is shorter than the others is being written just now, and is left out.

        Args:
            filename: The file.
            header: The names of the columns, separated likewise; the file's first line when left out.
            separator: What stands between two columns.
            convert_to_float: Answer numbers; otherwise text.

        Raises:
            BadTable: it cannot be read, a line has too few or too many columns, or what should be a number is none.
        """
        try:
            lines = Path(filename).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as wrong:
            raise BadTable(f"{filename}: {getattr(wrong, 'strerror', None) or 'it is no text'}") from wrong
        names = [name.strip() for name in (header or (lines[0] if lines else "")).split(separator)]
        below = list(enumerate(lines, start=1))[0 if header else 1 :]
        rows = [(number, line.split(separator)) for number, line in below if line.strip()]
        if rows and len(rows[-1][1]) < len(names):
            rows.pop()
        for number, row in rows:
            if len(row) != len(names):
                raise BadTable(f"{filename}, line {number}: {len(row)} columns; {len(names)} are expected")
        read = _number if convert_to_float else _text
        return {
            name: [read(row[at], f"{filename}, line {n}, {name}") for n, row in rows] for at, name in enumerate(names)
        }

    def extract_from_table(
        self, table: Mapping[str, Sequence[float]], x_name: str, y_name: str
    ) -> tuple[list[float], list[float]]:
        """Answer a table's columns ``x_name`` and ``y_name``; several names with ``+`` between them are added up.

        Raises:
            BadTable: there is no such column.
        """
        names = [name.strip() for name in y_name.split("+")]
        for name in (x_name, *names):
            if name not in table:
                raise BadTable(f"there is no column {name!r}; there are {', '.join(table)}")
        return list(table[x_name]), [sum(values) for values in zip(*(table[name] for name in names))]

    def get_fitted_data(
        self,
        filename: Union[str, Path],
        x_name: str = "Time",
        y_name: str = "pss+swap",
        precision: int = 2,
        tails: bool = True,
    ) -> dict[str, str]:
        """Fit a line to columns of a table such as ``memory_monitor_output.txt``.

        Args:
            filename: The file; columns are separated by tabs.
            x_name: Where the values are.
            y_name: The values; names with ``+`` between them are added up.
            precision: Digits after the decimal point.
            tails: Use the first five points and the last two as well. From a hundred points on this counts for nothing:
                then ends are cut off where that makes the fit much better (`find_limit`).

        Returns:
            ``slope``, ``chi2`` and ``intersect`` as text, in the table's units: for prmon's memory kB per second, and
            kB. Each is "" when there are fewer than 8 points, or no line goes through them.

        Raises:
            BadTable: the table cannot be read, or has no such column.
        """
        x, y = self.extract_from_table(self.get_table(filename), x_name, y_name)
        first, last = self._ends(x, y, tails)
        x, y = x[first:last], y[first:last]
        if len(x) < FEWEST or len(set(x)) < 2:
            return {"slope": "", "chi2": "", "intersect": ""}
        found = self.fit(x, y)
        return {name: f"{getattr(found, name):.{precision}f}" for name in ("slope", "chi2", "intersect")}

    def _ends(self, x: Sequence[float], y: Sequence[float], tails: bool) -> tuple[int, int]:
        """Answer from where to where points are used."""
        if len(x) >= MANY and len(set(x)) > 1:
            chi2 = self.fit(x, y).chi2
            return self.find_limit(x, y, chi2, len(x), edge="left"), self.find_limit(x, y, chi2, len(x))
        return (FIRST, len(x) - LAST) if not tails and len(x) > FIRST + LAST else (0, len(x))

    def find_limit(
        self,
        x: Sequence[float],
        y: Sequence[float],
        chi2: float,
        count: int,
        change_limit: float = 0.25,
        edge: str = "right",
        steps: int = 5,
    ) -> int:
        """Answer up to where (``edge="right"``) or from where on (``left``) points are worth fitting.

        Points are cut off at one end, ``steps`` at a time, as long as each cut makes chi2 smaller by ``change_limit``
        of it. Two thirds of the ``count`` points are left in any case.

        Args:
            x: Where the values are.
            y: The values.
            chi2: That of the fit through all of them.
            count: How many there were at first.
            change_limit: The part of chi2 that a cut has to gain.
            edge: ``right`` or ``left``.
            steps: Points in one cut.

        Raises:
            ValueError: there is no such edge, no point in a cut, or no line through the points.
        """
        if edge not in ("right", "left") or steps < 1:
            raise ValueError(f"edge: {edge!r}, steps: {steps}; right or left and at least 1 are expected")
        first, last = 0, len(x)
        while chi2 > 0 and last - first - steps >= max(2, LEAST_LEFT * count):
            cut = (first, last - steps) if edge == "right" else (first + steps, last)
            found = self.fit(x[cut[0] : cut[1]], y[cut[0] : cut[1]]).chi2
            if (chi2 - found) / chi2 < change_limit:
                break
            (first, last), chi2 = cut, found
        return last if edge == "right" else first


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadTable(f"{where}: {text[:40]!r} is not a number") from None


def _text(text: str, where: str) -> str:
    return text.strip()
