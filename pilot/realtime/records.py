"""What a log service is told: a record for each line, with PanDA's names and a number that shows gaps. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

Record = Mapping[str, Any]
#: Longer lines are told in parts, in characters: services refuse records of more than some tens of kilobytes.
LONGEST = 8192


class Origin(NamedTuple):
    """Whose lines they are."""

    job: int
    attempt: int
    task: Optional[int] = None
    harvester: str = ""
    worker: Optional[int] = None


class Lines(NamedTuple):
    """Lines of one file; the first has this number, from 1 on. ``dropped``: so many before it were left out."""

    file: str
    first: int
    texts: Sequence[str]
    dropped: int = 0


def records_of(origin: Origin, lines: Lines, now: float) -> list[Record]:
    """Write the records of some lines. ``now`` is seconds since 1970.

    A line that is too long has one record for each part of it, all with the line's number, and ``part`` from 1 on.
    """
    same = {
        "TaskID": origin.task,
        "PandaJobID": origin.job,
        "Harvester_ID": origin.harvester,
        "Harvester_WorkerID": origin.worker,
        "PilotTimeStamp": now,
        "attempt": origin.attempt,
        "file": lines.file,
    }
    found: list[Record] = []
    if lines.dropped:
        words = f"({lines.dropped} lines were left out: the log service was too slow, or away)"
        found.append({**same, "sequence": lines.first - 1, "message": words, "dropped": lines.dropped})
    for number, text in enumerate(lines.texts, lines.first):
        found += _parts({**same, "sequence": number}, text)
    return found


def _parts(same: Record, text: str) -> list[Record]:
    if len(text) <= LONGEST:
        return [{**same, "message": text}]
    cuts = range(0, len(text), LONGEST)
    return [{**same, "message": text[at : at + LONGEST], "part": part} for part, at in enumerate(cuts, 1)]


def as_line(record: Record) -> bytes:
    """Write a record as one line of JSON, without the line's end."""
    return json.dumps(record, separators=(",", ":")).encode()
