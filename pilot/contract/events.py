"""Event ranges: what is asked for, given out and reported, in both dialects; and the names a payload finds them by.

Facts: the event module of PanDA's ``/api/v1``, its older getEventRanges and updateEventRanges, and what stock pilots
send there. A range's status is reported alone (version 0), or with the archive that holds its output (version 1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple, Optional

from pilot.contract import naming
from pilot.contract.codec import INTEGER, OBJECT, TEXT, ContractError, Dialect, read, says_something, shown

#: What ranges are named by; it becomes part of file names.
_RANGE_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,199}")
#: Variables of a payload's environment: where ranges are handed out, and a program that asks there.
SOCKET_VARIABLE, CLIENT_VARIABLE = "COMPASS_EVENTS_SOCKET", "COMPASS_EVENTS_CLIENT"
#: Their names in the job's directory.
SOCKET_FILE, CLIENT_FILE = ".compass-events", "compass_events.py"
#: What is remembered of ranges, in the job's directory; and how archives of their outputs begin.
JOURNAL_FILE, ARCHIVE_PREFIX = naming.EVENT_JOURNAL, "EventService_premerge_"
#: The scope of such archives, which live until they are merged.
TRANSIENT = "transient"
#: So many characters of an error's words are reported.
LONGEST_WORDS = 255


def checked_range_id(text: Any) -> str:
    """Answer the name of a range.

    Raises:
        ContractError: it is none that could be part of a file's name.
    """
    if not isinstance(text, str) or not _RANGE_ID.fullmatch(text):
        wanted = "letters, digits, dots and dashes, 200 at most"
        raise ContractError(f"eventRangeID: {shown(text)} is not {wanted}", field_name="eventRangeID")
    return text


def plain(words: str) -> str:
    """Write words of a payload, which may be any bytes, so that each log and each server can take them."""
    return "".join(one if one.isprintable() else "?" for one in words[:LONGEST_WORDS])


class EventJob(NamedTuple):
    """Whose ranges are meant. PanDA keeps those that nobody has under the job set."""

    job_id: int
    jobset_id: int = 0
    task_id: Optional[int] = None

    def request(self, count: int, dialect: Dialect) -> dict[str, Any]:
        """Write a request for so many ranges."""
        if dialect is Dialect.LEGACY:
            task = {} if self.task_id is None else {"taskID": self.task_id}
            return {"pandaID": self.job_id, "jobsetID": self.jobset_id, **task, "nRanges": count}
        task = {} if self.task_id is None else {"task_id": self.task_id}
        return {"job_id": self.job_id, "jobset_id": self.jobset_id, **task, "n_ranges": count}


@dataclass(frozen=True)
class EventRange:
    """Some events of one input, from ``first`` to ``last``, both included; ``said``: all that the server says of it."""

    id: str
    lfn: str = ""
    guid: str = ""
    scope: str = ""
    first: int = 0
    last: int = 0
    said: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False)

    @property
    def events(self) -> int:
        """How many events it has; 0 when nobody said."""
        return max(0, self.last - self.first + 1) if self.last else 0

    @classmethod
    def from_wire(cls, data: Any) -> EventRange:
        """Read one range.

        Raises:
            ContractError: it has no name, or a number is none.
        """
        data = read(data, OBJECT, "eventRange")

        def number(name: str) -> int:
            return int(read(data[name], INTEGER, name)) if says_something(data.get(name)) else 0

        def text(name: str) -> str:
            return str(read(data[name], TEXT, name)) if says_something(data.get(name)) else ""

        return cls(
            checked_range_id(data.get("eventRangeID")),
            text("LFN"),
            text("GUID"),
            text("scope"),
            number("startEvent"),
            number("lastEvent"),
            MappingProxyType(dict(data)),
        )


class RangeStatus(str, Enum):
    """How a range ended; PanDA's words. ``fatal``: it is not to be tried again."""

    FINISHED = "finished"
    FAILED = "failed"
    FATAL = "fatal"


