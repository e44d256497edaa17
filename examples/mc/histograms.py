"""The histograms of a reconstruction: booking, filling, reading and summing them, under- and overflow included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hist
import numpy as np
import uproot
from hist import Hist

from . import provenance
from .errors import PayloadFailed
from .root_file import Table, reading

Histograms = dict[str, Hist[Any]]

Q2_AXIS = hist.axis.Variable(np.geomspace(1, 100, 41), name="Q2", label="Q^{2} [(GeV/c)^{2}]")
X_AXIS = hist.axis.Variable(np.geomspace(0.002, 1, 41), name="x", label="x")
ONE_PER_EVENT: Mapping[str, tuple[str, Any]] = {
    "Q2": ("Photon virtuality", Q2_AXIS),
    "x": ("Bjorken x", X_AXIS),
    "y": ("Part of the beam energy transferred", hist.axis.Regular(40, 0, 1, name="y", label="y")),
    "W": ("Mass of the hadronic system", hist.axis.Regular(40, 0, 20, name="W", label="W [GeV/c^{2}]")),
}
ONE_PER_HADRON: Mapping[str, tuple[str, Any]] = {
    "z": ("Part of the photon energy, charged hadrons", hist.axis.Regular(50, 0, 1, name="z", label="z")),
    "pT2": (
        "Transverse momentum squared, charged hadrons",
        hist.axis.Regular(60, 0, 3, name="pT2", label="p_{T}^{2} [(GeV/c)^{2}]"),
    ),
}
HADRONS = hist.axis.Regular(20, -0.5, 19.5, name="hadrons", label="Charged hadrons per event")


def booked() -> Histograms:
    """Make the empty histograms; their keys are the names in the ROOT file."""
    empty = {
        key: Hist(axis, storage="double", name=key, label=title)
        for key, (title, axis) in {**ONE_PER_EVENT, **ONE_PER_HADRON}.items()
    }
    empty["hadrons"] = Hist(HADRONS, storage="double", name="hadrons", label="Multiplicity")
    empty["x_Q2"] = Hist(X_AXIS, Q2_AXIS, storage="double", name="x_Q2", label="Kinematic plane")
    return empty


def fill(histograms: Histograms, events: Table) -> None:
    """Add the events of an mDST table."""
    for key in ONE_PER_EVENT:
        histograms[key].fill(events.scalars[key])
    for key in ONE_PER_HADRON:
        histograms[key].fill(events.members[key])
    histograms["hadrons"].fill(events.counts)
    histograms["x_Q2"].fill(events.scalars["x"], events.scalars["Q2"])


def contents(histogram: Hist[Any]) -> float:
    """Sum all bins, the flow bins too."""
    return float(histogram.values(flow=True).sum())


def check_events(found: Histograms, events: int, path: Path) -> None:
    """Refuse histograms that were not filled with exactly as many events as their file says."""
    for key in (*ONE_PER_EVENT, "hadrons", "x_Q2"):
        if key in found and contents(found[key]) != events:
            raise PayloadFailed(
                f"{path}: histogram {key} holds {contents(found[key]):.0f} events, but the file says {events}",
                "the file is damaged: fetch or make it again",
            )


def write(path: Path, histograms: Histograms, origin: str) -> None:
    """Write histograms to a new ROOT file as TH1D and TH2D."""
    with uproot.recreate(path) as file:
        for key, histogram in histograms.items():
            # The writer takes a histogram's name for its title.
            histogram.name = histogram.label
            file[key] = histogram
        file[provenance.KEY] = origin


def read(file: Any, path: Path) -> Histograms:
    """Read every histogram of an open ROOT file; refuse one that has none."""
    found = {key: file[key].to_hist() for key in sorted(file.keys(cycle=False, filter_classname="TH*"))}
    if not found:
        raise PayloadFailed(f"{path} has no histograms", "give a file of the right kind")
    return found


def add(total: Histograms, more: Histograms, source: str) -> Histograms:
    """Sum histograms of equal keys and bins; ``source`` names the file of ``more`` in errors."""
    if differing := sorted(total.keys() ^ more.keys()):
        raise PayloadFailed(f"{source} and the files before it differ in {', '.join(differing)}", "merge equal files")
    return {key: _sum(key, total[key], more[key], source) for key in total}


def verify(path: Path, expected: Histograms) -> None:
    """Open a file again and compare every bin with what was to be written."""
    with reading(path) as file:
        found = read(file, path)
    for key, histogram in expected.items():
        if key not in found or not np.array_equal(found[key].values(flow=True), histogram.values(flow=True)):
            raise PayloadFailed(f"{path}: histogram {key} is not what was written", "check the disk, and run again")


def _sum(key: str, first: Hist[Any], second: Hist[Any], source: str) -> Hist[Any]:
    try:
        return first + second
    except ValueError as unequal:
        raise PayloadFailed(
            f"{source}: histogram {key} has other bins than the files before it ({unequal})",
            "merge files that one version of the reconstruction wrote",
        ) from unequal
