"""Run a command on this machine or in a container: with a timer, a time-out, and nothing left behind.

Public, under semantic versioning; no pilot needs to run. The same keeper that ends payloads ends these commands: when
the caller dies, so does all that it has started here. Images are inspected and built, and instances kept, by spython
(``pip install 'compass-pilot[container]'``).
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional, Union

from pilot.api.images import Instance, build, inspect, start_instance
from pilot.runtime.container.containers import Containers, put_in
from pilot.runtime.container.values import Bind, Container, Runtime

if TYPE_CHECKING:
    from pilot.job import PayloadOutcome, Problem
    from pilot.runtime.process import Payload

__all__ = [
    "Bind",
    "Cancel",
    "Container",
    "Instance",
    "Outcome",
    "Runtime",
    "build",
    "inspect",
    "run",
    "start_instance",
]

#: So many bytes of the end of each output are kept.
KEPT = 2**20


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    ``status`` is its exit status, ``signal`` the one that ended it; one of them is ``None``. ``stdout`` and ``stderr``
    are the ends of what it wrote; bytes that are not UTF-8 are replaced. ``wall`` and ``cpu`` are seconds, ``cpu`` that
    of all its processes; ``max_rss`` is the most memory that one of them had, in bytes. ``problem`` says why its
    container could not be run, if that was the cause, and ``problem_code`` is the pilot's number for it.
    """

    status: Optional[int]
    signal: Optional[int]
    timed_out: bool
    cancelled: bool
    stdout: str
    stderr: str
    wall: float
    cpu: float
    max_rss: int
    problem: str = ""
    problem_code: int = 0

    @property
    def well(self) -> bool:
        """Whether it ended with status 0, by itself."""
        return self.status == 0 and not self.timed_out and not self.cancelled


class Cancel:
    """A word by which another thread ends commands that were given it; it may be said before they begin."""

    def __init__(self) -> None:
        self._said = threading.Event()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def said(self) -> bool:
        """Whether it was said."""
        return self._said.is_set()

    def say(self) -> None:
        """End what runs with it; returns at once, and may be called again."""
        with self._lock:
            self._said.set()
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def _listen(self, listener: Callable[[], None]) -> None:
        with self._lock:
            self._listeners.append(listener)
            said = self._said.is_set()
        if said:
            listener()

    def _forget(self, listener: Callable[[], None]) -> None:
        with self._lock:
            self._listeners = [other for other in self._listeners if other is not listener]


def run(
    command: Sequence[str],
    *,
    container: Optional[Container] = None,
    cwd: Union[str, Path, None] = None,
    environment: Optional[Mapping[str, str]] = None,
    timeout: Optional[float] = None,
    grace: float = 10.0,
    keep: int = KEPT,
    cancel: Optional[Cancel] = None,
) -> Outcome:
    """Run a command to its end, and answer how it ended.

    Args:
        command: The program and its arguments. No shell reads them.
        container: In which it runs; ``None``: on this machine itself.
        cwd: Where it runs; in a container, this folder is seen at its own path and is the home. The present one.
        environment: Its variables. When left out: on this machine the caller's own, in a container none.
        timeout: Seconds after which it is ended, 0 or less at once; ``None``: never.
        grace: Seconds between SIGTERM and SIGKILL for a command that is to end.
        keep: Bytes of the end of each output that are kept.
        cancel: A word by which another thread ends it.

    Returns:
        How it ended. A command that fails, is too late or is cancelled is an outcome, and no error; what it had started
        is gone in any case.

    Raises:
        KeyboardInterrupt: somebody interrupted; the command is gone by then.
        PilotError: it could not be started: no such program (PAYLOAD_NOT_STARTED), no such image (IMAGE_NOT_FOUND), no
            runtime (APPTAINER_NOT_INSTALLED); ``code`` and ``detail`` say which.
    """
    from pilot.job import PayloadCommand
    from pilot.runtime import process
    from pilot.settings import environment as own_environment
    from pilot.settings import sections

    own = own_environment()
    containers = Containers(sections.Container(), own)
    given = environment if environment is not None else {} if container else own
    asked = PayloadCommand(tuple(map(str, command)), dict(given), Path(cwd or ".").absolute())
    with tempfile.TemporaryDirectory(prefix="compass-") as name:
        scratch, temporary = Path(name), Path(name, "tmp")  # a command may empty its /tmp; its output lies beside it
        temporary.mkdir()
        wrapped = put_in(container, asked, own, temporary) if container else asked
        with containers.leaving_nothing(container, temporary):
            word = cancel or Cancel()
            ended = _ended(
                lambda: process.start(wrapped, stdout=scratch / "stdout", stderr=scratch / "stderr"),
                timeout,
                grace,
                word,
            )
        problem = containers.explain(container, ended)
        return _outcome(ended, word.said, keep, problem)


def _ended(start: Callable[[], Payload], timeout: Optional[float], grace: float, word: Cancel) -> PayloadOutcome:
    started: Optional[Payload] = None

    def stop() -> None:
        if started is not None:
            started.stop(grace)

    try:
        started = start()
        word._listen(stop)
        return started.wait(None if timeout is None else max(0.0, timeout), grace)
    except KeyboardInterrupt:
        if started is not None:
            started.stop(0)
            started.wait()
        raise
    finally:
        word._forget(stop)


def _outcome(ended: PayloadOutcome, cancelled: bool, keep: int, problem: Optional[Problem]) -> Outcome:
    return Outcome(
        status=ended.status,
        signal=ended.signal,
        timed_out=ended.late,
        cancelled=cancelled,
        stdout=_end_of(ended.stdout, keep),
        stderr=_end_of(ended.stderr, keep),
        wall=ended.wall_time,
        cpu=ended.cpu_time,
        max_rss=ended.max_rss,
        problem=problem.detail if problem else "",
        problem_code=problem.code.value if problem else 0,
    )


def _end_of(path: Path, keep: int) -> str:
    with path.open("rb") as written:
        written.seek(max(0, path.stat().st_size - keep))
        return written.read().decode("utf-8", "replace")
