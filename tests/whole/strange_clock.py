"""The server's programs by a clock that jumps: ``python -m tests.whole.strange_clock serve ...`` is ``compass-server``.

The file that `FILE` names holds by how many seconds the clock is ahead; who writes it sets the clock of all processes
that were started so, at once. What measures durations goes on as it is, as with a real clock that is set.
"""

from __future__ import annotations

import datetime as datetimes
import mmap
import os
import struct
import sys
import time
from pathlib import Path
from typing import Any

#: The variable that names the file.
FILE = "STRANGE_CLOCK"
_AHEAD = struct.Struct("d")


def set_ahead(path: Path, seconds: float) -> None:
    """Set the clock by so many seconds ahead of the true one, or behind it."""
    if not path.exists():
        path.write_bytes(_AHEAD.pack(0.0))
    with path.open("r+b") as file:
        file.write(_AHEAD.pack(seconds))


def jump(path: Path) -> None:
    """Have this process, and what it forks, read the time from the strange clock."""
    with path.open("rb") as file:
        seen = mmap.mmap(file.fileno(), _AHEAD.size, access=mmap.ACCESS_READ)
    true_time, true_datetime = time.time, datetimes.datetime

    def ahead() -> float:
        return float(_AHEAD.unpack_from(seen)[0])

    class Alike(type):
        """Datetimes are the true ones, whoever made them: drivers of databases look at their exact type."""

        def __call__(cls, *args: Any, **more: Any) -> Any:
            return true_datetime(*args, **more)

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, true_datetime)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, true_datetime)

    class Strange(true_datetime, metaclass=Alike):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return true_datetime.fromtimestamp(true_time() + ahead(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return true_datetime.fromtimestamp(true_time() + ahead(), datetimes.UTC).replace(tzinfo=None)

    time.time = lambda: true_time() + ahead()
    time.time_ns = lambda: int((true_time() + ahead()) * 1e9)
    datetimes.datetime = Strange  # type: ignore[misc]


if __name__ == "__main__":
    jump(Path(os.environ[FILE]))
    from server.manage import main

    sys.argv[0] = "compass-server"
    main()
