"""A job's directory in which commands are run in real containers, under a real keeper."""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from pilot.job import PayloadCommand
from pilot.runtime import process
from pilot.runtime.container.containers import Containers
from pilot.runtime.container.values import Container
from pilot.settings import sections
from tests.services.containers import BUILD


@dataclass
class Room:
    """One job's directory, what its payload's environment adds, and the node's own environment."""

    folder: Path
    own: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        (self.folder / "tmp").mkdir(parents=True)
        self.own = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **self.own}
        self.containers = Containers(sections.Container(), self.own)

    @property
    def temporary(self):
        return self.folder / "tmp"

    def start(self, container: Container, script: str, before: Sequence[str] = (), **variables: str):
        """Begin a shell's command in a container; the words before the runtime say for instance whose it is."""
        whole = {**{name: self.own[name] for name in ("PATH", "HOME")}, **variables}
        command = PayloadCommand(("/bin/sh", "-c", script), whole, self.folder)
        wrapped = self.containers.wrap(container, command)
        wrapped = replace(wrapped, argv=(*before, *wrapped.argv))
        return process.start(wrapped, stdout=self.folder / "out", stderr=self.folder / "err")

    def run(self, container: Container, script: str, before: Sequence[str] = (), **variables: str):
        """Run a shell's command in a container to its end; answer how it ended, and its lines."""
        payload = self.start(container, script, before, **variables)
        with self.containers.leaving_nothing(container, self.temporary):
            outcome = payload.wait()
        return outcome, outcome.stdout.read_text().splitlines()

    @contextmanager
    def running(self, container: Container, script: str):
        """Begin a command and wait until it says so by opening ``up``; answer it and all processes there are of it."""
        before = psutil.Process().children(recursive=True)
        fifo = self.folder / "up"
        os.mkfifo(fifo)
        listening = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        try:
            payload = self.start(container, script)
            assert select.select([listening], [], [], 20)[0], (self.folder / "err").read_text()
            try:
                # Services of other tests may run for as long as all tests do.
                yield payload, [one for one in psutil.Process().children(recursive=True) if one not in before]
            except BaseException:
                payload.stop(0)
                payload.wait()
                raise
        finally:
            os.close(listening)

    def explain(self, container: Container, outcome):
        problem = self.containers.explain(container, outcome)
        return problem.code if problem else None


def mounts(folder: Path) -> list[str]:
    """Answer what is mounted, seen from outside, that has to do with a folder, a runtime or an image."""
    marks = (str(folder), str(BUILD), "squash", "overlay")
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return sorted(line for line in lines if any(mark in line for mark in marks))


def strays(folder: Path) -> list[str]:
    """Answer the command lines of processes that have to do with a folder."""
    found = []
    for one in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(one.info["cmdline"] or ())
        if str(folder) in line and one.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(line)
    return found


@pytest.fixture
def nothing_is_left(tmp_path):
    """Hold, after a test, that it has left no process and no mount."""
    before = mounts(tmp_path)
    yield
    assert strays(tmp_path) == []
    assert mounts(tmp_path) == before
