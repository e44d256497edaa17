"""A figure of the merged histograms: the kinematic plane and the distributions of events and hadrons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from hist import Hist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from . import histograms, provenance
from .errors import PayloadFailed
from .kinematics import BEAM_ENERGY, PROTON_MASS, W_MIN, Y_MAX, Y_MIN, Floats
from .progress import say
from .root_file import origin_of, reading
from .whole_file import written_whole

BLUE, ORANGE, GREY, INK = "#0b4f8a", "#c8701a", "#5f6b76", "#1d2730"
LEFT, RIGHT = 0.05, 0.985
"""Borders of the figure, as a part of its width."""
COLOURS = "viridis"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10.5,
    "axes.edgecolor": "#3c4650",
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
}


@dataclass(frozen=True)
class Panel:
    """How one distribution is drawn."""

    label: str
    """Axis label with unit."""
    colour: str = BLUE
    logarithmic_axis: bool = False
    logarithmic_counts: bool = False
    counted: str = "Events"


PANELS: Mapping[str, Panel] = {
    "Q2": Panel(r"$Q^2$  [(GeV/$c$)$^2$]", logarithmic_axis=True, logarithmic_counts=True),
    "x": Panel(r"$x$", logarithmic_axis=True),
    "y": Panel(r"$y$"),
    "W": Panel(r"$W$  [GeV/$c^2$]"),
    "z": Panel(r"$z$", colour=ORANGE, logarithmic_counts=True, counted="Charged hadrons"),
    "pT2": Panel(
        r"$p_{\mathrm{T}}^2$  [(GeV/$c$)$^2$]", colour=ORANGE, logarithmic_counts=True, counted="Charged hadrons"
    ),
}


def plot(source: Path, output: Path) -> int:
    """Draw a histogram file as a PNG; answer the number of events in it."""
    with reading(source) as file:
        origin = provenance.reconstructed_from(origin_of(file, source), str(source))
        found = histograms.read(file, source)
    if missing := sorted({*PANELS, "x_Q2"} - found.keys()):
        raise PayloadFailed(f"{source} lacks the histograms {', '.join(missing)}", "give a file of the right kind")
    with mpl.rc_context(STYLE):
        figure = drawn(found, origin)
        with written_whole(output) as part:
            figure.savefig(part, format="png", dpi=150, metadata={"Title": "COMPASS MC"})
    say(f"Number of events drawn : {origin.events}")
    return origin.events


def drawn(found: histograms.Histograms, origin: provenance.Reconstructed) -> Figure:
    """Draw the figure."""
    figure = Figure(figsize=(15.0, 6.6))
    FigureCanvasAgg(figure)
    title = rf"COMPASS MC,  $\mathbf{{\mu^{{+}}\,p}}$,  {BEAM_ENERGY:.0f} GeV"
    figure.text(LEFT, 0.945, title, fontsize=17, fontweight="bold", color=INK)
    figure.text(RIGHT, 0.945, caption(origin), fontsize=12, color=GREY, ha="right")
    # The places are given, not worked out by a layout engine, which would take longer than all the drawing.
    plane = figure.add_gridspec(1, 1, left=LEFT, right=0.355, bottom=0.095, top=0.905)
    draw_plane(figure.add_subplot(plane[0, 0]), found["x_Q2"])
    grid = figure.add_gridspec(2, 3, left=0.44, right=RIGHT, bottom=0.095, top=0.905, wspace=0.36, hspace=0.27)
    for number, (key, panel) in enumerate(PANELS.items()):
        draw_distribution(figure.add_subplot(grid[divmod(number, 3)]), found[key], panel)
    return figure


def draw_plane(axes: Axes, plane: Hist[Any]) -> None:
    """Draw the events in x and Q2, with the borders that the cuts set."""
    counts = plane.values()
    colours = LogNorm(vmin=0.8, vmax=max(float(counts.max()), 2.0))
    x_edges, q2_edges = (np.asarray(axis.edges) for axis in plane.axes)
    mesh = axes.pcolormesh(
        x_edges, q2_edges, np.ma.masked_equal(counts.T, 0), norm=colours, cmap=COLOURS, rasterized=True
    )
    axes.figure.colorbar(mesh, ax=axes, pad=0.015, label="Events per bin")
    _draw_borders(axes, q2_edges)
    axes.set(xscale="log", yscale="log", xlim=x_edges[[0, -1]], ylim=q2_edges[[0, -1]])
    axes.set(xlabel=r"Bjorken $x$", ylabel=PANELS["Q2"].label)


def caption(origin: provenance.Reconstructed) -> str:
    """Say what is in the figure, for example ``3,445 events (4,000 generated), 1 run, 2 chunks``."""
    runs = len({run for run, _ in origin.chunks})
    chunks = len(origin.chunks)
    return (
        f"{origin.events:,} events ({origin.generated:,} generated), "
        f"{runs} run{'s' * (runs != 1)}, {chunks} chunk{'s' * (chunks != 1)}"
    )


def draw_distribution(axes: Axes, histogram: Hist[Any], panel: Panel) -> None:
    """Draw one histogram as steps with statistical errors (the square root of each content)."""
    counts = histogram.values()
    edges = np.asarray(histogram.axes[0].edges)
    centres = np.sqrt(edges[1:] * edges[:-1]) if panel.logarithmic_axis else (edges[1:] + edges[:-1]) / 2
    axes.stairs(counts, edges, fill=True, color=panel.colour, alpha=0.18)
    axes.stairs(counts, edges, color=panel.colour, linewidth=1.3)
    seen = counts > 0
    axes.errorbar(centres[seen], counts[seen], np.sqrt(counts[seen]), fmt="none", ecolor=panel.colour, elinewidth=0.9)
    if panel.logarithmic_axis:
        axes.set_xscale("log")
    if panel.logarithmic_counts and seen.any():
        axes.set_yscale("log")
        axes.set_ylim(0.5, float(counts.max()) * 2)
    else:
        axes.set_ylim(0, max(float(counts.max()) * 1.15, 1.0))
    axes.set(xlabel=panel.label, ylabel=f"{panel.counted} per bin", xlim=(edges[0], edges[-1]))


def _draw_borders(axes: Axes, q2_edges: Floats) -> None:
    """Draw where y and W have the values of the cuts; the beam and the target fix these lines."""
    q2 = np.geomspace(q2_edges[0], q2_edges[-1], 200)
    borders = {
        f"$y = {Y_MIN}$": (q2 / (2 * PROTON_MASS * BEAM_ENERGY * Y_MIN), "--"),
        f"$y = {Y_MAX}$": (q2 / (2 * PROTON_MASS * BEAM_ENERGY * Y_MAX), "-"),
        rf"$W = {W_MIN:.0f}$ GeV/$c^2$": (q2 / (q2 + W_MIN**2 - PROTON_MASS**2), ":"),
    }
    for label, (x, style) in borders.items():
        axes.plot(x, q2, style, color=INK, linewidth=1.5, label=label)
    axes.legend(loc="upper left", frameon=False)
