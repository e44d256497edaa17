"""The event dump: selected events in a compact binary form, each with its own checksum.

A dump is a header of 33 bytes and then records: the length of the body (4 bytes), the body, and its CRC-32
(4 bytes), little-endian throughout. A dump without events is its header, the 33-byte marker that the
production system knows.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .errors import PayloadFailed
from .root_file import Table

HEADER = b"COMPASS-PILOT-MC EVENT DUMP v1.0\n"
EMPTY_SIZE = 33
"""Size in bytes of a dump without events."""
WORD = struct.Struct("<I")
EVENT = struct.Struct("<iii4f3fH")
"""Run, chunk, event, Q2, x, y, W, muon px, py, pz, number of hadrons."""
HADRON = struct.Struct("<b3f")
"""Charge, px, py, pz."""
LONGEST_BODY = EVENT.size + 65_535 * HADRON.size


@dataclass(frozen=True)
class Record:
    """One event of a dump. Units as in the mDST: GeV/c, (GeV/c)2, GeV/c2."""

    run: int
    chunk: int
    event: int
    inclusive: tuple[float, ...]
    """Q2, x, y, W."""
    muon: tuple[float, ...]
    hadrons: tuple[tuple[int, float, float, float], ...]


def bodies(events: Table) -> Iterator[bytes]:
    """Pack the events of an mDST table, one body each."""
    scalars = [events.scalars[name].tolist() for name in ("run", "chunk", "event", "Q2", "x", "y", "W")]
    muons = [events.scalars[name].tolist() for name in ("mu_px", "mu_py", "mu_pz")]
    hadrons = list(zip(*(events.members[name].tolist() for name in ("charge", "px", "py", "pz")), strict=True))
    start = 0
    for count, values in zip(events.counts.tolist(), zip(*scalars, *muons, strict=True), strict=True):
        own = hadrons[start : start + count]
        yield EVENT.pack(*values, count) + b"".join(HADRON.pack(*hadron) for hadron in own)
        start += count


def unpacked(body: bytes) -> Record:
    """Read one body back."""
    run, chunk, event, *values, count = EVENT.unpack_from(body)
    hadrons = tuple(HADRON.iter_unpack(body[EVENT.size : EVENT.size + count * HADRON.size]))
    return Record(run, chunk, event, tuple(values[:4]), tuple(values[4:]), hadrons)


def chunk_of(body: bytes) -> tuple[int, int]:
    """Read only the run and the chunk of a body."""
    run, chunk = struct.unpack_from("<ii", body)
    return run, chunk


def append(output: BinaryIO, body: bytes) -> None:
    """Write one record."""
    output.write(WORD.pack(len(body)) + body + WORD.pack(zlib.crc32(body)))


def read_bodies(path: Path) -> Iterator[bytes]:
    """Read a dump record by record, each verified against its checksum.

    Raises:
        PayloadFailed: the file is missing, is no dump, ends too early, or a record is damaged.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(HEADER)) != HEADER:
                raise _damaged(path, "it does not begin as an event dump does")
            while start := file.read(WORD.size):
                yield _body(file, start, path)
    except FileNotFoundError as missing:
        raise PayloadFailed(f"{path} does not exist", "check the name, or the stage-in of this file") from missing


def verify(path: Path, events: int) -> None:
    """Read a dump again and compare the number of its events."""
    found = sum(1 for _ in read_bodies(path))
    if found != events:
        raise PayloadFailed(f"{path} holds {found} events, but {events} were written", "check the disk, and run again")


def _body(file: BinaryIO, start: bytes, path: Path) -> bytes:
    if len(start) < WORD.size:
        raise _damaged(path, "it ends within a record")
    (size,) = WORD.unpack(start)
    if not EVENT.size <= size <= LONGEST_BODY:
        raise _damaged(path, f"a record of {size} bytes is impossible")
    body, checksum = file.read(size), file.read(WORD.size)
    if len(checksum) < WORD.size:
        raise _damaged(path, "it ends within a record")
    if WORD.unpack(checksum)[0] != zlib.crc32(body):
        raise _damaged(path, "a record's checksum is wrong")
    return body


def _damaged(path: Path, why: str) -> PayloadFailed:
    return PayloadFailed(f"{path} is no usable event dump ({why})", "the file is damaged: fetch or make it again")
