"""Keeps the parts of a local system running: starts them in order, restarts one that dies, stops them last to first.

Runs as a process of its own (``python -m client.local.supervisor``), so that the terminal it was started from may go.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from client.local.processes import Identity

#: Seconds that a part gets to end by itself.
GRACE = 15.0
#: A part that ran this many seconds has proved itself: its next restart comes at once.
PROVED = 30.0
#: The longest pause in seconds before a part that keeps dying is started again.
LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class Part:
    """One program of the system: its argument list, its environment and where its output goes."""

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    afterwards: tuple[str, ...] = ()  # run once when the part was stopped, while those started before it still run


@dataclass
class Running:
    """A part, its process when it has one, and when it may be started again (monotonic seconds)."""

    part: Part
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    deaths: int = 0
    due: float | None = 0.0


def pause_after(deaths: int, lived: float) -> float:
    """Answer the seconds to wait before a part is started again: none at first, then 1, 2, 4 ... up to a limit."""
    if lived >= PROVED or deaths <= 1:
        return 0.0
    return min(LONGEST_PAUSE, 2.0 ** (deaths - 2))


class Supervisor:
    """Owns the processes of a local system; ``parts`` are started in order and stopped in the opposite one."""

    def __init__(self, parts: Sequence[Part], record: Path, say: Callable[[str], None]) -> None:
        self.running = [Running(part) for part in parts]
        self.record, self.say = record, say
        self.asked_by: int | None = None  # the signal that asks to stop
        self._waking, self._woken = socket.socketpair()
        for end in (self._waking, self._woken):
            end.setblocking(False)

    def run(self) -> None:
        """Keep the parts running until a signal asks to stop."""
        old = signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._asked)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.end_leftovers()
        try:
            while self.asked_by is None:
                self._start_due()
                self._wait()
                self._bury()
        finally:
            signal.set_wakeup_fd(old)
            if self.asked_by is not None:
                self.say(f"stop: {signal.Signals(self.asked_by).name}")
            self.stop()

    def end_leftovers(self, *names: str) -> None:
        """End what an earlier supervisor left behind when it was killed; only what it wrote down that it started.

        With names only the parts of these names.
        """
        try:
            left = json.loads(self.record.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return
        for name, (pid, started) in left.items():
            if (not names or name in names) and Identity(pid, started).process() is not None:
                self.say(f"{name} (process {pid}) was left by an earlier start; ending it")
                Identity(pid, started).end(GRACE)

    def clear_away(self) -> None:
        """End all that an earlier supervisor left, and what its parts have left in their turn."""
        for entry in reversed(self.running):
            self.end_leftovers(entry.part.name)
            self._clean_up(entry.part)
        self.record.unlink(missing_ok=True)

    def _asked(self, number: int, _: FrameType | None) -> None:
        """Note a signal, and write nothing: it may have come while something is being written."""
        self.asked_by = self.asked_by or number

    def _start_due(self) -> None:
        now = time.monotonic()
        for entry in self.running:
            if entry.process is None and entry.due is not None and entry.due <= now:
                self._start(entry)

    def _start(self, entry: Running) -> None:
        with entry.part.log.open("ab") as log:
            entry.process = subprocess.Popen(
                entry.part.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=entry.part.environment,
                start_new_session=True,
            )
        entry.since, entry.due = time.monotonic(), None
        self._write_record()
        self.say(f"{entry.part.name} started (process {entry.process.pid})")

    def _wait(self) -> None:
        """Sleep until a signal comes or a restart is due."""
        dues = [entry.due for entry in self.running if entry.due is not None]
        timeout = max(0.0, min(dues) - time.monotonic()) if dues else None
        select.select([self._waking], [], [], timeout)
        try:
            self._waking.recv(4096)
        except BlockingIOError:
            return

    def _bury(self) -> None:
        for entry in self.running:
            if entry.process is None or entry.process.poll() is None:
                continue
            lived = time.monotonic() - entry.since
            entry.deaths = 1 if lived >= PROVED else entry.deaths + 1
            pause = pause_after(entry.deaths, lived)
            self.say(f"{entry.part.name} ended with {entry.process.returncode}; starting it again in {pause:.0f} s")
            entry.process, entry.due = None, time.monotonic() + pause

    def _write_record(self) -> None:
        alive = {}
        for entry in self.running:
            if entry.process is not None and entry.process.poll() is None:
                identity = Identity.of(entry.process.pid)
                alive[entry.part.name] = (identity.pid, identity.started)
        fresh = self.record.with_suffix(".new")
        fresh.write_text(json.dumps(alive))
        fresh.replace(self.record)

    def stop(self) -> None:
        """End the parts, last one first; whoever does not go in time is killed."""
        for entry in reversed(self.running):
            if entry.process is None:
                continue
            entry.process.terminate()
            try:
                entry.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.say(f"{entry.part.name} did not end in {GRACE:.0f} s; killed")
                entry.process.kill()
                entry.process.wait()
            self.say(f"{entry.part.name} stopped")
            self._clean_up(entry.part)
        self.record.unlink(missing_ok=True)

    def _clean_up(self, part: Part) -> None:
        if not part.afterwards:
            return
        # The system's folder may have been removed: what still runs is to be stopped all the same.
        log_file = part.log if part.log.parent.is_dir() else Path(os.devnull)
        with log_file.open("ab") as log:
            done = subprocess.run(
                part.afterwards, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=part.environment, check=False
            )
        self.say(
            f"{part.name}: what it left behind is {'ended' if done.returncode == 0 else f'not ended; see {part.log}'}"
        )


def supervisor_from(plan_file: Path, say: Callable[[str], None]) -> Supervisor:
    """Make the supervisor of the system that a plan (JSON) describes."""
    plan = json.loads(plan_file.read_text())
    parts = [
        Part(
            part["name"],
            tuple(part["argv"]),
            {**os.environ, **part["environment"]},
            Path(part["log"]),
            tuple(part.get("afterwards", ())),
        )
        for part in plan["parts"]
    ]

    return Supervisor(parts, Path(plan["record"]), say)


def timed(words: str) -> str:
    """Put the time before a line."""
    return f"{time.strftime('%H:%M:%S')} {words}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the system that the plan file (the first argument) describes."""
    supervisor_from(Path((argv or sys.argv[1:])[0]), lambda words: print(timed(words), flush=True)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
