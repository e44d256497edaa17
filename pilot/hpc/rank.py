"""The program that each rank of an allocation is: it runs its payload under a keeper, and leaves a report.

It needs the standard library only. The pilot may be dead by the time the payload ends: nothing is said to anybody but
by the report, which lies beside the work list.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional, Union

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.hpc import ends, place, report, worklist
from pilot.hpc.node import Node, services_of
from pilot.hpc.report import RankReport
from pilot.hpc.worklist import BadWorkList, Line, WorkList
from pilot.job import PayloadCommand, PayloadOutcome, Problem
from pilot.runtime import process, signals
from pilot.runtime.limits import Limits
from pilot.runtime.workdir import STDERR, STDOUT

#: Signals by which launchers and batch systems end a rank.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGHUP)
#: So much of the end of a payload's output goes into its report, in bytes.
WORDS = 16384
#: Seconds in which a shared disk shows a work list, and between two looks for it: at first, and at most.
LATE, PAUSE, LONGEST_PAUSE = 60.0, 0.1, 2.0
#: The exit status of a rank that could not do its work.
USELESS = 3
#: How a rank is started: in an interpreter without site-packages, from the folder or the zip in which the pilot lies.
RUN = (
    "import os, sys; sys.path.append(sys.argv.pop(1)); from pilot.hpc import rank; "
    "sys.exit(rank.main(sys.argv[1:], dict(os.environ)))"
)


def command(path: Path) -> tuple[str, ...]:
    """Answer the argument list of a rank."""
    return (sys.executable, "-I", "-S", "-c", RUN, str(Path(__file__).parents[2]), str(path))


def main(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Be a rank: ``argv`` names the work list, ``environment`` tells which rank this is."""
    if len(argv) != 1:
        return _say("the path of a work list is expected", USELESS)
    words: queue.SimpleQueue[Any] = queue.SimpleQueue()
    signals.hear(ENDING, words)
    try:
        works = _look_for(Path(argv[0]).absolute(), words)
    except BadWorkList as wrong:  # the pilot takes it away when it has given the allocation up
        return _say(f"nothing to do: {wrong}", USELESS)
    here, head = place.of(environment), works.head
    wrong_number = here is None or (here.ranks is not None and not _fits(here.ranks, head))
    if here is None or wrong_number or (here.rank >= head.lines and not head.turns):
        return _refuse(works, here)
    if here.ranks is None and head.turns:
        return _say(f"{here.launcher} does not tell the number of ranks, so that none can take turns", USELESS)
    return Rank(works, here, environment, words).run(worklist.lines_of(here.rank, here.ranks or head.lines, head))


def _look_for(path: Path, words: queue.SimpleQueue[Any]) -> WorkList:
    """Open a work list; a shared disk may show it some time after the launcher has started us.

    Raises:
        BadWorkList: it is not there, or not whole.
    """
    end, pause = time.monotonic() + LATE, PAUSE
    while worklist.may_come(path) and time.monotonic() < end:
        with contextlib.suppress(queue.Empty):
            raise BadWorkList(f"{path} had not come when {signal.Signals(words.get(timeout=pause)).name} came")
        pause = min(2 * pause, LONGEST_PAUSE)
    return WorkList(path)


def _fits(ranks: int, head: worklist.Head) -> bool:
    return ranks <= head.lines if head.turns else ranks == head.lines


def _refuse(works: WorkList, here: Optional[place.Place]) -> int:
    """Say that ranks and lines do not fit; each rank for its own lines, and for those that nobody has."""
    problem = ends.mismatch(works.head.lines, (here.ranks or here.rank + 1) if here is not None else 0)
    if here is None:
        problem = replace(problem, detail=f"{problem.detail}: no launcher that is known has started this program")
    first, step = (here.rank, here.ranks or works.head.lines) if here is not None else (0, 1)
    for number in range(first, works.head.lines, max(1, step)):
        with contextlib.suppress(BadWorkList, OSError):
            line = works.line(number)
            if works.begin(number):
                _leave(works, number, _failed(line, number, first, problem))
    return _say(problem.detail, USELESS)


def _say(text: str, status: int) -> int:
    sys.stderr.write(f"pilot rank: {text}\n")
    return status


def _failed(line: Line, number: int, rank: int, problem: Problem) -> RankReport:
    now = time.time()
    return RankReport(
        line.job,
        line.attempt,
        number,
        rank,
        os.uname().nodename,
        started=now,
        ended=now,
        code=int(problem.code),
        detail=problem.detail,
    )


