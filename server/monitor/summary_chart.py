"""Bars of the production summary, one below the other: where each part stands, for a template to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.monitor.usage_chart import nice_step

#: In SVG's units.
WIDTH, LEFT, RIGHT, TOP, ROW, BAR, BOTTOM = 960.0, 210.0, 40.0, 8.0, 26.0, 16.0, 26.0
#: Bars of one chart.
MOST = 40
#: Letters of a bar's name.
LETTERS = 30


@dataclass(frozen=True)
class Part:
    """A piece of a bar; ``colour`` is a class of the style sheet."""

    x: float
    y: float
    width: float
    colour: str
    words: str
    height: float = BAR


@dataclass(frozen=True)
class Name:
    y: float
    words: str


@dataclass(frozen=True)
class Tick:
    x: float
    value: int


@dataclass(frozen=True)
class Bars:
    """A chart. ``words`` tell in a sentence what it shows to who cannot see it."""

    parts: tuple[Part, ...]
    names: tuple[Name, ...]
    ticks: tuple[Tick, ...]
    legend: tuple[tuple[str, str], ...]
    height: float
    words: str
    width: float = WIDTH
    left: float = LEFT
    top: float = TOP


def draw(names: Sequence[str], amounts: Sequence[Sequence[int]], series: Sequence[tuple[str, str]], words: str) -> Bars:
    """Lay out stacked bars.

    Args:
        names: What each bar is of; those beyond `MOST` are left out, and the words say so.
        amounts: Of each bar the amount of each series.
        series: Colour and name of each.
        words: What it shows.
    """
    shown = list(zip(names, amounts, strict=True))[:MOST]
    most = max((sum(parts) for _, parts in shown), default=0)
    step = max(1, round(nice_step(most)))
    top = step * max(1, -(-most // step))
    scale = (WIDTH - LEFT - RIGHT) / top
    parts, labels = [], []
    for row, (name, values) in enumerate(shown):
        y, x = TOP + row * ROW, LEFT
        labels.append(Name(y + BAR / 2, name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"))
        for (colour, title), value in zip(series, values, strict=True):
            if value > 0:
                parts.append(Part(x, y, value * scale, colour, f"{name} · {title}: {value:,}".replace(",", "\u202f")))
                x += value * scale
    ticks = [Tick(LEFT + step * number * scale, step * number) for number in range(top // step + 1)]
    more = f"; the first {MOST} of {len(names)}" if len(names) > MOST else ""
    height = TOP + len(shown) * ROW + BOTTOM
    return Bars(tuple(parts), tuple(labels), tuple(ticks), tuple(series), height, f"{words}{more}")
