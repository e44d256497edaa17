"""One allocation from its plan to its end: folder, record, work list, launch, reports. Belongs to one thread."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Protocol

from pilot.hpc import ends, record, worklist
from pilot.hpc.record import Note, Record, Stage
from pilot.hpc.report import RankReport
from pilot.hpc.values import BatchState, Launch, Shape, Status
from pilot.hpc.worklist import Command, Head, Line
from pilot.job import PayloadCommand, Problem
from pilot.runtime.limits import Limits

log = logging.getLogger(__name__)

Key = tuple[int, int]


class Payload(NamedTuple):
    """One payload that is to run. ``seconds``: its own longest time, 0: none."""

    key: Key
    command: PayloadCommand
    limits: Limits
    seconds: float
    cores: int


class Started(Protocol):
    """An allocation that was started, however that is done."""

    number: str
    is_here: bool  # it costs nothing to ask how it is

    def status(self) -> Status:
        """Say how it is; asked from time to time."""

    def cancel(self) -> bool:
        """End it; False: nobody knows whether it was heard."""


class Found(NamedTuple):
    """What became of one payload: a rank's report, or the problem that there is none."""

    key: Key
    report: Optional[RankReport] = None
    problem: Optional[Problem] = None


class Allocation:
    """``poked`` is called in a thread of its own with the lines that ranks of this node have just reported."""

    def __init__(self, folder: Path, written: Record, poked: Callable[[Allocation, Sequence[int]], None]) -> None:
        self.folder, self.record = folder, written
        self.status = Status(BatchState.QUEUED)
        self.started: Optional[Started] = None
        self._open = dict(enumerate(written.keys))
        self._lines = {key: line for line, key in self._open.items()}
        self._stopped: set[int] = set()
        self._to_cancel = self._cancelled = False
        self._poked, self._pipe = poked, -1

    @property
    def over(self) -> bool:
        """Whether it is known of each payload what became of it."""
        return not self._open

    @property
    def keys(self) -> list[Key]:
        """The jobs of which nothing is known yet."""
        return list(self._open.values())

    def holds(self, key: Key) -> bool:
        """Whether a job is waited for here."""
        return self._lines.get(key) in self._open

    def write_down(self, **changes: Any) -> None:
        """Bring the record up to date.

        Raises:
            OSError: it cannot be written.
        """
        self.record = self.record._replace(**changes)
        record.write(self.folder, self.record)

    def listen(self) -> None:
        """Hear of reports of ranks on this node as they come; on other nodes' ones somebody has to look."""
        path = self.folder / worklist.POKE
        try:
            if not path.exists():
                os.mkfifo(path, 0o600)
            self._pipe = os.open(path, os.O_RDWR | os.O_CLOEXEC)  # held open for writing: it never comes to an end
        except OSError as wrong:
            log.info("%s: ranks of this node cannot say when they have ended: %s", path, wrong)
            return
        threading.Thread(target=self._hear, args=(self._pipe,), name="ranks", daemon=True).start()

    def _hear(self, pipe: int) -> None:
        with os.fdopen(pipe, "rb", 0) as opened:
            heard = b""
            while not (heard := heard + opened.read(65536)).endswith(_END):
                *lines, heard = heard.split(b"\n")
                self._poked(self, [int(line) for line in lines if line.isdigit()])

    def collect(self, lines: Optional[Iterable[int]] = None) -> Iterator[Found]:
        """Answer what ranks have reported since: on the lines given, or on any."""
        for line in self._reported() if lines is None else lines:
            key = self._open.get(line)
            if key is not None and (found := record.report_of(self.folder, line, key)) is not None:
                del self._open[line]
                yield Found(key, found)

    def _reported(self) -> list[int]:
        with contextlib.suppress(OSError):
            names = [path.name for path in (self.folder / worklist.REPORTS).iterdir()]  # one look for all of them
            return [int(name[:-5]) for name in names if name[:-5].isdecimal() and name.endswith(".json")]
        return []

    def give_up(self, keys: Iterable[Key], problem: Problem) -> Iterator[Found]:
        """Answer that nothing more will come of jobs; what is there already counts. No rank begins any more."""
        worklist.withdraw(self.folder)
        yield from self.collect()
        for key in keys:
            if self._open.pop(self._lines[key], None) is not None:
                yield Found(key, problem=problem)

    def lost(self) -> Problem:
        """Say why a payload has no report, from how the allocation has ended."""
        return ends.of_status(self.record.name, self.status)

    def stop(self, key: Key) -> None:
        """Have one payload ended; when none is left that is wanted, the whole allocation."""
        self._stopped.add(self._lines[key])
        with contextlib.suppress(OSError):
            (self.folder / worklist.STOPS / str(self._lines[key])).touch()
        if self._open.keys() <= self._stopped:
            self.cancel()

    @property
    def stopped(self) -> list[Key]:
        """The jobs that were to be ended, of which nothing is known yet."""
        return [self._open[line] for line in sorted(self._open.keys() & self._stopped)]

    def cancel(self) -> None:
        """Have all of it ended."""
        self._to_cancel = True
        self.insist()

    def insist(self) -> None:
        """Cancel it, if that is wanted and was not heard yet."""
        if self._to_cancel and not self._cancelled and self.started is not None:
            self._cancelled = self.started.cancel()

    def close(self) -> None:
        """Write down that it is over, and hear no more."""
        if self._pipe >= 0:
            with contextlib.suppress(OSError):
                os.write(self._pipe, _END)
            self._pipe = -1
        worklist.withdraw(self.folder)
        with contextlib.suppress(OSError):
            self.write_down(stage=Stage.OVER)
        shutil.rmtree(self.folder / worklist.COMMANDS, ignore_errors=True)


