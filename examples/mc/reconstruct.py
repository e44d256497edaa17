"""Reconstruction: generated events through the detector model to mDST, histograms and event dump."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from . import event_dump, histograms, layouts, provenance
from .detector import COMPASS, Detector, Measured, measure, random_stream
from .errors import PayloadFailed
from .kinematics import deep_inelastic
from .progress import say, say_progress
from .root_file import Table, TableWriter, events_in, origin_of, reading, tables_in
from .whole_file import written_whole

BATCH = 500
"""Events per step. Part of the result: random numbers are drawn batch by batch."""
DUMP_Q2 = 10.0
"""Events above this virtuality, in (GeV/c)2, go to the event dump."""


@dataclass(frozen=True)
class Order:
    """What to reconstruct: the chunk, and under which slot and PHAST version."""

    run: int
    chunk: int
    slot: int
    phast: int
    dump_q2: float = DUMP_Q2
    """Lowest Q2 of the events in the dump, in (GeV/c)2."""


@dataclass(frozen=True)
class Outputs:
    """Where the three files of a reconstruction go."""

    mdst: Path
    histograms: Path
    event_dump: Path


class _Products:
    """The three files while they are being written, under their temporary names."""

    def __init__(self, mdst: Path, histogram_file: Path, dump: BinaryIO) -> None:
        self.mdst = TableWriter(mdst, layouts.MDST)
        self.histogram_file = histogram_file
        self.histograms = histograms.booked()
        self.dump = dump
        self.dumped = 0

    def add(self, events: Table, dump_q2: float) -> None:
        self.mdst.append(events)
        histograms.fill(self.histograms, events)
        for body in event_dump.bodies(events.select(events.scalars["Q2"] > dump_q2)):
            event_dump.append(self.dump, body)
            self.dumped += 1

    def close(self, origin: str) -> None:
        self.mdst.close(origin)
        histograms.write(self.histogram_file, self.histograms, origin)
        self.dump.close()


def reconstruct(order: Order, source: Path, outputs: Outputs, detector: Detector = COMPASS) -> int:
    """Write the three products of one chunk; answer the number of events in its mDST."""
    _check_distinct(source, outputs)
    with ExitStack() as whole:
        mdst, histogram_file, dump_file = (
            whole.enter_context(written_whole(path)) for path in (outputs.mdst, outputs.histograms, outputs.event_dump)
        )
        dump = whole.enter_context(dump_file.open("wb"))
        dump.write(event_dump.HEADER)
        products = _Products(mdst, histogram_file, dump)
        generated = _process(order, source, products, detector)
        kept = products.mdst.events
        origin = provenance.Reconstructed(order.slot, order.phast, generated, kept, ((order.run, order.chunk),))
        products.close(provenance.to_text(origin))
        products.mdst.verify()
        histograms.verify(histogram_file, products.histograms)
        event_dump.verify(dump_file, products.dumped)
    say(f"{products.dumped} events had been written to the event dump")
    say(f"{kept} events had been written to miniDST")
    return kept


def _process(order: Order, source: Path, products: _Products, detector: Detector) -> int:
    """Read all events and add what is kept of them to the products; answer how many were read."""
    read = 0
    for events, done in measured(order.run, order.chunk, source, detector):
        products.add(events, order.dump_q2)
        read = done
    return read


def measured(run: int, chunk: int, source: Path, detector: Detector) -> Iterator[tuple[Table, int]]:
    """Let the generated events of a chunk pass the detector, batch by batch, and say how far the work is.

    Yields:
        The events that are kept, and how many were read up to now.
    """
    random, done = random_stream(run, chunk), 0
    with reading(source) as file:
        total = _checked_total(file, run, chunk, source)
        for events in tables_in(file, layouts.GENERATED, BATCH):
            done += len(events)
            yield _kept(events, measure(events, detector, random)), done
            say_progress("Events", done, total)


def _kept(events: Table, measured: Measured) -> Table:
    """Make mDST events of those whose muon was seen and that pass the cuts as measured."""
    inclusive = measured.inclusive
    scalars = {
        **{name: events.scalars[name] for name in layouts.EVENT_ID},
        **{name: getattr(inclusive, name) for name in layouts.INCLUSIVE},
        **{f"mu_{axis}": getattr(measured.muon, axis) for axis in ("px", "py", "pz")},
        **{f"truth_{name}": events.scalars[name] for name in layouts.INCLUSIVE},
    }
    table = Table(scalars, measured.hadrons.counts, measured.hadrons.members)
    return table.select(measured.muon_seen & deep_inelastic(inclusive))


def _checked_total(file: Any, run: int, chunk: int, source: Path) -> int:
    """Refuse a file of another chunk, or one that does not hold what it says; answer its number of events."""
    origin = provenance.generated_from(origin_of(file, source), str(source))
    if (origin.run, origin.chunk) != (run, chunk):
        raise PayloadFailed(
            f"{source} holds run {origin.run}, chunk {origin.chunk}, not run {run}, chunk {chunk}",
            "give the generated file of this chunk",
        )
    total = events_in(file, layouts.GENERATED, source)
    if total != origin.events:
        raise PayloadFailed(f"{source} holds {total} events, but says {origin.events}", "fetch or make it again")
    return total


def _check_distinct(source: Path, outputs: Outputs) -> None:
    paths = [source, outputs.mdst, outputs.histograms, outputs.event_dump]
    if len({path.absolute() for path in paths}) < len(paths):
        raise PayloadFailed("two of the four files have the same name", "give each file a name of its own")
