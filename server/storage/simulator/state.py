"""What a simulated robot must not forget: recalls with their pins, and its drives. In SQLite; a killed robot goes on.

Which files are on tape is not noted: they are the files below ``tapes``.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

QUEUED, ACTIVE, ON_DISK, FAILED = "queued", "active", "on disk", "failed"
#: The robot's own request: it keeps what has just gone to tape on disk for a while.
OWN = ""

_TABLES = """
CREATE TABLE IF NOT EXISTS recall (
    request TEXT, path TEXT, state TEXT, words TEXT, asked REAL, lifetime REAL, until REAL, PRIMARY KEY (request, path)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_path ON recall (path);
CREATE TABLE IF NOT EXISTS drive (number INTEGER PRIMARY KEY, down INTEGER, cartridge INTEGER);
CREATE TABLE IF NOT EXISTS tries (path TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID;
"""
_RECALL = "request, path, state, words, asked, lifetime, until"


@dataclass(frozen=True)
class Recall:
    """One file of a request; ``until`` is when its pin ends, in seconds since 1970, once it is on disk."""

    request: str
    path: str
    state: str
    words: str
    asked: float
    lifetime: float
    until: float


class State:
    """One connection; each thread and each process has its own."""

    def __init__(self, file: Path) -> None:
        self._base = sqlite3.connect(file, timeout=60, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.executescript(_TABLES)

    def close(self) -> None:
        self._base.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._base.execute("BEGIN IMMEDIATE")
        with self._base:
            yield self._base

    def add(self, recalls: Iterable[Recall]) -> None:
        """Note what is asked for; what the same request has asked for before stays as it is.

        While ``recalls`` is gone through, no file leaves the disk.
        """
        with self._writing() as base:
            base.executemany(
                f"INSERT OR IGNORE INTO recall ({_RECALL}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 our own names
                ((r.request, r.path, r.state, r.words, r.asked, r.lifetime, r.until) for r in recalls),
            )

    def of_path(self, path: str) -> list[Recall]:
        return self._recalls("path = ? ORDER BY asked", path)

    def is_wanted(self, path: str) -> bool:
        """Say whether some request keeps a file on disk, or wants it there."""
        return any(recall.state != FAILED for recall in self.of_path(path))

    def queued(self) -> list[Recall]:
        """Answer what waits for a drive, in the order in which it was asked for."""
        return self._recalls("state = ? ORDER BY asked, path", QUEUED)

    def move(self, path: str, before: str, after: str, words: str = "") -> None:
        """Move all recalls of a file that are in one state to another; on disk, their pins begin."""
        with self._writing() as base:
            base.execute(
                "UPDATE recall SET state = ?, words = ?, until = ? + lifetime WHERE path = ? AND state = ?",
                (after, words, time.time(), path, before),
            )

    def keep(self, path: str, seconds: float) -> None:
        """Have a file stay on disk for the robot's own reasons."""
        now = time.time()
        with self._writing() as base:
            base.execute(
                f"INSERT OR REPLACE INTO recall ({_RECALL}) VALUES (?, ?, ?, '', ?, ?, ?)",  # noqa: S608
                (OWN, path, ON_DISK, now, seconds, now + seconds),
            )

    def begin_again(self) -> None:
        """Queue what was being read when the robot died."""
        with self._writing() as base:
            base.execute("UPDATE recall SET state = ? WHERE state = ?", (QUEUED, ACTIVE))

    def cancel(self, request: str, paths: Sequence[str]) -> None:
        """Forget what a request still waits for: of these files, or of all."""
        with self._writing() as base:
            for path in paths or [recall.path for recall in self._recalls("request = ?", request)]:
                base.execute(
                    "DELETE FROM recall WHERE request = ? AND path = ? AND state != ?", (request, path, ON_DISK)
                )

    def unpin(self, paths: Sequence[str]) -> None:
        """End one pin of each file: the one that would end first, and the robot's own as well."""
        with self._writing() as base:
            for path in paths:
                pins = self._recalls("path = ? AND state = ? AND request != '' ORDER BY until", path, ON_DISK)
                for request in [OWN, *(pin.request for pin in pins[:1])]:
                    base.execute("UPDATE recall SET until = 0 WHERE request = ? AND path = ?", (request, path))

    def expire(self, now: float, evict: Callable[[str], None]) -> None:
        """Forget pins that have ended, and evict the files that nothing keeps on disk any more."""
        with self._writing() as base:
            ended = self._recalls("state = ? AND until <= ?", ON_DISK, now)
            base.execute("DELETE FROM recall WHERE state = ? AND until <= ?", (ON_DISK, now))
            self._evict_unwanted((pin.path for pin in ended), evict)

    def let_go(self, paths: Iterable[str], evict: Callable[[str], None]) -> None:
        """Evict those of some files that nothing keeps on disk."""
        with self._writing():
            self._evict_unwanted(paths, evict)

    def _evict_unwanted(self, paths: Iterable[str], evict: Callable[[str], None]) -> None:
        for path in dict.fromkeys(paths):
            if not self.is_wanted(path):
                evict(path)

    def next_end(self) -> float | None:
        """Answer when the next pin ends."""
        found = self._base.execute("SELECT min(until) FROM recall WHERE state = ?", (ON_DISK,)).fetchone()
        return float(found[0]) if found[0] is not None else None

    def count_try(self, path: str) -> int:
        """Count one more try to read a file; answer how many there were before."""
        with self._writing() as base:
            found = base.execute("SELECT count FROM tries WHERE path = ?", (path,)).fetchone()
            count = int(found[0]) if found else 0
            base.execute("INSERT OR REPLACE INTO tries VALUES (?, ?)", (path, count + 1))
        return count

    def mounted(self, number: int) -> int | None:
        """Answer the cartridge that is in a drive."""
        found = self._base.execute("SELECT cartridge FROM drive WHERE number = ?", (number,)).fetchone()
        return None if found is None or found[0] is None else int(found[0])

    def mount(self, number: int, cartridge: int) -> None:
        self._set_drive(number, self.is_down(number), cartridge)

    def is_down(self, number: int) -> bool:
        """Say whether somebody has taken a drive out of service."""
        found = self._base.execute("SELECT down FROM drive WHERE number = ?", (number,)).fetchone()
        return bool(found and found[0])

    def put_down(self, number: int, down: bool) -> None:
        """Take a drive out of service, or back into it."""
        self._set_drive(number, down, self.mounted(number))

    def _set_drive(self, number: int, down: bool, cartridge: int | None) -> None:
        with self._writing() as base:
            base.execute("INSERT OR REPLACE INTO drive VALUES (?, ?, ?)", (number, int(down), cartridge))

    def _recalls(self, condition: str, *values: object) -> list[Recall]:
        rows = self._base.execute(f"SELECT {_RECALL} FROM recall WHERE {condition}", values)  # noqa: S608 our own text
        return [Recall(*row) for row in rows]
