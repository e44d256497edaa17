"""The simulated robot: drives in threads, which wait until there is something to move, and one that keeps the time."""

from __future__ import annotations

import logging
import os
import random
import re
import select
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.storage.simulator.door import Door, ring
from server.storage.simulator.files import Interrupted, copy, is_same, leave_on_tape
from server.storage.simulator.settings import Layout
from server.storage.simulator.state import ACTIVE, FAILED, ON_DISK, QUEUED, State

log = logging.getLogger(__name__)

#: The longest sleep, in seconds: no system waits for any number.
_DAY = 86400.0
#: Seconds that XRootD has between telling of a new name and giving it.
_NAMING = 0.5


@dataclass(frozen=True)
class Move:
    """One file to be moved by a drive; ``due`` is when it was asked for, in seconds since 1970."""

    path: str
    cartridge: int
    to_tape: bool
    due: float


def choose(moves: Sequence[Move], mounted: int | None, elsewhere: frozenset[int]) -> Move | None:
    """Choose what a drive does next: the longest due of its own cartridge, or else of one that no drive has."""
    own = [move for move in moves if move.cartridge == mounted]
    free = [move for move in moves if move.cartridge not in elsewhere]
    return min(own or free, key=lambda move: (move.due, move.path), default=None)


class Robot:
    """Runs until it is stopped. Killed at any moment, it goes on where it was when it is run again."""

    def __init__(self, layout: Layout, master: int | None = None) -> None:
        """Say which robot it is; with a ``master``, a process's number, it ends when that does.

        Raises:
            ProcessLookupError: there is no such process.
        """
        self._layout, self._settings = layout, layout.read_settings()
        self._master = [] if master is None else [os.pidfd_open(master)]
        self._disk = Path(self._settings.disk)
        self._stop, self._news = threading.Event(), threading.Condition()
        self._written: dict[str, float] = {}  # what is to go to tape, and when
        self._moving: set[str] = set()
        self._cartridges: dict[int, int | None] = {}  # of the drives that are at work

    def run(self) -> None:
        """Work until `stop`; come back when all drives have let go."""
        state = State(self._layout.state)
        bell = os.open(self._layout.bell, os.O_RDWR | os.O_NONBLOCK)  # for writing too: so it never ends
        state.begin_again()
        for left in self._layout.passing.iterdir():
            left.unlink()
        self._find_written()
        door = Door(self._layout)
        drives = [threading.Thread(target=self._drive, args=(number,)) for number in range(self._settings.drives)]
        threads = [threading.Thread(target=door.serve), *drives]
        for thread in threads:
            thread.start()
        try:
            while not self._stop.is_set():
                self._keep_time(state, bell)
        finally:
            self._stop.set()
            with self._news:
                self._news.notify_all()
            door.close()
            for thread in threads:
                thread.join()
            for held in (bell, *self._master):
                os.close(held)
            state.close()

    def stop(self) -> None:
        """Have `run` come back. May be called by a signal's handler: it takes no lock."""
        self._stop.set()
        ring(self._layout)

    def _keep_time(self, state: State, bell: int) -> None:
        """Do what is due, and sleep until there is more, or the bell rings."""
        state.expire(time.time(), self._evict)
        with self._news:
            self._news.notify_all()
            dues = [due for path, due in self._written.items() if path not in self._moving and due > time.time()]
        ends = [*dues, *([end] if (end := state.next_end()) is not None else [])]
        timeout = min(_DAY, max(0.0, min(ends) - time.time()) + 0.001) if ends else None
        found = select.select([bell, *self._master], [], [], timeout)[0]
        if bell in found:
            self._listen(os.read(bell, 2**16).decode(errors="replace"))
        elif found:
            self._stop.set()

    def _listen(self, said: str) -> None:
        """Note what XRootD says has been written: ``WHO closew PATH``, or ``WHO mv OLD NEW``.

        Names may have blanks, so where the last one begins is not to be seen: each that could be meant is looked for.
        """
        for line in said.split("\n"):
            _, word, names = [*line.split(" ", 2), "", ""][:3]
            if word in ("closew", "mv"):
                for found in re.finditer(r"(?:^| )(?=/)", names):
                    # XRootD tells of a new name just before it gives it.
                    self._note_written(names[found.end() :], coming=word == "mv")

    def _find_written(self) -> None:
        for file in self._disk.rglob("*"):
            if file.is_file():
                name = os.fsencode(file.relative_to(self._disk))
                self._note_written(f"/{name.decode(errors='replace')}")

    def _note_written(self, path: str, *, coming: bool = False) -> None:
        """Have a file go to tape, unless it is there; also one that is not there yet, where it is ``coming``."""
        disk, tape = self._files(path)
        if (disk.is_file() or (coming and not disk.is_symlink())) and not is_same(disk, tape):
            wait = max(self._settings.migrate_after, _NAMING if coming else 0.0)
            with self._news:
                self._written[path] = time.time() + wait

    def _evict(self, path: str) -> None:
        try:
            leave_on_tape(*self._files(path), self._layout.passing)
        except OSError as wrong:
            log.warning("%s stays on disk: %s", path, wrong)

    def _files(self, path: str) -> tuple[Path, Path]:
        return self._disk / path.lstrip("/"), self._layout.tapes / path.lstrip("/")

    def _drive(self, number: int) -> None:
        state = State(self._layout.state)
        try:
            while (move := self._wait_for_work(state, number)) is not None:
                try:
                    self._work(state, number, move)
                finally:
                    with self._news:
                        self._moving.discard(move.path)
                        del self._cartridges[number]
                        self._news.notify_all()
        except Interrupted:
            return
        finally:
            state.close()

    def _wait_for_work(self, state: State, number: int) -> Move | None:
        with self._news:
            while not self._stop.is_set():
                move = None if state.is_down(number) else self._next(state, number)
                if move is not None:
                    self._moving.add(move.path)
                    self._cartridges[number] = move.cartridge
                    return move
                self._news.wait()
        return None

    def _next(self, state: State, number: int) -> Move | None:
        now = time.time()
        moves = [Move(r.path, self._cartridge(r.path), False, r.asked) for r in state.queued()]
        moves += [Move(path, self._cartridge(path), True, due) for path, due in self._written.items() if due <= now]
        free = [move for move in moves if move.path not in self._moving]
        busy = frozenset(each for each in self._cartridges.values() if each is not None)
        return choose(free, state.mounted(number), busy)

    def _cartridge(self, path: str) -> int:
        """Answer which one has a file: what lies together is on one tape."""
        return zlib.crc32(path.rpartition("/")[0].encode()) % self._settings.cartridges

    def _work(self, state: State, number: int, move: Move) -> None:
        if not move.to_tape:
            state.move(move.path, QUEUED, ACTIVE)
        if not self._mount(state, number, move):
            state.move(move.path, ACTIVE, QUEUED)
            self._sleep(self._settings.repair)
        elif move.to_tape:
            self._write(state, move.path)
        else:
            self._read(state, move.path)

    def _mount(self, state: State, number: int, move: Move) -> bool:
        """Put the cartridge in; say whether that went well."""
        if state.mounted(number) == move.cartridge:
            return True
        self._sleep(self._settings.mount)
        if self._is_unlucky(state, f"drive {number}", self._settings.jammed):
            return False
        state.mount(number, move.cartridge)
        return True

    def _read(self, state: State, path: str) -> None:
        disk, tape = self._files(path)
        if not disk.is_file():
            try:
                if self._is_unlucky(state, path, self._settings.unreadable):
                    raise OSError("the tape cannot be read")
                copy(tape, disk, self._layout.passing, self._settings.rate, self._stop)
            except OSError as wrong:
                state.move(path, ACTIVE, FAILED, wrong.strerror or str(wrong))
                return
        state.move(path, ACTIVE, ON_DISK)
        state.let_go([path], self._evict)  # perhaps nobody wants it any more
        ring(self._layout)  # or else a pin has begun

    def _write(self, state: State, path: str) -> None:
        disk, tape = self._files(path)
        try:
            copy(disk, tape, self._layout.passing, self._settings.rate, self._stop)
        except FileNotFoundError:
            pass  # it was removed before it went to tape
        except OSError as wrong:  # the next try may go better
            log.warning("%s was not written to tape: %s", path, wrong)
            self._sleep(self._settings.repair)
        with self._news:
            self._written.pop(path, None)
        if is_same(disk, tape):
            state.keep(path, self._settings.keep)
            ring(self._layout)  # a pin has begun
        else:
            self._note_written(path)  # or written anew in the meantime

    def _is_unlucky(self, state: State, name: str, share: float) -> bool:
        """Say whether something fails this time; the same seed has the same misfortunes."""
        if not share:
            return False
        tries = state.count_try(name)
        return random.Random(f"{self._settings.seed}:{name}:{tries}").random() < share  # noqa: S311 no secret

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Interrupted
