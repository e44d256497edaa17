"""A chart of stacked bars, one for each day: where each part stands, for a template to draw, in SVG's units."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

WIDTH, HEIGHT = 960.0, 270.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 22.0, 12.0, 26.0
#: Names with a colour of their own; the others share one.
SERIES = 7
OTHERS = "others"
#: Days that are written below.
LABELS = 8


@dataclass(frozen=True)
class Part:
    """A piece of a bar; ``series`` is the number of its colour."""

    x: float
    y: float
    width: float
    height: float
    series: int
    words: str


@dataclass(frozen=True)
class Tick:
    """A line across the chart, or a day below it."""

    at: float
    words: str


@dataclass(frozen=True)
class Series:
    """One colour and what it stands for."""

    number: int
    name: str
    hours: float


@dataclass(frozen=True)
class Chart:
    """All of it. ``words`` tell in a sentence what it shows to who cannot see it."""

    parts: tuple[Part, ...]
    lines: tuple[Tick, ...]
    days: tuple[Tick, ...]
    legend: tuple[Series, ...]
    words: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    floor: float = HEIGHT - BOTTOM


def draw(hours: Mapping[tuple[date, str], float], names: Sequence[str], first: date, last: date) -> Chart:
    """Lay out core-hours by day and name.

    Args:
        hours: Core-hours by day and name.
        names: All names, in the order in which they get colours; those beyond the seventh share the last one.
        first: The day of the first bar.
        last: The day of the last bar.
    """
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    titles = [name or "none" for name in names[:SERIES]] + ([OTHERS] if len(names) > SERIES else [])
    numbers = {name: min(at, SERIES) for at, name in enumerate(names)}
    stacks: defaultdict[date, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    totals: defaultdict[int, float] = defaultdict(float)
    for (day, name), amount in hours.items():
        stacks[day][numbers[name]] += amount
        totals[numbers[name]] += amount
    sums = [sum(stacks[day].values()) for day in days]
    step = nice_step(max(sums, default=0.0))
    top = step * max(1, math.ceil(max(sums, default=0.0) / step))
    scale = (HEIGHT - TOP - BOTTOM) / top
    parts = [part for at, day in enumerate(days) for part in _bar(at, len(days), day, stacks[day], scale, titles)]
    lines = [Tick(HEIGHT - BOTTOM - step * n * scale, _written(step * n, step)) for n in range(round(top / step) + 1)]
    legend = [Series(number, title, totals[number]) for number, title in enumerate(titles)]
    words = f"Core-hours by day from {first} to {last}, {sum(sums):.1f} in all"
    return Chart(tuple(parts), tuple(lines), tuple(_labels(days)), tuple(legend), words)


def _bar(at: int, count: int, day: date, stack: Mapping[int, float], scale: float, titles: Sequence[str]) -> list[Part]:
    slot = (WIDTH - LEFT - RIGHT) / count
    gap = min(4.0, slot * 0.2)
    floor, parts = HEIGHT - BOTTOM, []
    for number in sorted(stack):
        if height := stack[number] * scale:
            floor -= height
            words = f"{day} · {titles[number]}: {stack[number]:.1f} core-hours"
            parts.append(Part(LEFT + at * slot + gap / 2, floor, slot - gap, height, number, words))
    return parts


def _labels(days: Sequence[date]) -> list[Tick]:
    slot = (WIDTH - LEFT - RIGHT) / len(days)
    every = math.ceil(len(days) / LABELS)
    chosen = range(len(days) - 1, -1, -every)
    return [Tick(LEFT + (at + 0.5) * slot, f"{days[at].day} {days[at]:%b}") for at in chosen]


def _written(value: float, step: float) -> str:
    """Write a value with as many decimals as its step has, and thin spaces between thousands."""
    decimals = max(0, -math.floor(math.log10(step)))
    return f"{value:,.{decimals}f}".replace(",", "\u202f")


def nice_step(most: float) -> float:
    """Answer a step of 1, 2 or 5 times a power of ten, of which some four make the largest value."""
    if most <= 0:
        return 1.0
    raw = most / 4
    power: float = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw)
