"""Deep-inelastic scattering in numbers: the beam, the variables Q2, x, y, W and the cuts on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BEAM_ENERGY = 160.0
"""Energy of the mu+ beam in GeV (COMPASS, SPS beam line M2)."""
MUON_MASS = 0.1056583755
PROTON_MASS = 0.93827208816
PION_MASS = 0.13957039
"""Masses in GeV/c2 (Particle Data Group, 2022)."""
BEAM_MOMENTUM = float(np.sqrt(BEAM_ENERGY**2 - MUON_MASS**2))

Q2_MIN = 1.0
"""Lowest photon virtuality in (GeV/c)2."""
Y_MIN, Y_MAX = 0.1, 0.9
W_MIN = 5.0
"""Lowest mass of the hadronic system in GeV/c2."""


@dataclass(frozen=True)
class Kinematics:
    """The inclusive variables of n events, one array of length n each."""

    Q2: Floats
    """Photon virtuality in (GeV/c)2."""
    x: Floats
    """Bjorken's scaling variable."""
    y: Floats
    """Part of the beam energy that the virtual photon takes."""
    W: Floats
    """Mass of the hadronic system in GeV/c2; not a number where it would be imaginary."""
    nu: Floats
    """Energy of the virtual photon in the laboratory in GeV."""


def scattering(px: Floats, py: Floats, pz: Floats) -> Kinematics:
    """Work out the variables of n events from the scattered muon's momentum.

    Args:
        px, py, pz: Components in GeV/c in the laboratory, the beam along +z; n values each.

    Source:
        The definitions are the usual ones for a target at rest (Particle Data Group, Structure Functions).
    """
    energy = np.sqrt(px**2 + py**2 + pz**2 + MUON_MASS**2)
    nu = BEAM_ENERGY - energy
    Q2 = 2 * (BEAM_ENERGY * energy - BEAM_MOMENTUM * pz - MUON_MASS**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = Q2 / (2 * PROTON_MASS * nu)
        W = np.sqrt(PROTON_MASS**2 + 2 * PROTON_MASS * nu - Q2)
    return Kinematics(Q2=Q2, x=x, y=nu / BEAM_ENERGY, W=W, nu=nu)


def deep_inelastic(events: Kinematics) -> Flags:
    """Say which events pass the cuts of COMPASS's inclusive and semi-inclusive analyses.

    Source:
        Q2 > 1 (GeV/c)2 and W > 5 GeV/c2: COMPASS, Phys. Rev. D 97 (2018) 032006, arXiv:1709.07374;
        0.1 < y < 0.9: below, the muon is measured too badly, above, radiation dominates.
    """
    return (events.Q2 > Q2_MIN) & (events.y > Y_MIN) & (events.y < Y_MAX) & (events.W > W_MIN)
