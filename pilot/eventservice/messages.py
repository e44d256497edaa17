"""What a payload says on its line to the pilot, read. Pure. The words are those of PanDA's event service.

One message is one line of UTF-8. ``Ready for events`` (with a number: so many at most) asks; a path with ``ID:``,
``CPU:`` and ``WALL:`` behind it tells of an output; ``ERR_<KIND> <range>: <words>`` of a failure. Who says ``Hello
compass 1`` first gets an answer to each of the latter two, which PanDA's payloads would not understand.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Union

from pilot.api.event_client import HELLO, READY
from pilot.contract.codec import ContractError
from pilot.contract.events import checked_range_id

#: A line has so many bytes at most.
LONGEST = 65536
#: Nobody gets more at once.
MOST = 100_000
#: How the kinds of failures end that are not to be tried again.
_FATAL = "FATAL"
_DONE = re.compile(r"(/[^\n]*?),ID:([^,]*)((?:,[A-Za-z]+:[^,]*)*)")
_FAILED = re.compile(r"(ERR_[A-Z_]+) ([0-9A-Za-z._-]+): ?(.*)", re.DOTALL)
#: What AthenaMP could not read is quoted as it was written, with the range's name somewhere in it.
_QUOTED = re.compile(r"""(ERR_[A-Z_]+) .*eventRangeID['"]?\s*:\s*u?['"]?([0-9A-Za-z._-]+)""", re.DOTALL)


class Hello(NamedTuple):
    """The payload understands answers."""


class Ready(NamedTuple):
    """The payload wants ranges, so many at most."""

    wanted: int = 1


class Done(NamedTuple):
    """A range's output is in a file; times are seconds."""

    id: str
    output: str
    cpu_time: float = 0.0
    wall_time: float = 0.0


class Failed(NamedTuple):
    """A range failed."""

    id: str
    words: str
    fatal: bool = False


class Wrong(NamedTuple):
    """Nobody understands this."""

    words: str


Message = Union[Hello, Ready, Done, Failed, Wrong]


def read(line: str) -> Message:
    """Read one line."""
    if line == HELLO:
        return Hello()
    if line.startswith(READY):
        return _ready(line)
    if line.startswith("/"):
        return _done(line)
    if line.startswith("ERR_"):
        return _failed(line)
    return Wrong(f"{line[:200]!r} is no message of the event service")


def _ready(line: str) -> Message:
    count = line[len(READY) :].strip()
    if not count:
        return Ready()
    if count.isdecimal() and 0 < int(count) <= MOST:
        return Ready(int(count))
    return Wrong(f"{line[:200]!r}: {count[:20]!r} is not a number of ranges from 1 to {MOST}")


def _done(line: str) -> Message:
    found = _DONE.fullmatch(line)
    if found is None:
        return Wrong(f"{line[:200]!r} is not <path>,ID:<range>,CPU:<seconds>,WALL:<seconds>")
    output, range_id, rest = found.groups()
    said = {name.upper(): value for name, _, value in (part.partition(":") for part in rest.split(",")[1:])}
    try:
        return Done(checked_range_id(range_id), output, _seconds(said, "CPU"), _seconds(said, "WALL"))
    except ContractError as wrong:
        return Wrong(f"{line[:200]!r}: {wrong}")


def _seconds(said: dict[str, str], name: str) -> float:
    """Answer a time; one that cannot be read spoils no output."""
    try:
        value = float(said.get(name) or 0)
    except ValueError:
        return 0.0
    return value if 0.0 <= value < float("inf") else 0.0


def _failed(line: str) -> Message:
    found = _FAILED.fullmatch(line) or _QUOTED.match(line)
    if found is None:
        return Wrong(f"{line[:200]!r} is not ERR_<KIND> <range>: <words>")
    kind, range_id = found.group(1), found.group(2)
    words = found.group(3) if found.re is _FAILED else line[:200]
    return Failed(range_id, f"{kind}: {words}", kind.endswith(_FATAL))
