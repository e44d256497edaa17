"""Histograms: filled with every event, written with titles, compared bin by bin."""

from __future__ import annotations

import numpy as np
import pytest
from compass_mc import histograms, layouts
from compass_mc.errors import PayloadFailed
from compass_mc.root_file import Table, reading


def events(number: int, hadrons: int) -> Table:
    scalars = {name: np.full(number, 1.5) for name in layouts.MDST.scalars} | {"x": np.full(number, 0.05)}
    members = {name: np.full(number * hadrons, 0.3) for name in layouts.MDST.members}
    return Table(scalars, np.full(number, hadrons), members)


def test_each_event_and_each_hadron_is_filled_once():
    filled = histograms.booked()
    histograms.fill(filled, events(4, 3))
    histograms.fill(filled, events(2, 25))
    assert {key: histograms.contents(found) for key, found in filled.items()} == {
        **dict.fromkeys(("Q2", "x", "y", "W", "hadrons", "x_Q2"), 6),
        **dict.fromkeys(("z", "pT2"), 62),
    }
    assert filled["hadrons"].values(flow=True)[[4, -1]].tolist() == [4, 2]


def test_what_is_written_is_read_with_its_flow_bins(tmp_path):
    filled = histograms.booked()
    histograms.fill(filled, events(4, 30))
    histograms.write(tmp_path / "file", filled, "an origin")
    histograms.verify(tmp_path / "file", filled)
    with reading(tmp_path / "file") as file:
        found = histograms.read(file, tmp_path / "file")
    assert found.keys() == filled.keys()
    assert found["hadrons"].values(flow=True)[-1] == 4
    assert found["x_Q2"].axes[1].label == "Q^{2} [(GeV/c)^{2}]"


def test_a_file_that_differs_in_one_bin_is_refused(tmp_path):
    filled = histograms.booked()
    histograms.write(tmp_path / "file", filled, "an origin")
    filled["z"].fill([5.0])
    with pytest.raises(PayloadFailed, match="histogram z is not what was written"):
        histograms.verify(tmp_path / "file", filled)