_END = b"end\n"


class Orders(NamedTuple):
    """What holds for every rank; see `worklist.Head`. ``grace``: seconds between SIGTERM and SIGKILL."""

    reserve: float
    stop_look: float
    node_folder: str
    grace: float
    services: tuple[dict[str, Any], ...] = ()


def new_name() -> str:
    """Answer the name of a new allocation; no other has it."""
    return f"compass-{os.urandom(8).hex()}"


def plan(
    own: Path,
    payloads: Sequence[Payload],
    shape: Shape,
    orders: Orders,
    poked: Callable[[Allocation, Sequence[int]], None],
) -> Allocation:
    """Write an allocation down: its record first, a note for each job, then the work list.

    Raises:
        OSError: something cannot be written.
    """
    name = new_name()
    folder = own / f"{record.FOLDER}{name}"
    folder.mkdir(mode=0o700)
    written = Record(
        name, Stage.PLANNED, time.time(), tuple(payload.key for payload in payloads), cores=shape.cores_per_rank
    )
    record.write(folder, written)
    for line, payload in enumerate(payloads):
        record.write_note(payload.command.workdir, Note(folder, line))
    head = Head(
        name,
        len(payloads),
        0,
        shape.ranks < shape.lines,
        shape.wall_time,
        orders.reserve,
        orders.stop_look,
        orders.node_folder,
        orders.services,
    )
    lines = [_line(payload, orders.grace) for payload in payloads]
    commands = [Command(payload.command.argv, dict(payload.command.environment)) for payload in payloads]
    worklist.write(folder, head, lines, commands)
    return Allocation(folder, written, poked)


def _line(payload: Payload, grace: float) -> Line:
    return Line(
        *payload.key,
        str(payload.command.workdir),
        payload.limits._asdict(),
        payload.seconds,
        grace,
    )


def launch_of(allocation: Allocation, shape: Shape, argv: Sequence[str], options: Sequence[str] = ()) -> Launch:
    """Answer what is to run in an allocation; ``argv`` starts every rank, ``options`` are the batch system's."""
    return Launch(allocation.record.name, tuple(argv), shape, allocation.folder, tuple(options))
