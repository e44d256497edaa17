"""A launcher for one machine: starts a program so many times, each told its rank, and ends when all have ended.

For tests, for a node that was given as a whole, and wherever there is no launcher. At SIGTERM the ranks are told the
same.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

#: How it is started; as `pilot.hpc.rank.RUN`.
RUN = (
    "import os, sys; sys.path.append(sys.argv.pop(1)); from pilot.hpc import local; "
    "sys.exit(local.main(sys.argv[1:], dict(os.environ)))"
)


def command() -> tuple[str, ...]:
    """Answer the argument list that `launchers` completes."""
    return (sys.executable, "-I", "-S", "-c", RUN, str(Path(__file__).parents[2]))


def main(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Start ``--ranks N program ...``; answer the first exit status that is not 0."""
    options = list(argv[: argv.index("--ranks")]) if "--ranks" in argv else list(argv)
    rest = list(argv[len(options) + 1 :])
    if options or len(rest) < 2 or not rest[0].isdigit():
        sys.stderr.write("pilot local launcher: --ranks N PROGRAM [ARGUMENT ...] is expected\n")
        return 2
    return Launch(int(rest[0]), rest[1:], environment).run()


class Launch:
    """So many processes of one program."""

    def __init__(self, ranks: int, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._ranks, self._argv, self._environment = ranks, list(argv), environment
        self._alive: set[int] = set()
        self._told = 0

    def run(self) -> int:
        """Start them all, and wait until the last one has ended."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        first = 0
        for rank in range(self._ranks):
            if self._told:
                break
            own = {**self._environment, "COMPASS_RANK": str(rank), "COMPASS_RANKS": str(self._ranks)}
            pid = os.posix_spawnp(self._argv[0], self._argv, own)
            self._alive.add(pid)
        if self._told:  # it may have come while one was started
            self._pass_on(self._told, None)
        while self._alive:
            pid, status = os.wait()
            self._alive.discard(pid)
            first = first or (os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
        return first

    def _pass_on(self, number: int, _: object) -> None:
        self._told = number
        for pid in self._alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
