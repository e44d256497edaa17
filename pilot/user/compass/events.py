"""How many events a COMPASS program has processed and written, from the lines it prints."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from pilot.contract.job import JobSpec
from pilot.user.compass.kinds import EVERY_COUNT, Count, kind_of, own_kind_of
from pilot.user.output import blocks_of_lines, tail

log = logging.getLogger(__name__)

#: How much of the output's end is read for the progress, in bytes.
LOOK_BACK = 65536

_PROGRESS = re.compile(rb"Events processed : (\d{1,18})(?: of (\d{1,18}))?")


def written(stdout: Path, lines: Sequence[Count] = EVERY_COUNT) -> Optional[int]:
    """Answer how many events a program says that it wrote, in its last such line; ``None`` when it says nothing."""
    last = None
    for block in blocks_of_lines(stdout):
        count = _last_count(block, lines)
        last = last if count is None else count
    return last


def _last_count(said: bytes, lines: Sequence[Count] = EVERY_COUNT) -> Optional[int]:
    if not any(line.text in said for line in lines):  # a hundred times as fast as the patterns
        return None
    every = list(re.finditer(b"|".join(line.pattern for line in lines), said))
    return int(next(filter(None, every[-1].groups()))) if every else None


def metrics(spec: JobSpec, stdout: Path) -> dict[str, int]:
    """Answer the figures of the final report: events written; of a merge, also what its inputs hold and what is lost.

    A merge that loses events is told, and not failed: the production's cross-check judges the whole run.
    """
    kind = kind_of(spec)
    count = written(stdout, kind.counted if kind else EVERY_COUNT)
    if count is None:
        return {}
    found = {"nEvents": count}
    expected = _expected(spec)
    if expected is not None:
        found["eventsExpected"] = expected
        if lost := expected - count:
            found["eventsLost"] = lost
            log.warning("job %d.%d: the inputs hold %d events, %d were written", *spec.key, expected, count)
    return found


def _expected(spec: JobSpec) -> Optional[int]:
    """Answer how many events the inputs of a merge hold, as its order says."""
    kind = own_kind_of(spec)
    if kind is None or not kind.merges:
        return None
    from pilot.user.compass import orders

    return orders.read(kind, spec.arguments).expected_events


def progress(stdout: Path) -> Optional[tuple[int, Optional[int]]]:
    """Answer (events done, events in all) from the output's end; ``None`` when nothing is said there.

    A line that is not whole yet does not count: its number may still grow.
    """
    end = tail(stdout, LOOK_BACK).rpartition(b"\n")[0]
    if said := list(_PROGRESS.finditer(end)):
        done, total = said[-1].groups()
        return int(done), int(total) if total else None
    count = _last_count(end)
    return None if count is None else (count, count)