class RangeEnd(NamedTuple):
    """The end of one range. ``code`` is a number of `ErrorCode`, 0 when all is well; ``storage`` where its output is.

    ``storage`` is the storage's number, said of an output that was stored by itself; ``cpu_time`` is in seconds.
    """

    id: str
    status: RangeStatus
    code: int = 0
    words: str = ""
    storage: Optional[int] = None
    cpu_time: Optional[float] = None

    def said(self) -> dict[str, Any]:
        """Write it for the wire."""
        rest = {
            "errorCode": self.code or None,
            "errorDiag": self.words[:LONGEST_WORDS] or None,
            "objstoreID": self.storage,
            "cpuConsumptionTime": self.cpu_time,
        }
        said = {name: value for name, value in rest.items() if value is not None}
        return {"eventRangeID": self.id, "eventStatus": self.status.value, **said}


class Archive(NamedTuple):
    """A file that holds the outputs of several ranges: ``size`` in bytes, ``checksum`` as ``adler32:...``.

    ``storage`` is the number of the storage where it lies, ``url`` where there, ``endpoint`` that storage's name.
    """

    lfn: str
    size: int
    checksum: str
    storage: int = 0
    url: str = ""
    endpoint: str = ""
    guid: str = ""


class EventReport(NamedTuple):
    """What is told of a job's ranges in one request; ``archive`` holds the outputs of all of them."""

    job_id: int
    ends: tuple[RangeEnd, ...]
    archive: Optional[Archive] = None

    @property
    def version(self) -> int:
        """PanDA's number of the form."""
        return 0 if self.archive is None else 1

    def said(self) -> list[dict[str, Any]]:
        """Write it in the form of its version."""
        ends = [end.said() for end in self.ends]
        if self.archive is None:
            return ends
        algorithm, _, value = self.archive.checksum.partition(":")
        stored = {
            "numEvents": len(ends),
            "objstoreID": self.archive.storage,
            algorithm: value,
            "lfn": self.archive.lfn,
            "fsize": self.archive.size,
        }
        return [{"zipFile": stored, "eventRanges": ends}]

    def request(self, dialect: Dialect) -> dict[str, Any]:
        """Write the request that tells it; the ranges travel as a text of JSON."""
        name = "eventRanges" if dialect is Dialect.LEGACY else "event_ranges"
        return {name: json.dumps(self.said()), "version": self.version}


class EventAnswer(NamedTuple):
    """What the server makes of a report: for each range whether it took it, and its command for the job, or "".

    Of a range ``False`` means that the server knows nothing of it, or wants nothing more of its job; it stays so.
    """

    taken: tuple[bool, ...]
    command: str = ""


def read_ranges(found: Any) -> tuple[EventRange, ...]:
    """Read the ranges of an answer: a list, or PanDA's text of one; no ranges, when there are none left.

    Raises:
        ContractError: it is none, or names a range twice.
    """
    listed = _unpacked(found, "eventRanges")
    if not isinstance(listed, Sequence) or isinstance(listed, (str, bytes)):
        raise ContractError(f"eventRanges: {shown(found)} is not a list", field_name="eventRanges")
    ranges = tuple(EventRange.from_wire(one) for one in listed)
    if len({one.id for one in ranges}) < len(ranges):
        raise ContractError("eventRanges: a range is named twice", field_name="eventRanges")
    return ranges


def read_answer(returns: Any, commands: Any, report: EventReport) -> Optional[EventAnswer]:
    """Read what came of a report; ``None`` when the server broke over it, and has changed nothing.

    Raises:
        ContractError: it is no such answer.
    """
    told, by_job = _unpacked(returns, "Returns"), _unpacked(commands, "Commands")
    if not isinstance(told, list) or not all(one is None or isinstance(one, bool) for one in told):
        raise ContractError(f"Returns: {shown(returns)} is not a list of truths", field_name="Returns")
    if len(told) != len(report.ends):
        return None  # PanDA's server gives everything up, and adds one word more
    word = by_job.get(str(report.job_id)) if isinstance(by_job, Mapping) else None
    return EventAnswer(tuple(one is not False for one in told), str(word) if says_something(word) else "")


def _unpacked(found: Any, name: str) -> Any:
    if not isinstance(found, str):
        return found
    try:
        return json.loads(found)
    except (ValueError, RecursionError) as wrong:
        raise ContractError(f"{name}: {shown(found)} is not JSON", field_name=name) from wrong
