"""A whole local system for tests: `compass` as a person calls it, the processes that come of it, and its rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from tests.kits.tables import put_tables
from tests.whole.audit import Rows

ROOT = Path(__file__).parents[2]
#: Seconds that anything is waited for.
PATIENCE = 150.0
#: The shortest times that the server allows, so that what is lost is put right within a test.
QUICK = {"COMPASS_SERVER_HEARTBEAT_TIMEOUT": "10", "COMPASS_SERVER_SENT_TIMEOUT": "10"}
#: What a process of a system has in its environment: the server's programs, or pilots and what they run.
MARKS = ("COMPASS_SERVER_HOME", "COMPASS_BATCH_DIRECTORY")


class LocalSystem:
    """A home, and the commands called on it."""

    def __init__(self, home: Path, bundle: Path, **environment: str) -> None:
        self.home, self.bundle = home, bundle
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("COMPASS_", "DJANGO_"))}
        self.environment = {**plain, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **QUICK, **environment}
        self.started: list[subprocess.Popen[str]] = []

    def with_tables(self) -> LocalSystem:
        """Let its database be there before it is brought up for the first time, which spares it seconds."""
        put_tables(self.home / "server")
        return self

    # Commands

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Call `compass` as a terminal does: in a process group of its own, to which Ctrl-C goes."""
        argv = [sys.executable, "-m", "client.cli", *words, "--home", str(self.home)]
        called = subprocess.Popen(
            argv,
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self.started.append(called)
        return called

    def call(self, *words: str) -> tuple[int, str, str]:
        """Call `compass` and wait for its end; answer status and what it wrote."""
        called = self.start(*words)
        out, said = called.communicate(timeout=PATIENCE * 2)
        return called.returncode, out, said

    def demo_words(self, *, events: int = 20, chunks: int = 2, slots: int = 2) -> list[str]:
        size = ["--runs", "1", "--chunks", str(chunks), "--events", str(events), "--slots", str(slots)]
        return ["demo", "--json", "--bundle", str(self.bundle), *size]

    def up(self) -> tuple[int, str, str]:
        return self.call("up", "--json", "--bundle", str(self.bundle))

    # What is there

    @property
    def rows(self) -> Rows:
        return Rows(self.home / "server" / "db.sqlite3")

    def url(self) -> str:
        return str(json.loads((self.home / "run" / "system.json").read_text())["url"])

    def part(self, name: str) -> psutil.Process:
        """Find a part of the system by what the supervisor wrote down."""
        return psutil.Process(json.loads((self.home / "run" / "parts.json").read_text())[name][0])

    def supervisor(self) -> psutil.Process:
        return psutil.Process(json.loads((self.home / "run" / "system.json").read_text())["pid"])

    def processes(self) -> list[psutil.Process]:
        """Find every process that was started for this home, whoever its parent is now."""
        return list(filter(self._belongs, psutil.process_iter()))

    def _belongs(self, process: psutil.Process) -> bool:
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                return False
            marks = [process.environ().get(name, "") for name in MARKS]
            return any(str(self.home) in text for text in [*marks, process.cwd(), *process.cmdline()])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def commands(self) -> list[list[str]]:
        """Answer the command lines of these processes."""
        found = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                found.append(process.cmdline())
        return found

    def pilots(self) -> list[psutil.Process]:
        """Find the pilots themselves: below the wrappers, above the payloads."""
        return [process for process in self.processes() if _is_pilot(process)]

    def said(self) -> str:
        """What is in the logs, for the words of a failing test."""
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in (self.home / "logs").glob("*.log"))

    # Waiting

    def wait_for(self, met: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Look again and again until something is so. What it is that changes cannot call us: it is another program."""
        for _ in ticks(seconds):
            if met():
                return
            if self.started and self.started[-1].poll():
                raise AssertionError(f"before {what}, it ended: {self.started[-1].communicate()}\n{self.said()}")
        raise AssertionError(f"in {seconds:.0f} s it did not come that {what}\n{self.said()}")

    def close(self) -> None:
        """End everything; what does not go by itself is killed."""
        for called in self.started:
            if called.poll() is None:
                called.send_signal(signal.SIGKILL)
            called.communicate()
        if (self.home / "run").is_dir():
            self.call("down")
        for process in self.processes():
            process.kill()


def ticks(seconds: float, pause: float = 0.05) -> Iterator[float]:
    """Count time while it is not over."""
    deadline, never = time.monotonic() + seconds, threading.Event()
    while (left := deadline - time.monotonic()) > 0:
        yield left
        never.wait(pause)


def _is_pilot(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
        return "-I" in words and any(word.endswith("pilot.pyz") for word in words)
    except psutil.NoSuchProcess:
        return False
