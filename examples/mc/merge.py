"""Merging: a run's mDSTs into one, its histograms into their sum, its event dumps into one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import event_dump, histograms, layouts, provenance
from .errors import PayloadFailed
from .progress import say, say_progress
from .root_file import Table, TableWriter, events_in, joined, origin_of, reading, tables_in
from .whole_file import written_whole

STEP = 20_000
"""Events held at once while mDSTs are merged."""
SIZE_LIMIT = 6_000_000_000
"""Largest sum of the inputs' sizes in bytes that is merged unless another limit is given."""


def check_size(inputs: Sequence[Path], limit: int) -> None:
    """Refuse to merge more than ``limit`` bytes, before anything is written."""
    total = sum(_size(path) for path in inputs)
    if total > limit:
        raise PayloadFailed(
            f"the {len(inputs)} inputs have {total} bytes, more than the limit of {limit}",
            "merge fewer files, or raise --max-size or PHAST_mDST_MAX_SIZE",
        )


def merge_mdst(inputs: Sequence[Path], output: Path) -> int:
    """Put mDSTs one after the other; answer the number of events."""
    parts: list[tuple[str, provenance.Reconstructed]] = []
    with written_whole(output) as part:
        writer = TableWriter(part, layouts.MDST)
        for table in _coalesced(_mdst_tables(inputs, parts)):
            writer.append(table)
        origin = provenance.joined(parts)
        if writer.events != origin.events:
            raise PayloadFailed(
                f"the inputs say {origin.events} events, but {writer.events} were read", "make the inputs again"
            )
        writer.close(provenance.to_text(origin))
        writer.verify()
    say(f"Number of events saved to output : {writer.events}")
    return writer.events


def merge_histograms(inputs: Sequence[Path], output: Path) -> int:
    """Sum histograms bin by bin, under- and overflow included; answer the number of events in them."""
    total: histograms.Histograms = {}
    parts: list[tuple[str, provenance.Reconstructed]] = []
    for path in _each(inputs):
        with reading(path) as file:
            parts.append((str(path), origin := _origin(file, path)))
            found = histograms.read(file, path)
        histograms.check_events(found, origin.events, path)
        total = histograms.add(total, found, str(path)) if total else found
    merged = provenance.joined(parts)
    with written_whole(output) as part:
        histograms.write(part, total, provenance.to_text(merged))
        histograms.verify(part, total)
    say(f"Number of events in the histograms : {merged.events}")
    return merged.events


def merge_event_dump(inputs: Sequence[Path], output: Path) -> int:
    """Put event dumps one after the other, leaving out the empty ones; answer the number of events."""
    events = 0
    origin: dict[provenance.Chunk, Path] = {}
    with written_whole(output) as part:
        with part.open("wb") as merged:
            merged.write(event_dump.HEADER)
            for path in _each(inputs):
                for body in event_dump.read_bodies(path):
                    _check_once(event_dump.chunk_of(body), path, origin)
                    event_dump.append(merged, body)
                    events += 1
        event_dump.verify(part, events)
    say(f"Number of events in the dump : {events}")
    return events


MERGES = {"mdst": merge_mdst, "histograms": merge_histograms, "event-dump": merge_event_dump}


def merge(kind: str, inputs: Sequence[Path], output: Path, *, limit: int = SIZE_LIMIT) -> int:
    """Merge files of one kind (a key of `MERGES`); answer the number of events.

    Memory does not grow with the size of the inputs, and hardly with their number.
    """
    if not inputs:
        raise PayloadFailed("there is nothing to merge", "give at least one input file")
    if output.absolute() in {path.absolute() for path in inputs}:
        raise PayloadFailed(f"{output} is an input too", "give the output a name of its own")
    check_size(inputs, limit)
    return MERGES[kind](inputs, output)


def _each(inputs: Sequence[Path]) -> Iterator[Path]:
    """Go through the inputs, telling how far the work is after each."""
    for number, path in enumerate(inputs, start=1):
        yield path
        say_progress("Files", number, len(inputs))


def _mdst_tables(inputs: Sequence[Path], parts: list[tuple[str, provenance.Reconstructed]]) -> Iterator[Table]:
    """Read the inputs' events; what each file says of itself is added to ``parts``."""
    for path in _each(inputs):
        with reading(path) as file:
            origin = _origin(file, path)
            parts.append((str(path), origin))
            total = events_in(file, layouts.MDST, path)
            if total != origin.events:
                raise PayloadFailed(f"{path} holds {total} events, but says {origin.events}", "fetch or make it again")
            yield from tables_in(file, layouts.MDST, STEP)


def _coalesced(tables: Iterator[Table]) -> Iterator[Table]:
    """Join small tables: many small inputs then cost no more to write, and to read later, than one large one."""
    waiting: list[Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= STEP:
            yield joined(waiting)
            waiting = []
    if waiting:
        yield joined(waiting)


def _origin(file: Any, path: Path) -> provenance.Reconstructed:
    return provenance.reconstructed_from(origin_of(file, path), str(path))


def _check_once(chunk: provenance.Chunk, path: Path, origin: dict[provenance.Chunk, Path]) -> None:
    if origin.setdefault(chunk, path) is not path:
        raise PayloadFailed(
            f"chunk {chunk[1]} of run {chunk[0]} is in {origin[chunk]} and again in {path}", "give each chunk once"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as missing:
        raise PayloadFailed(f"{path} does not exist", "check the name, or the stage-in of this file") from missing
