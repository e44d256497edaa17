"""A storage with tapes, reached by the xroot protocol: CTA behind EOS, Castor, or the simulator beside this module.

Files are brought to disk by ``prepare``, and asked after by ``query prepare``, whose answer is JSON as EOS writes it.
That the service took a request says nothing: one for a file that does not exist gets a number too. So files are
looked at before, and the request is asked after until the service knows it.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Self

from server.storage.apart import Apart
from server.storage.base import Fault, FaultKind, Found, Locality, Recall, Recalled, Tape, Ticket
from server.storage.paths import sort_out
from server.storage.place import Place
from server.storage.xrootd import (
    HAS_BACKUP,
    LONGEST,
    MARGIN,
    OFFLINE,
    XrootdOptions,
    XrootdStorage,
    client_settings,
    fault_of,
)

log = logging.getLogger(__name__)

MODULE = "server.storage.tape_apart"
#: Stands in a ticket where a part of the request was not taken.
NOT_TAKEN = "-"
#: The number under which files are asked after that no request is meant of.
ANY = "0"
_TRUE = (True, 1, "1", "true", "TRUE", "True")
_TOGETHER = 500


@dataclass(frozen=True)
class TapeOptions(XrootdOptions):
    """``files_per_request``: of one prepare; a plain XRootD takes 48, or what ``-maxfiles`` says.

    ``accepting``: seconds until the service must know a request that it took. ``lifetime_key``: the word by which it
    is told, behind each path, how many seconds a file is to stay on disk; without it the service decides.
    """

    files_per_request: int = 500
    accepting: float = 10.0
    lifetime_key: str = ""

    def check(self, place: Place) -> None:
        super().check(place)
        if self.files_per_request < 1:
            raise place.wrong("files_per_request", f"{self.files_per_request} is less than 1")
        if not 0 <= self.accepting <= LONGEST:
            raise place.wrong("accepting", f"{self.accepting} is no time from 0 to {LONGEST:.0f} s")
        if not re.fullmatch(r"[\w.-]*", self.lifetime_key, re.ASCII):
            raise place.wrong("lifetime_key", f"{self.lifetime_key!r} is no word, such as pin")


class TapeStorage(XrootdStorage, Tape):
    """One, below a folder of it. A ticket holds the numbers of all requests that a call was parted into."""

    name: ClassVar[str] = "tape"
    singly: ClassVar[bool] = True

    def __init__(self, place: Place, options: TapeOptions) -> None:
        super().__init__(place, options)
        self._tape = options
        self._requests = Apart(MODULE, client_settings(math.ceil(options.patience)))

    @classmethod
    def open(cls, place: Place) -> Self:
        cls._check_root(place)
        options = place.read_options(TapeOptions)
        options.check(place)
        return cls(place, options)

    def look(self, paths: Sequence[str], *, checksums: bool = False) -> Mapping[str, Found | Fault]:
        return self._with_tapes(super().look(paths, checksums=checksums))

    def list_below(self, folder: str) -> Iterable[tuple[str, Found]]:
        listed = iter(super().list_below(folder))
        while some := dict(islice(listed, _TOGETHER)):
            yield from ((path, found) for path, found in self._with_tapes(some).items() if isinstance(found, Found))

    def locality(self, flags: int) -> Locality:
        """Read it from a file's flags. What is not on disk is on tape: not all services say so by a flag."""
        if flags & OFFLINE:
            return Locality.TAPE
        return Locality.DISK_AND_TAPE if flags & HAS_BACKUP else Locality.DISK

    def recall(self, paths: Sequence[str], *, lifetime: float, request: str) -> Ticket:
        good, refused = sort_out(paths)
        for path, found in super().look(good).items():
            if isinstance(found, Fault):
                refused[path] = found
        groups = grouped([path for path in good if path not in refused], self._tape.files_per_request)
        suffix = f"?{self._tape.lifetime_key}={math.ceil(lifetime)}" if self._tape.lifetime_key else ""
        numbers = [NOT_TAKEN] * len(groups)
        for index, said in self._tell("prepare", groups=groups, suffix=suffix):
            if isinstance(said, str) and said.split() == [said]:
                numbers[index] = said
            else:
                fault = Fault(FaultKind.FAILED, f"no request's number: {said!r}") if isinstance(said, str) else None
                refused.update(dict.fromkeys(groups[index], fault or fault_of(said)))
        ticket = " ".join(numbers)
        refused.update(self._not_accepted(ticket, [path for path in good if path not in refused]))
        log.info("request %s: %d files asked for, %d refused", request, len(paths), len(refused))
        return Ticket(ticket, refused)

    def recalled(self, ticket: str, paths: Sequence[str]) -> Mapping[str, Recalled]:
        good, refused = sort_out(paths)
        unfit = {path: Recalled(Recall.FAILED, fault.words) for path, fault in refused.items()}
        return {**unfit, **{path: read_recalled(said) for path, said in self._query(ticket, good)}}

    def release(self, ticket: str, paths: Sequence[str]) -> None:
        states = self.recalled(ticket, paths)
        waiting = [path for path, one in states.items() if one.state in (Recall.QUEUED, Recall.ACTIVE)]
        there = [path for path, one in states.items() if one.state is Recall.ON_DISK]
        faults = list(self._tell("cancel", asked=parts_of(ticket, waiting)))
        faults += self._tell("evict", groups=grouped(there, self._tape.files_per_request))
        for fault in faults:
            log.warning("%s: files were not let go: %s", self._root, fault["words"])

    def _not_accepted(self, ticket: str, paths: Sequence[str]) -> Mapping[str, Fault]:
        """Answer the files of a request that the service does not know it for, once it has had time to learn of it."""
        refused: dict[str, Fault] = {}
        waited, pause, left = 0.0, 0.05, list(paths)
        while left:
            states = self.recalled(ticket, left)
            failed = [path for path, one in states.items() if one.state is Recall.FAILED]
            refused.update({path: Fault(FaultKind.FAILED, states[path].words) for path in failed})
            left = [path for path, one in states.items() if one.state is Recall.UNKNOWN]
            if not left or waited >= self._tape.accepting:
                break
            threading.Event().wait(pause)  # the service calls nobody
            waited, pause = waited + pause, min(1.0, 2 * pause)
        unknown = Fault(FaultKind.BUSY, f"the service took a request that it does not know {waited:.0f} s later")
        return {**refused, **dict.fromkeys(left, unknown)}

    def _with_tapes(self, found: Mapping[str, Found | Fault]) -> Mapping[str, Found | Fault]:
        """Ask for what lies on disk whether it is on tape too, where its flags did not say so."""
        asked = [path for path, one in found.items() if isinstance(one, Found) and one.locality is Locality.DISK]
        both = {path for path, said in self._query(ANY, asked) if said and said.get("on_tape") in _TRUE}
        return {
            path: Found(one.size, Locality.DISK_AND_TAPE, one.checksum)
            if path in both and isinstance(one, Found)
            else one
            for path, one in found.items()
        }

    def _query(self, ticket: str, paths: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
        """Yield what the service says of each file; nothing for those of no part of the request."""
        asked = parts_of(ticket, paths)
        known = {path for _, some in asked for path in some}
        yield from ((path, None) for path in paths if path not in known)
        for pieces in self._tell("query", asked=asked):
            yield from ((path, said) for path, said in pieces)

    def _tell(self, function: str, **what: Any) -> Iterator[Any]:
        if any(what.get(name) for name in ("groups", "asked")):
            asked = {**self._where, **what}
            yield from self._requests.ask(function, asked, patience=self._options.patience + MARGIN)


def grouped(paths: Sequence[str], most: int) -> list[list[str]]:
    """Part files into groups of at most so many; `place_of` tells which is a file's, from their number alone."""
    count = math.ceil(len(paths) / most)
    while paths:
        groups: list[list[str]] = [[] for _ in range(count)]
        for path in paths:
            groups[place_of(path, count)].append(path)
        if max(map(len, groups)) <= most:
            return groups
        count += 1
    return []


def place_of(path: str, count: int) -> int:
    """Answer the group of a file, where there are so many."""
    return zlib.crc32(path.encode()) % count


def parts_of(ticket: str, paths: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Part files by the numbers in a ticket; those of a part that was not taken are left out."""
    numbers = ticket.split()
    parts: list[list[str]] = [[] for _ in numbers]
    for path in paths if numbers else ():
        parts[place_of(path, len(numbers))].append(path)
    return [(number, some) for number, some in zip(numbers, parts, strict=True) if some and number != NOT_TAKEN]


def read_recalled(said: Mapping[str, Any] | None) -> Recalled:
    """Read what a service says of one file of a request."""
    if said is None:
        return Recalled(Recall.UNKNOWN, "the service does not know the request")
    if "kind" in said:
        return Recalled(Recall.UNKNOWN, str(said["words"]))
    if said.get("path_exists") not in _TRUE:
        return Recalled(Recall.FAILED, str(said.get("error_text") or "the storage does not have it any more"))
    if said.get("online") in _TRUE:
        pin = said.get("pin")
        return Recalled(Recall.ON_DISK, pinned_until=float(pin) if isinstance(pin, int | float) else None)
    if said.get("error_text"):
        return Recalled(Recall.FAILED, str(said["error_text"]))
    if said.get("has_reqid") in _TRUE:
        return Recalled(Recall.QUEUED)
    return Recalled(Recall.UNKNOWN, "the service does not know the request any more")
