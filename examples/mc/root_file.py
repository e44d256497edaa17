"""Reading and writing ROOT files in bounded pieces: one table of events per file, beside a text on its origin."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward
import numpy as np
import uproot
from numpy.typing import NDArray

from . import provenance
from .errors import PayloadFailed

Column = NDArray[Any]

# What uproot lets through when the bytes of a file make no sense; all of it means the same to the reader.
UNREADABLE = (
    uproot.deserialization.DeserializationError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    AssertionError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class Layout:
    """The branches of a TTree: one value per event each, and one group of lists of equal length."""

    tree: str
    title: str
    scalars: Mapping[str, str]
    """Branch name -> numpy type."""
    group: str
    """The lists' branches are ``{group}_{member}``, their length is in ``n{group}``."""
    members: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """Some consecutive events: n values per scalar, n list lengths, and the lists' values one after the other."""

    scalars: Mapping[str, Column]
    counts: Column
    members: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.counts)

    def select(self, events: NDArray[np.bool_]) -> Table:
        """Keep the events that are marked, with their lists."""
        members = np.repeat(events, self.counts)
        return Table(
            {name: column[events] for name, column in self.scalars.items()},
            self.counts[events],
            {name: column[members] for name, column in self.members.items()},
        )


def joined(tables: list[Table]) -> Table:
    """Put tables of one layout one after the other; at least one is needed."""
    return Table(
        {name: np.concatenate([part.scalars[name] for part in tables]) for name in tables[0].scalars},
        np.concatenate([part.counts for part in tables]),
        {name: np.concatenate([part.members[name] for part in tables]) for name in tables[0].members},
    )


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Open a ROOT file for reading; whatever its bytes provoke becomes an error that names the file.

    The block should do nothing but read, or it will be blamed on the file; a generator that yields
    what it reads is a good place.
    """
    try:
        with uproot.open(path, num_workers=1) as file:
            if file.file.fEND > path.stat().st_size:
                raise EOFError(f"it should have {file.file.fEND} bytes, but ends after {path.stat().st_size}")
            yield file
    except FileNotFoundError as missing:
        raise PayloadFailed(f"{path} does not exist", "check the name, or the stage-in of this file") from missing
    except UNREADABLE as bad:
        why = (str(bad).strip().splitlines() or ["no reason given"])[0]
        raise PayloadFailed(
            f"{path} cannot be read ({type(bad).__name__}: {why})", "the file is damaged: fetch or make it again"
        ) from bad


class TableWriter:
    """Appends tables to the TTree of a new ROOT file; counts what it was given, to be checked afterwards."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self.layout = layout
        self.events = 0
        self.entries = 0
        self._file: Any = uproot.recreate(path)
        record = ", ".join(f"{name}: {kind}" for name, kind in layout.members.items())
        lists = awkward.types.from_datashape(f"var * {{{record}}}", highlevel=False)
        self._tree = self._file.mktree(layout.tree, {**layout.scalars, layout.group: lists}, title=layout.title)

    def append(self, table: Table) -> None:
        """Write some events; each call costs a fixed amount of memory on top of the table."""
        if not len(table):
            return
        layout = self.layout
        scalars = {name: np.asarray(table.scalars[name], dtype) for name, dtype in layout.scalars.items()}
        lists = {
            name: awkward.unflatten(np.asarray(table.members[name], dtype), table.counts)
            for name, dtype in layout.members.items()
        }
        self._tree.extend({**scalars, layout.group: awkward.zip(lists)})
        self.events += len(table)
        self.entries += int(table.counts.sum())

    def close(self, origin: str) -> None:
        """Write the text on the origin and end the file."""
        self._file[provenance.KEY] = origin
        self._file.close()

    def verify(self) -> None:
        """Open the file again, read the list lengths of all events, and compare with what was written."""
        events = entries = 0
        counter = f"n{self.layout.group}"
        with reading(self.path) as file:
            for counts in file[self.layout.tree].iterate([counter], step_size=100_000, library="np"):
                events += len(counts[counter])
                entries += int(counts[counter].sum())
        if (events, entries) != (self.events, self.entries):
            raise PayloadFailed(
                f"{self.path} holds {events} events with {entries} {self.layout.group}s, "
                f"but {self.events} with {self.entries} were written",
                "check the disk, and run the job again",
            )


def origin_of(file: Any, path: Path) -> str:
    """Read the text on the origin of an open file."""
    try:
        return str(file[provenance.KEY])
    except KeyError as missing:
        raise PayloadFailed(f"{path} has no {provenance.KEY}", "give a file that compass-mc wrote") from missing


def events_in(file: Any, layout: Layout, path: Path) -> int:
    """Count the events in an open file; refuse one without our TTree."""
    if layout.tree not in file:
        raise PayloadFailed(f"{path} has no TTree '{layout.tree}'", "give a file of the right kind")
    return int(file[layout.tree].num_entries)


def tables_in(file: Any, layout: Layout, step: int) -> Iterator[Table]:
    """Read an open file's events, ``step`` at a time."""
    counter = f"n{layout.group}"
    members = {name: f"{layout.group}_{name}" for name in layout.members}
    branches = [*layout.scalars, counter, *members.values()]
    for events in file[layout.tree].iterate(branches, step_size=step, library="ak"):
        yield Table(
            {name: awkward.to_numpy(events[name]) for name in layout.scalars},
            awkward.to_numpy(events[counter]),
            {name: awkward.to_numpy(awkward.flatten(events[branch])) for name, branch in members.items()},
        )
