"""The detector as a few numbers: what is seen of an event, and how precisely. Documented in README.md."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .kinematics import BEAM_MOMENTUM, PION_MASS, Flags, Floats, Kinematics, scattering
from .root_file import Table

MEASURED = (211, 321, 2212)
"""Charged pions, kaons and protons; their antiparticles have the negative code."""


@dataclass(frozen=True)
class Detector:
    """Acceptance, efficiency and resolution of a two-stage spectrometer in the manner of COMPASS.

    Source:
        Opening of 180 mrad, relative momentum resolution of about 1.2 % in the large-angle and 0.5 % in the
        small-angle stage: COMPASS, Nucl. Instrum. Meth. A 577 (2007) 455, hep-ex/0703049. Efficiencies and
        angular resolutions are round numbers of the expected size.
    """

    largest_angle: float = 0.180
    """Half opening of the target magnet in radians."""
    small_stage_angle: float = 0.030
    small_stage_momentum: float = 5.0
    """Below this angle (radians) and above this momentum (GeV/c) the second stage measures."""
    lowest_momentum: float = 1.5
    """Softer tracks are lost, GeV/c."""
    muon_efficiency: float = 0.90
    hadron_efficiency: float = 0.95
    large_stage_resolution: float = 0.012
    small_stage_resolution: float = 0.005
    """Relative width of the measured momentum."""
    angle_resolution: float = 0.0003
    """Width of the measured slope in each plane, radians."""


COMPASS = Detector()


@dataclass(frozen=True)
class Tracks:
    """Momenta of n particles in the laboratory in GeV/c, the beam along +z."""

    px: Floats
    py: Floats
    pz: Floats

    @property
    def momentum(self) -> Floats:
        """Its magnitude in GeV/c."""
        return np.sqrt(self.px**2 + self.py**2 + self.pz**2)

    @property
    def angle(self) -> Floats:
        """Polar angle in radians."""
        return np.arctan2(np.hypot(self.px, self.py), self.pz)


@dataclass(frozen=True)
class Measured:
    """What the detector makes of some events, cuts not yet applied."""

    muon_seen: Flags
    muon: Tracks
    inclusive: Kinematics
    hadrons: Table
    """The generated events' lists, reduced to the measured hadrons; see `layouts.MDST`."""


def random_stream(run: int, chunk: int) -> np.random.Generator:
    """Give the random numbers of one chunk: the same for every reconstruction of it."""
    return np.random.default_rng([run, chunk])


def measure(events: Table, detector: Detector, random: np.random.Generator) -> Measured:
    """Let particles of generated events pass the detector.

    Draws from ``random`` a number of values that depends only on the events, so that equal
    batches give equal results.
    """
    truth = Tracks(*(events.scalars[f"mu_{axis}"] for axis in ("px", "py", "pz")))
    muon = smeared(truth, detector, random)
    seen = accepted(truth, detector) & (random.random(len(events)) < detector.muon_efficiency)
    inclusive = scattering(muon.px, muon.py, muon.pz)
    return Measured(seen, muon, inclusive, _measured_hadrons(events, muon, inclusive, detector, random))


def accepted(tracks: Tracks, detector: Detector) -> Flags:
    """Say which particles reach the tracking detectors."""
    return (tracks.angle < detector.largest_angle) & (tracks.momentum > detector.lowest_momentum)


def smeared(tracks: Tracks, detector: Detector, random: np.random.Generator) -> Tracks:
    """Measure momenta and slopes with Gaussian errors; the width depends on the stage that measures."""
    count = len(tracks.px)
    small = (tracks.angle < detector.small_stage_angle) & (tracks.momentum > detector.small_stage_momentum)
    width = np.where(small, detector.small_stage_resolution, detector.large_stage_resolution)
    momentum = tracks.momentum * np.maximum(1 + width * random.standard_normal(count), 0.5)
    # Slopes mean something for forward tracks only; all others are outside of the acceptance.
    forward = np.where(tracks.pz > 0, tracks.pz, 1.0)
    slope_x = tracks.px / forward + detector.angle_resolution * random.standard_normal(count)
    slope_y = tracks.py / forward + detector.angle_resolution * random.standard_normal(count)
    pz = momentum / np.sqrt(1 + slope_x**2 + slope_y**2)
    return Tracks(slope_x * pz, slope_y * pz, pz)


def _measured_hadrons(
    events: Table, muon: Tracks, inclusive: Kinematics, detector: Detector, random: np.random.Generator
) -> Table:
    """Reduce the lists of all particles to those of measured hadrons."""
    pid = events.members["pid"]
    truth = Tracks(*(events.members[axis].astype(np.float64) for axis in ("px", "py", "pz")))
    tracks = smeared(truth, detector, random)
    seen = np.isin(np.abs(pid), MEASURED) & accepted(truth, detector)
    seen &= random.random(len(pid)) < detector.hadron_efficiency
    event = np.repeat(np.arange(len(events)), events.counts)
    z, pT2 = against_photon(tracks, event, muon, inclusive)
    every = {"charge": np.sign(pid), "px": tracks.px, "py": tracks.py, "pz": tracks.pz, "z": z, "pT2": pT2}
    members = {name: column[seen] for name, column in {**every, "truth_pid": pid}.items()}
    return replace(events, counts=np.bincount(event[seen], minlength=len(events)), members=members)


def against_photon(
    hadrons: Tracks, event: NDArray[np.intp], muon: Tracks, inclusive: Kinematics
) -> tuple[Floats, Floats]:
    """Work out z and pT2 in (GeV/c)2 of hadrons with respect to the virtual photon of their event.

    Hadrons are not identified, so each is taken for a pion, as in COMPASS's analyses of unidentified
    hadrons. ``event`` gives each hadron's place in ``muon`` and ``inclusive``.
    """
    nu = inclusive.nu[event]
    photon = Tracks(-muon.px[event], -muon.py[event], BEAM_MOMENTUM - muon.pz[event])
    along = (hadrons.px * photon.px + hadrons.py * photon.py + hadrons.pz * photon.pz) / photon.momentum
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.sqrt(hadrons.momentum**2 + PION_MASS**2) / nu
    return z, np.maximum(hadrons.momentum**2 - along**2, 0.0)
