"""How many events a COMPASS program has processed and written, from the lines it prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional

from pilot.user.output import blocks_of_lines, tail

#: How much of the output's end is read for the progress, in bytes.
LOOK_BACK = 65536

#: Reconstruction, merging (phast -m), generation: what each says of the events that it has written.
_WRITTEN = re.compile(
    rb"(?:^|(?<=\s))(\d+) events had been written to miniDST"
    rb"|Number of events saved to output : (\d+)"
    rb"|Number of events (?:generated|in the histograms|in the dump) : (\d+)"
)
_PROGRESS = re.compile(rb"Events processed : (\d+)(?: of (\d+))?")


def written(stdout: Path) -> Optional[int]:
    """Answer how many events a program says that it wrote, in its last such line; ``None`` when it says nothing."""
    count = None
    for block in blocks_of_lines(stdout):
        for found in _WRITTEN.finditer(block):
            count = _number(found)
    return count


def progress(stdout: Path) -> Optional[tuple[int, Optional[int]]]:
    """Answer (events done, events in all) from the output's end; ``None`` when nothing is said there.

    A line that is not whole yet does not count: its number may still grow.
    """
    end = tail(stdout, LOOK_BACK).rpartition(b"\n")[0]
    if said := list(_PROGRESS.finditer(end)):
        done, total = said[-1].groups()
        return int(done), int(total) if total else None
    if counts := list(_WRITTEN.finditer(end)):
        return _number(counts[-1]), _number(counts[-1])
    return None


def _number(found: re.Match[bytes]) -> int:
    return int(next(digits for digits in found.groups() if digits))
