"""Daemons of a test's own service: started in the foreground as children, ended by number, gone when the tests are."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: Seconds between two looks at whether a service is up; it tells nobody when it is.
LOOK = 0.1
#: Seconds that a daemon has to end by itself.
GRACE = 15.0


class Daemons:
    """The daemons of one service; what they write goes to ``<name>.out`` in its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ends: dict[str, signal.Signals] = {}

    def start(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        before: Sequence[str] = (),
        ends_by: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start one, by further words ``before``, which say for instance whose it is.

        It ends with this process, also when that is killed, where ``setpriv`` is to be had.
        """
        tied = ["setpriv", "--pdeathsig", ends_by.name[3:], "--"] if shutil.which("setpriv") else []
        self._ends[name] = ends_by
        with (self._folder / f"{name}.out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                [*before, *tied, *argv],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self._folder,
                start_new_session=True,
            )

    def wait(self, met: Callable[[], bool], seconds: float, words: str) -> None:
        """Wait until something is so.

        Raises:
            TimeoutError: it is not; the message tells the last lines of each daemon that has ended.
        """
        looked = threading.Event()
        for _ in range(int(seconds / LOOK)):
            dead = [name for name, each in self._running.items() if each.poll() is not None]
            if dead:
                raise TimeoutError(f"{words}: {' '.join(self._words(name) for name in dead)}")
            if met():
                return
            looked.wait(LOOK)
        raise TimeoutError(f"{words} after {seconds:.0f} s")

    def stop(self, name: str) -> None:
        """End one as its init system would; at once when it does not listen."""
        each = self._running.pop(name)
        each.send_signal(self._ends[name])
        try:
            each.wait(GRACE)
        except subprocess.TimeoutExpired:
            each.kill()
            each.wait()

    def kill(self, name: str) -> None:
        """End one as a power failure would."""
        each = self._running.pop(name)
        each.kill()
        each.wait()

    def pid(self, name: str) -> int:
        """Answer the number of one that runs."""
        return self._running[name].pid

    def close(self) -> None:
        """End all, the last one first."""
        for name in reversed(list(self._running)):
            self.stop(name)

    def _words(self, name: str) -> str:
        return f"{name}: {(self._folder / f'{name}.out').read_text(errors='replace')[-500:]}"