def _leave(works: WorkList, number: int, made: RankReport) -> None:
    """Leave a report, and poke the pilot, if that is on this node."""
    report.write(works.folder / worklist.REPORTS / f"{number}.json", made)
    with contextlib.suppress(OSError):  # on every other node nobody listens at that pipe
        pipe = os.open(works.folder / worklist.POKE, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(pipe, "wb", 0) as poke:
            poke.write(b"%d\n" % number)


class Rank:
    """One rank. ``words`` brings signals' numbers."""

    def __init__(
        self, works: WorkList, here: place.Place, environment: Mapping[str, str], words: queue.SimpleQueue[Any]
    ) -> None:
        self._works, self._rank, self._words = works, here.rank, words
        head = works.head
        self._until = time.monotonic() + max(0.0, head.wall_time - head.reserve)
        folder = Path(head.node_folder or tempfile.gettempdir()) / head.name
        self._node = Node(folder, services_of(head.services), environment, here.here or 0)
        self._ended: Optional[Problem] = None  # why there is no next turn

    def run(self, lines: Sequence[int]) -> int:
        """Run a payload after the other; answer the exit status."""
        try:
            given = self._node.enter()
        except JobFailed as failed:
            self._ended, given = Problem(ErrorCode(failed.code), failed.detail), {}
        status = 0
        try:
            for number in lines:
                try:
                    made = self._turn(self._works.line(number), number, given)
                except (BadWorkList, OSError) as wrong:  # no report: the pilot sees that the rank is lost
                    return _say(str(wrong), USELESS)
                if made is None:
                    status = _say(f"line {number} was begun before, by another rank or launch; not again", USELESS)
                else:
                    _leave(self._works, number, made)
        finally:
            self._node.leave()
        return status

    def _turn(self, line: Line, number: int, given: Mapping[str, str]) -> Optional[RankReport]:
        """Run a payload to its end; ``None`` for one that has begun before, and may have ended."""
        if not self._works.begin(number):
            return None
        if self._ended is None and self._works.is_to_stop(number):
            problem: Optional[Problem] = Problem(ErrorCode.ORDERED_STOP, "the job was stopped before its payload began")
        else:
            problem = self._ended
        if problem is not None:
            return _failed(line, number, self._rank, problem)
        started = time.time()
        argv, environment = self._works.command(number)
        command = PayloadCommand(argv, {**given, **environment}, Path(line.folder))
        rows = tuple((number, soft, hard) for number, soft, hard in line.limits.get("resources", ()))
        bounds = Limits(**{**line.limits, "resources": rows})
        try:
            payload = process.start(
                command, stdout=command.workdir / STDOUT, stderr=command.workdir / STDERR, limits=bounds
            )
            outcome, problem = self._attend(payload, line, number)
        except JobFailed as failed:
            return _failed(line, number, self._rank, Problem(ErrorCode(failed.code), failed.detail))
        return RankReport(
            line.job,
            line.attempt,
            number,
            self._rank,
            os.uname().nodename,
            started=started,
            ended=time.time(),
            code=int(problem.code) if problem else 0,
            detail=problem.detail if problem else "",
            **{**report.ended(outcome), "words": _last_words(command.workdir)},
        )

    def _attend(self, payload: process.Payload, line: Line, number: int) -> tuple[PayloadOutcome, Optional[Problem]]:
        """Wait for the end of a payload; end it when its time is over, or somebody wants that."""

        def wait() -> None:
            end: Union[PayloadOutcome, JobFailed]
            try:
                end = payload.wait()
            except JobFailed as failed:
                end = failed
            self._words.put(end)

        threading.Thread(target=wait, daemon=True).start()
        own_end = time.monotonic() + line.seconds if line.seconds else float("inf")
        problem: Optional[Problem] = None
        while True:
            word = self._next(own_end, waiting=problem is None)
            if isinstance(word, PayloadOutcome):
                problem = problem or self._heard_by_all(word)
                return replace(word, late=word.late or problem is not None), problem
            if isinstance(word, JobFailed):
                raise word
            found = self._due(line, own_end, number) if word is None else self._signalled(word)
            if problem is None and found is not None:
                problem = found
                payload.stop(line.grace)

    def _heard_by_all(self, outcome: PayloadOutcome) -> Optional[Problem]:
        """Say whether a payload was ended together with this rank, by a signal that comes here a little later."""
        if not signals.may_be_meant_for_all(outcome):
            return None
        try:
            return self._signalled(self._words.get(timeout=signals.MOMENT))
        except queue.Empty:
            return None

    def _next(self, own_end: float, *, waiting: bool) -> Any:
        """Answer the next word; ``None`` when it is time to look whether the payload is to be ended."""
        now = time.monotonic()
        until = min(own_end, self._until, now + self._works.head.stop_look)
        try:
            return self._words.get(timeout=max(0.0, until - now) if waiting else None)
        except queue.Empty:
            return None

    def _due(self, line: Line, own_end: float, number: int) -> Optional[Problem]:
        now = time.monotonic()
        if now >= self._until:
            words = f"the payload had not ended when the {self._works.head.wall_time:.0f} s of the allocation were over"
            self._ended = Problem(ErrorCode.ALLOCATION_TIMED_OUT, words)
            return self._ended
        if now >= own_end:
            return Problem(ErrorCode.REACHED_MAX_TIME, f"the payload ran longer than the {line.seconds:.0f} s it may")
        if self._works.is_to_stop(number):
            return Problem(ErrorCode.ORDERED_STOP, "the job was stopped while its payload ran")
        return None

    def _signalled(self, number: int) -> Problem:
        words = f"the rank was ended by {signal.Signals(number).name}, as launcher and batch system do"
        self._ended = Problem(ErrorCode.ALLOCATION_LOST, words)
        return self._ended


def _last_words(folder: Path) -> str:
    """Answer how the payload's error output ended, or its output; a link that it has put there is not followed."""
    for name in (STDERR, STDOUT):
        with contextlib.suppress(OSError):
            pipe = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(pipe, "rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - WORDS))
                if text := file.read(WORDS).decode("utf-8", "replace").strip():
                    return text
    return ""
