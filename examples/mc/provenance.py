"""Where the contents of a file come from, as the JSON text kept in the file under the name ``provenance``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .errors import PayloadFailed

KEY = "provenance"
Chunk = tuple[int, int]
"""Run number and chunk number."""


@dataclass(frozen=True)
class Generated:
    """How one file of generated events was made."""

    run: int
    chunk: int
    seed: int
    events: int
    tried: int
    """Events that Pythia made, the ones outside the cuts included."""
    generator: str
    cross_section_mb: float
    """Pythia's estimate before our cuts on y and W, in millibarn."""


@dataclass(frozen=True)
class Reconstructed:
    """What an mDST or histogram file holds: one chunk, or the chunks that were merged into it."""

    slot: int
    phast: int
    generated: int
    """Events that were read."""
    events: int
    """Events that were kept."""
    chunks: tuple[Chunk, ...]


def to_text(record: Generated | Reconstructed) -> str:
    """Write a record as one line of JSON."""
    return json.dumps({"kind": type(record).__name__, **asdict(record)}, sort_keys=True)


def generated_from(text: str, source: str) -> Generated:
    """Read back what `to_text` wrote of a generated file; ``source`` names the file in errors."""
    fields = _fields(text, Generated.__name__, source)
    try:
        return Generated(**fields)
    except TypeError as bad:
        raise _foreign(source, f"{bad}") from bad


def reconstructed_from(text: str, source: str) -> Reconstructed:
    """Read back what `to_text` wrote of an mDST or histogram file; ``source`` names the file in errors."""
    fields = _fields(text, Reconstructed.__name__, source)
    try:
        chunks = tuple((int(run), int(chunk)) for run, chunk in fields.pop("chunks"))
        return Reconstructed(chunks=chunks, **fields)
    except (KeyError, TypeError, ValueError) as bad:
        raise _foreign(source, f"{bad}") from bad


def joined(parts: Sequence[tuple[str, Reconstructed]]) -> Reconstructed:
    """Describe the merge of files, at least one; each part is the file's name and what it holds.

    Raises:
        PayloadFailed: a chunk would be counted twice, or the files are of different slots or PHAST versions.
    """
    first_name, first = parts[0]
    origin: dict[Chunk, str] = {}
    generated = events = 0
    for name, part in parts:
        if (part.slot, part.phast) != (first.slot, first.phast):
            raise PayloadFailed(
                f"{name} is of slot {part.slot}, PHAST {part.phast}, "
                f"but {first_name} is of slot {first.slot}, PHAST {first.phast}",
                "merge files of one slot and one PHAST version",
            )
        for chunk in part.chunks:
            if chunk in origin:
                raise PayloadFailed(
                    f"chunk {chunk[1]} of run {chunk[0]} is in {origin[chunk]} and again in {name}",
                    "give each chunk once",
                )
            origin[chunk] = name
        generated += part.generated
        events += part.events
    return Reconstructed(first.slot, first.phast, generated, events, tuple(sorted(origin)))


def _fields(text: str, kind: str, source: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError as bad:
        raise _foreign(source, f"{bad}") from bad
    if not isinstance(fields, dict) or fields.pop("kind", None) != kind:
        raise _foreign(source, f"it is not of kind {kind}")
    return fields


def _foreign(source: str, why: str) -> PayloadFailed:
    return PayloadFailed(f"{source} has no usable {KEY} ({why})", "give a file that compass-mc wrote for this step")
