"""Filtering: of a chunk's events only those that go to the event dump, as the experiment's decoder picks them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import event_dump
from .detector import COMPASS, Detector
from .errors import PayloadFailed
from .progress import say
from .reconstruct import DUMP_Q2, measured
from .whole_file import written_whole


@dataclass(frozen=True)
class Order:
    """Which chunk to filter."""

    run: int
    chunk: int
    dump_q2: float = DUMP_Q2
    """Lowest Q2 of the events in the dump, in (GeV/c)2."""


def keep_events(order: Order, source: Path, output: Path, detector: Detector = COMPASS) -> int:
    """Write the event dump of one chunk, the same as its reconstruction writes; answer the number of its events."""
    if source.absolute() == output.absolute():
        raise PayloadFailed(f"{output} is the input, too", "give the event dump a name of its own")
    kept = 0
    with written_whole(output) as part:
        with part.open("wb") as dump:
            dump.write(event_dump.HEADER)
            for events, _ in measured(order.run, order.chunk, source, detector):
                for body in event_dump.bodies(events.select(events.scalars["Q2"] > order.dump_q2)):
                    event_dump.append(dump, body)
                    kept += 1
        event_dump.verify(part, kept)
    say(f"Number of events in the dump : {kept}")
    return kept
