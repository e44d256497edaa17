"""The detector model: what is lost, and how widely the rest is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from compass_mc import layouts
from compass_mc.detector import COMPASS, Tracks, accepted, against_photon, measure, random_stream, smeared
from compass_mc.kinematics import BEAM_MOMENTUM, scattering
from compass_mc.root_file import Table, reading, tables_in

PERFECT = replace(
    COMPASS,
    muon_efficiency=1.0,
    hadron_efficiency=1.0,
    large_stage_resolution=0.0,
    small_stage_resolution=0.0,
    angle_resolution=0.0,
)


def track(momentum: float, angle: float, count: int = 1) -> Tracks:
    one = np.ones(count)
    return Tracks(momentum * np.sin(angle) * one, 0.0 * one, momentum * np.cos(angle) * one)


@pytest.fixture(scope="module")
def events(chunks) -> Table:
    with reading(chunks[0].generated) as file:
        (table,) = tables_in(file, layouts.GENERATED, 1000)
    return table


@pytest.mark.parametrize(
    ("momentum", "angle", "seen"),
    [
        (20.0, 0.1, True),
        (20.0, 0.179, True),
        (20.0, 0.181, False),
        (1.4, 0.05, False),
        (1.6, 0.05, True),
        (5.0, 3, False),
    ],
)
def test_only_tracks_inside_the_magnet_and_fast_enough_are_seen(momentum, angle, seen):
    assert accepted(track(momentum, angle), COMPASS)[0] == seen


@pytest.mark.parametrize(("momentum", "angle", "width"), [(50.0, 0.01, 0.005), (50.0, 0.1, 0.012), (3.0, 0.01, 0.012)])
def test_the_momentum_is_as_wide_as_the_stage_that_measures_it(momentum, angle, width):
    measured = smeared(track(momentum, angle, 20_000), COMPASS, np.random.default_rng(1))
    ratio = measured.momentum / momentum
    assert ratio.mean() == pytest.approx(1, abs=4 * width / np.sqrt(20_000))
    assert ratio.std() == pytest.approx(width, rel=0.03)
    assert measured.angle.mean() == pytest.approx(angle, abs=1e-4)


def test_a_perfect_detector_gives_back_the_truth(events):
    found = measure(events, PERFECT, random_stream(1, 1))
    assert found.muon_seen.all()
    for name in layouts.INCLUSIVE:
        assert getattr(found.inclusive, name) == pytest.approx(events.scalars[name], rel=1e-6)
    hadron = np.isin(np.abs(events.members["pid"]), (211, 321, 2212))
    truth = Tracks(*(events.members[axis].astype(float) for axis in ("px", "py", "pz")))
    inside = hadron & accepted(truth, COMPASS)
    assert found.hadrons.members["truth_pid"].tolist() == events.members["pid"][inside].tolist()
    assert found.hadrons.members["pz"] == pytest.approx(events.members["pz"][inside], rel=1e-6)
    assert found.hadrons.counts.sum() == inside.sum()


def test_the_efficiencies_are_those_of_the_detector(events):
    random = random_stream(5, 5)
    rounds = [measure(events, COMPASS, random) for _ in range(20)]
    assert np.mean([found.muon_seen.mean() for found in rounds]) == pytest.approx(COMPASS.muon_efficiency, abs=0.01)
    all_seen = measure(events, PERFECT, random).hadrons.counts.sum()
    kept = np.mean([found.hadrons.counts.sum() for found in rounds]) / all_seen
    assert kept == pytest.approx(COMPASS.hadron_efficiency, abs=0.01)


def test_a_chunk_has_random_numbers_of_its_own_and_always_the_same():
    first, again, other, swapped = (random_stream(*key).random(5) for key in ((7, 1), (7, 1), (7, 2), (1, 7)))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()
    assert first.tolist() != swapped.tolist()


def test_a_hadron_along_the_virtual_photon_has_no_transverse_momentum():
    muon = Tracks(np.array([1.0]), np.array([-0.5]), np.array([110.0]))
    photon = np.array([-1.0, 0.5, BEAM_MOMENTUM - 110.0])
    along = Tracks(*(np.array([0.5 * component]) for component in photon))
    across = Tracks(np.array([0.3]), np.array([0.6]), np.array([0.0]))
    event = np.zeros(1, np.intp)
    inclusive = scattering(muon.px, muon.py, muon.pz)
    z, across_squared = against_photon(along, event, muon, inclusive)
    assert across_squared[0] == pytest.approx(0, abs=1e-9)
    assert z[0] == pytest.approx(0.5, rel=0.01)
    assert against_photon(across, event, muon, inclusive)[1][0] == pytest.approx(0.45, rel=1e-3)
