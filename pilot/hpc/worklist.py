"""The work list of an allocation: what each rank runs. Written by the pilot, read by the ranks.

One file: a head, then one line per payload. All lines are as long as the longest one, so that each of ten thousand
ranks reads its own and no other. Arguments and environments, which may be long, are files of their own (mode 0600, as
all is).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pilot.runtime.workdir import write_new

NAME = "worklist"
REPORTS = "reports"
STOPS = "stops"
#: Here stands which lines were begun: a rank that is started twice runs nothing the second time.
BEGUN = "begun"
#: What the pilot makes of a work list that it takes away.
WITHDRAWN = "worklist.withdrawn"
COMMANDS = "commands"
#: Through it ranks of the pilot's own node say at once that a report is there.
POKE = "poke"
#: No head and no line is longer, in bytes.
LONGEST = 2**24
VERSION = 1


class Head(NamedTuple):
    """What holds for all ranks. Times are seconds.

    ``name`` is the allocation's. Ranks have ``wall_time`` from the moment they start, less ``reserve`` for reporting;
    ``stop_look`` is the time between two looks whether a payload is to be ended. ``node_folder``: where each node has a
    folder of its own for the allocation; empty: where temporary files go.
    """

    name: str
    lines: int
    width: int
    turns: bool
    wall_time: float
    reserve: float
    stop_look: float
    node_folder: str
    services: tuple[dict[str, Any], ...] = ()
    version: int = VERSION


class Line(NamedTuple):
    """One payload. ``limits`` are those of `Limits` by name; ``seconds`` its own longest time, 0: none."""

    job: int
    attempt: int
    folder: str
    limits: dict[str, Any]
    seconds: float
    grace: float


class Command(NamedTuple):
    """What a payload is started with."""

    argv: tuple[str, ...]
    environment: dict[str, str]


class BadWorkList(Exception):
    """It cannot be read, or is not whole."""


def write(folder: Path, head: Head, lines: Sequence[Line], commands: Sequence[Command]) -> Path:
    """Write a work list and all that belongs to it into an allocation's folder; answer its path.

    Raises:
        OSError: it cannot be written.
    """
    for name in (REPORTS, STOPS, BEGUN, COMMANDS):
        (folder / name).mkdir(mode=0o700)
    for number, command in enumerate(commands):
        with write_new(folder / COMMANDS / f"{number}.json") as file:
            file.write(json.dumps(command._asdict()).encode())
    rows = [json.dumps(line._asdict()).encode() for line in lines]
    width = max(map(len, rows)) + 1
    path, new = folder / NAME, folder / f"{NAME}.new"
    with write_new(new) as file:
        file.write(json.dumps(head._replace(lines=len(rows), width=width)._asdict()).encode() + b"\n")
        for row in rows:
            file.write(row.ljust(width - 1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return path


class WorkList:
    """A work list as a rank reads it."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            BadWorkList: it is not there, or not whole.
        """
        self.path, self.folder = path, path.parent
        try:
            with path.open("rb") as file:
                first = file.readline(LONGEST)
                found = json.loads(first)
                self.head = Head(**{**found, "services": tuple(found.get("services", ()))})
                self._begin = len(first)
                whole = self._begin + self.head.lines * self.head.width == os.fstat(file.fileno()).st_size
        except (OSError, ValueError, TypeError) as wrong:
            raise BadWorkList(f"{path}: {wrong}") from wrong
        if not whole or self.head.version != VERSION:
            raise BadWorkList(f"{path}: not whole, or of another version of this program")

    def line(self, number: int) -> Line:
        """Read one line.

        Raises:
            BadWorkList: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._begin + number * self.head.width)
                return Line(**json.loads(file.read(self.head.width)))
        except (OSError, ValueError, TypeError) as wrong:
            raise BadWorkList(f"{self.path}, line {number}: {wrong}") from wrong

    def command(self, number: int) -> Command:
        """Read what one payload is started with, likewise."""
        path = self.folder / COMMANDS / f"{number}.json"
        try:
            found = json.loads(path.read_bytes())
            return Command(tuple(found["argv"]), found["environment"])
        except (OSError, ValueError, TypeError, KeyError) as wrong:
            raise BadWorkList(f"{path}: {wrong}") from wrong

    def begin(self, number: int) -> bool:
        """Say that a payload begins; False when somebody has said so before.

        Raises:
            OSError: it cannot be said.
        """
        try:
            os.close(os.open(self.folder / BEGUN / str(number), os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return False
        return True

    def is_to_stop(self, number: int) -> bool:
        """Whether somebody wants this payload ended."""
        return os.path.lexists(self.folder / STOPS / str(number))


def withdraw(folder: Path) -> None:
    """Take a work list away: no rank begins any more."""
    with contextlib.suppress(OSError):
        (folder / NAME).rename(folder / WITHDRAWN)


def may_come(path: Path) -> bool:
    """Whether a work list that is not there is only not to be seen yet, on a shared disk."""
    return not path.exists() and not (path.parent / WITHDRAWN).exists()


def lines_of(rank: int, ranks: int, head: Head) -> range:
    """Answer the lines that a rank takes: its own one, or each so many-th where they take turns."""
    return range(rank, head.lines, ranks) if head.turns else range(rank, min(rank + 1, head.lines))
