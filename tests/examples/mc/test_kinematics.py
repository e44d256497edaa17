"""The variables of deep-inelastic scattering, against the four-vectors that define them."""

from __future__ import annotations

import numpy as np
import pytest
from compass_mc.kinematics import (
    BEAM_ENERGY,
    BEAM_MOMENTUM,
    MUON_MASS,
    PROTON_MASS,
    Kinematics,
    deep_inelastic,
    scattering,
)

METRIC = np.diag([1.0, -1.0, -1.0, -1.0])


def square(vector):
    return vector @ METRIC @ vector


@pytest.mark.parametrize("momentum", [(0.9, -0.4, 120.0), (-3.0, 2.0, 60.0), (0.0, 1.5, 140.0)])
def test_the_variables_are_the_invariants_of_the_four_vectors(momentum):
    beam = np.array([BEAM_ENERGY, 0, 0, BEAM_MOMENTUM])
    target = np.array([PROTON_MASS, 0, 0, 0])
    muon = np.array([np.sqrt(np.dot(momentum, momentum) + MUON_MASS**2), *momentum])
    photon = beam - muon
    found = scattering(*(np.array([component]) for component in momentum))
    assert found.Q2[0] == pytest.approx(-square(photon))
    assert found.x[0] == pytest.approx(-square(photon) / (2 * (target @ METRIC @ photon)))
    assert found.y[0] == pytest.approx((target @ METRIC @ photon) / (target @ METRIC @ beam))
    assert found.W[0] == pytest.approx(np.sqrt(square(target + photon)))
    assert found.nu[0] == pytest.approx(photon[0])


def test_a_muon_that_gained_energy_by_its_measurement_is_cut_and_not_an_error():
    found = scattering(np.array([1.0]), np.array([0.0]), np.array([170.0]))
    assert found.nu[0] < 0
    assert not deep_inelastic(found)[0]


@pytest.mark.parametrize(
    ("virtuality", "y", "mass", "kept"),
    [
        (2.0, 0.5, 10.0, True),
        (1.0, 0.5, 10.0, False),
        (2.0, 0.1, 10.0, False),
        (2.0, 0.9, 10.0, False),
        (2.0, 0.5, 5.0, False),
        (2.0, 0.5, np.nan, False),
    ],
)
def test_an_event_is_kept_only_inside_all_cuts(virtuality, y, mass, kept):
    one = np.ones(1)
    event = Kinematics(Q2=virtuality * one, x=0.1 * one, y=y * one, W=mass * one, nu=one)
    assert deep_inelastic(event)[0] == kept
