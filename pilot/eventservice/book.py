"""All event ranges of one job, and their archives: changed by one owner, each change written down before it counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Callable, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.events import Archive, EventRange, RangeEnd, RangeStatus
from pilot.contract.job_wire import checked_lfn
from pilot.eventservice.ranges import Failure, Held, Move, State, advance

Note = Callable[[Mapping[str, Any]], None]


def _silent(_: Mapping[str, Any]) -> None:
    """Write nothing: what is read was written before."""


class Book:
    """``note`` writes a line of the journal. All methods belong to one thread."""

    def __init__(self, note: Note = _silent) -> None:
        self._note = note
        self._held: dict[str, Held] = {}
        self._came: dict[str, int] = {}
        # A job may have many thousands of ranges, and each message about one asks how many are in some state.
        self._in: dict[State, dict[str, None]] = {state: {} for state in State}
        self._events = dict.fromkeys(State, 0)
        self._inside: dict[str, list[str]] = {}
        self.archives: dict[str, Archive] = {}

    def __len__(self) -> int:
        return len(self._held)

    def goes_on(self, note: Note) -> None:
        """Have each change noted from now on."""
        self._note = note

    def get(self, range_id: str) -> Optional[Held]:
        """Answer a range, if it is one of this job's."""
        return self._held.get(range_id)

    def all(self, *states: State) -> list[Held]:
        """Answer the ranges in some states, in the order in which they came."""
        ids = [range_id for state in states for range_id in self._in[state]]
        return [self._held[range_id] for range_id in sorted(ids, key=self._came.__getitem__)]

    def first(self, state: State) -> Optional[Held]:
        """Answer the range that has been in a state for longest."""
        return next(iter(self.longest(state, 1)), None)

    def longest(self, state: State, count: Optional[int]) -> list[Held]:
        """Answer up to so many ranges (``None``: all), those first that have been in a state for longest."""
        return [self._held[range_id] for range_id in islice(self._in[state], count)]

    def count(self, *states: State) -> int:
        """Answer how many ranges are in some states."""
        return sum(len(self._in[state]) for state in states)

    def came(self, ranges: Sequence[EventRange]) -> list[EventRange]:
        """Take ranges that were asked for; answer those that are new. A range that is known is not taken twice."""
        new = [one for one in ranges if one.id not in self._held]
        if new:
            self._note({"came": [dict(one.said) or {"eventRangeID": one.id} for one in new]})
        for one in new:
            self._came[one.id] = len(self._came)
            self._put(Held(one))
        return new

    def _put(self, held: Held) -> None:
        before = self._held.get(held.id)
        if before is not None:
            del self._in[before.state][held.id]
            self._events[before.state] -= before.range.events or 1
        self._in[held.state][held.id] = None
        self._events[held.state] += held.range.events or 1
        self._held[held.id] = held

    def give(self, count: int) -> list[Held]:
        """Hand out up to so many ranges, the oldest first."""
        return self.move(Move.GIVE, list(islice(self._in[State.READY], count)))

    def take_back(self, ids: Sequence[str]) -> None:
        """Take back ranges that could not be handed over."""
        self.move(Move.TAKE_BACK, ids)

    def done(self, range_id: str, output: str, cpu_time: float, wall_time: float) -> None:
        """Take it that a range's output lies in a file."""
        self.move(Move.DONE, [range_id], output=output, cpu_time=cpu_time, wall_time=wall_time)

    def fail(self, range_id: str, failure: Failure) -> None:
        """Take it that a range failed."""
        self.move(Move.FAIL, [range_id], failure=failure)

    def pack(self, ids: Sequence[str], archive: Archive) -> None:
        """Take it that outputs lie in an archive in the job's directory."""
        self.move(Move.PACK, ids, archive=archive)

    def store(self, archive: Archive) -> None:
        """Take it that an archive lies on a storage."""
        self.move(Move.STORE, [held.id for held in self.inside(archive.lfn)], archive=archive)

    def inside(self, lfn: str) -> list[Held]:
        """Answer the ranges whose outputs are in an archive."""
        return [self._held[range_id] for range_id in self._inside.get(lfn, ())]

    def move(self, move: Move, ids: Iterable[str], **facts: Any) -> list[Held]:
        """Let something happen to ranges: it is written down, then it is so.

        Raises:
            IllegalMove: it cannot happen to one of them; nothing has changed.
        """
        archive = facts.pop("archive", None)
        if archive is not None:
            facts["archive"] = archive.lfn
        new = [advance(self._held[range_id], move, **facts) for range_id in ids]
        if new:
            self._note(_line(move, new, archive))
        for held in new:
            self._put(held)
        if archive is not None:
            self.archives[archive.lfn] = archive
            self._inside[archive.lfn] = [held.id for held in new]
        return new

    def end_of(self, held: Held) -> RangeEnd:
        """Answer what is reported of a range."""
        failure = held.failure
        if failure is None:
            return RangeEnd(held.id, RangeStatus.FINISHED, cpu_time=round(held.cpu_time, 3) or None)
        status = RangeStatus.FATAL if failure.fatal else RangeStatus.FAILED
        return RangeEnd(held.id, status, int(failure.code), failure.words)

    def events(self, *states: State) -> int:
        """Answer how many events the ranges in some states have; a range of which nobody said counts as one."""
        return sum(self._events[state] for state in states)


def _line(move: Move, new: Sequence[Held], archive: Optional[Archive]) -> dict[str, Any]:
    line: dict[str, Any] = {"move": move.value, "ids": [held.id for held in new]}
    if archive is not None:
        line["archive"] = archive._asdict()
    if move is Move.DONE:
        line.update(output=new[0].output, cpu_time=new[0].cpu_time, wall_time=new[0].wall_time)
    if move is Move.FAIL and (failure := new[0].failure) is not None:
        line.update(code=int(failure.code), words=failure.words, fatal=failure.fatal)
    return line


def read(lines: Iterable[Mapping[str, Any]]) -> Book:
    """Answer the book of a pilot that died, from its journal.

    Raises:
        ValueError, KeyError, TypeError, IllegalMove: no pilot wrote this.
    """
    book = Book()
    for line in lines:
        if "came" in line:
            book.came([EventRange.from_wire(one) for one in line["came"]])
        elif "move" in line:
            book.move(Move(line["move"]), line["ids"], **_facts(line))
    return book


def _facts(line: Mapping[str, Any]) -> dict[str, Any]:
    """Read what goes with a move; its payload may have written it, and nothing outside the job's directory is meant."""
    facts: dict[str, Any] = {}
    if "output" in line:
        facts["output"] = str(line["output"])
        facts.update((name, float(line[name])) for name in ("cpu_time", "wall_time"))
    if "archive" in line:
        said = line["archive"]
        texts = (str(said[name]) for name in ("url", "endpoint", "guid"))
        numbers = int(said["size"]), str(said["checksum"]), int(said["storage"])
        facts["archive"] = Archive(checked_lfn(str(said["lfn"]), "lfn"), *numbers, *texts)
    if "code" in line:
        facts["failure"] = Failure(ErrorCode(line["code"]), str(line["words"]), bool(line["fatal"]))
    return facts
