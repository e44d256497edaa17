"""Death at a chosen effect: an audit hook that sees every file that is changed, program started and request sent.

Run as a program it is the pilot, killed by SIGKILL right before the effect that ``KILL_AT`` names: its number, or
``event:part of its words:which of these``. ``KILL_LIST`` names a file that takes a line for each effect.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, Callable

#: What changes files, by the place of the names among its arguments.
ON_FILES = {"open": 1, "os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def effect(event: str, arguments: tuple[Any, ...], root: str) -> str | None:
    """Answer an audit event in words, if it changes something outside the process; files below ``root`` count."""
    if event in ("subprocess.Popen", "http.client.send"):
        return event
    if event not in ON_FILES or (event == "open" and not arguments[2] & WRITING):
        return None
    names = [os.fsdecode(name) for name in arguments[: ON_FILES[event]] if isinstance(name, (str, bytes, os.PathLike))]
    # Names in a folder that is removed are told without it.
    inside = [name for name in names if name.startswith(root) or not name.startswith("/")]
    return f"{event}:{' '.join(inside)}" if inside else None


def watch(root: str, met: Callable[[str], None]) -> None:
    """Call ``met`` before each effect, from now on and for ever."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if (words := effect(event, arguments, root)) is not None:
            met(words)

    sys.addaudithook(hook)


class Death:
    """Counts effects; ``at`` names the one that is not survived."""

    def __init__(self, at: str, listed: str) -> None:
        self._number = int(at) if at.isdigit() else 0
        self._event, self._part, which = ("", "", "0") if at.isdigit() or not at else at.split(":")
        self._which = int(which)
        self._count = self._matched = 0
        self._list = os.open(listed, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if listed else None

    def met(self, words: str) -> None:
        self._count += 1
        event, _, names = words.partition(":")
        self._matched += bool(self._event) and event == self._event and self._part in names
        if self._list is not None:
            os.write(self._list, f"{words}\n".encode())
        if self._count == self._number or (self._matched == self._which > 0):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    watch(os.environ["KILL_ROOT"], Death(os.environ.get("KILL_AT", ""), os.environ.get("KILL_LIST", "")).met)
    from pilot.cli import main

    sys.exit(main())
