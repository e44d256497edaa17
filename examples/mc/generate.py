"""Generation: mu+ p deep-inelastic scattering at 160 GeV on a fixed target, with Pythia 8."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pythia8mc

from . import layouts, provenance
from .errors import PayloadFailed
from .kinematics import BEAM_ENERGY, PROTON_MASS, Q2_MIN, deep_inelastic, scattering
from .progress import say, say_progress
from .root_file import Table, TableWriter
from .whole_file import written_whole

BATCH = 500
"""Events per write: bounds the memory, and sets how often progress is told."""
HIGHEST_SEED = 900_000_000
"""Pythia's own limit (manual, "Random-Number Seed")."""
ANTIMUON = -13

SETTINGS = (
    "Print:quiet = on",
    "Beams:frameType = 2",
    f"Beams:idA = {ANTIMUON}",
    "Beams:idB = 2212",
    f"Beams:eA = {BEAM_ENERGY}",
    f"Beams:eB = {PROTON_MASS}",
    # Neutral current only; the recoil and the shower's start are what the manual asks of deep-inelastic scattering.
    "WeakBosonExchange:ff2ff(t:gmZ) = on",
    f"PhaseSpace:Q2Min = {Q2_MIN}",
    "SpaceShower:dipoleRecoil = on",
    "SpaceShower:pTmaxMatch = 2",
    # No radiation off the muon: y and Q2 are then those of the scattered muon.
    "PDF:lepton = off",
    "TimeShower:QEDshowerByL = off",
    # Pythia's usual lower limits lie above most of the events at this energy.
    "PhaseSpace:pTHatMinDiverge = 0.5",
    "PhaseSpace:mHatMin = 1.0",
    "Random:setSeed = on",
)


@dataclass(frozen=True)
class Order:
    """What to generate."""

    run: int
    chunk: int
    seed: int
    events: int


@dataclass
class _Collected:
    """The events since the last write, as Python numbers."""

    muons: list[tuple[float, float, float]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    particles: list[tuple[int, float, float, float, float]] = field(default_factory=list)

    def add(self, event: Any) -> None:
        """Take one event of Pythia's: the scattered muon apart, every other final particle in order."""
        final = [particle for particle in event if particle.isFinal()]
        muon = next(particle for particle in final if particle.id() == ANTIMUON)
        others = [(p.id(), p.px(), p.py(), p.pz(), p.m()) for p in final if p is not muon]
        self.muons.append((muon.px(), muon.py(), muon.pz()))
        self.counts.append(len(others))
        self.particles.extend(others)


def generate(order: Order, output: Path) -> int:
    """Write exactly ``order.events`` events that pass the cuts to ``output``; answer their number.

    Events are numbered from 1. The same seed gives the same events with the same version of Pythia,
    and a longer chunk begins with the events of a shorter one.
    """
    generator = _started(order.seed)
    attempts = tried = 0
    with written_whole(output) as part:
        writer = TableWriter(part, layouts.GENERATED)
        while writer.events < order.events:
            table, made = _accepted(order, _collected(generator), already=writer.events)
            attempts, tried = attempts + BATCH, tried + made
            writer.append(table)
            check_yield(writer.events, attempts)
            say_progress("Events", writer.events, order.events)
        writer.close(provenance.to_text(_origin(order, generator, tried)))
        writer.verify()
    say(f"Number of events generated : {order.events}")
    return order.events


def _started(seed: int) -> Any:
    """Start Pythia with our settings and this seed; takes about 0.2 s."""
    if not 1 <= seed <= HIGHEST_SEED:
        raise PayloadFailed(f"seed {seed} is out of range", f"give a seed from 1 to {HIGHEST_SEED}")
    generator = pythia8mc.Pythia("", False)
    for setting in (*SETTINGS, f"Random:seed = {seed}"):
        if not generator.readString(setting):
            raise PayloadFailed(f"Pythia refuses the setting '{setting}'", "install the pythia8mc of this release")
    if not generator.init():
        raise PayloadFailed("Pythia does not start", "read its messages above")
    return generator


def _collected(generator: Any) -> _Collected:
    """Let Pythia make the next events. It skips, now and then, one that it cannot complete."""
    collected = _Collected()
    for _ in range(BATCH):
        if generator.next():
            collected.add(generator.event)
    return collected


def _accepted(order: Order, collected: _Collected, *, already: int) -> tuple[Table, int]:
    """Keep events that pass the cuts, no more than are wanted; answer also how many were looked at for them."""
    muons = np.array(collected.muons, np.float64).reshape(-1, 3)
    px, py, pz = muons.T
    found = scattering(px, py, pz)
    kept = np.flatnonzero(deep_inelastic(found))[: order.events - already]
    full = already + len(kept) == order.events
    made = int(kept[-1]) + 1 if full else len(muons)
    wanted = np.zeros(len(muons), np.bool_)
    wanted[kept] = True
    particles = np.array(collected.particles, np.float64).reshape(-1, 5)
    everything = Table(
        {
            **{name: np.full(len(muons), number) for name, number in (("run", order.run), ("chunk", order.chunk))},
            "event": already + np.cumsum(wanted),
            **{name: getattr(found, name) for name in layouts.INCLUSIVE},
            **dict(zip(layouts.MUON, (px, py, pz), strict=True)),
        },
        np.array(collected.counts, np.int64),
        dict(zip(layouts.GENERATED.members, particles.T, strict=True)),
    )
    return everything.select(wanted), made


def check_yield(events: int, attempts: int) -> None:
    """Stop a generation that would never end; about every second event passes the cuts."""
    if attempts > 100 * (events + BATCH):
        raise PayloadFailed(
            f"only {events} of {attempts} events of Pythia's pass the cuts", "check its settings and kinematics.py"
        )


def _origin(order: Order, generator: Any, tried: int) -> provenance.Generated:
    return provenance.Generated(
        run=order.run,
        chunk=order.chunk,
        seed=order.seed,
        events=order.events,
        tried=tried,
        generator=f"Pythia {generator.parm('Pythia:versionNumber'):.3f}",
        cross_section_mb=float(generator.infoPython().sigmaGen()),
    )
