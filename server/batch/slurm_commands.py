"""Slurm's own commands: started by argument lists in an environment of their own, each for so long at most."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from server.batch.base import BatchFailed
from server.batch.slurm_options import SlurmOptions

#: Sbatch says so when the queue is full, and would ask again for minutes.
_SLEEPS = b"sleeping and retrying"
FULL = "its queue is full (MaxJobCount)"
_LAST_WORDS = 500
_BLOCK = 2**16
#: Words of a refusal that tell of the way to Slurm, not of what was asked: it may have been done all the same.
_UNSURE = (
    *("timed out", "Unable to contact", "Connection refused", "Communication connection", "Zero Bytes"),
    *("standby mode", "Transport endpoint", "Munge", "Unexpected message", "failed to fetch config"),
    *("Insane message", "Protocol authentication", "Unable to establish", "No route to host"),
)


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote."""

    status: int
    output: str
    errors: str

    @property
    def words(self) -> str:
        """What it has to say about a failure, on one line."""
        lines = (self.errors.strip() or self.output.strip() or f"status {self.status}").splitlines()
        words = "; ".join(line.strip() for line in lines if line.strip())[-_LAST_WORDS:]
        return f"{FULL}: {words}" if _SLEEPS.decode() in words else words

    @property
    def unsure(self) -> bool:
        """Say whether it may have been done although it failed."""
        return any(words in self.errors for words in _UNSURE)


class Commands:
    """Runs the commands of one Slurm."""

    def __init__(self, options: SlurmOptions) -> None:
        self._folder, self._seconds = options.programs, options.timeout
        # Sbatch hands its own environment to the jobs: there is nothing of the server's in it.
        self._environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        if options.conf:
            self._environment["SLURM_CONF"] = options.conf

    def ask(self, program: str, *words: str) -> Said:
        """Run a command whose times are to be seconds since 1970.

        Raises:
            BatchFailed: there is no such command, or it did not answer in time.
        """
        with self._started(program, words, {"SLURM_TIME_FORMAT": "%s"}, subprocess.DEVNULL) as asked:
            return asked.answer()

    def tell(self, program: str, *words: str) -> Said:
        """Run a command that changes something; raises likewise."""
        with self._started(program, words, {}, subprocess.DEVNULL) as asked:
            return asked.answer()

    def feed(self, program: str, *words: str, keep: Sequence[int] = ()) -> AbstractContextManager[Asked]:
        """Start a command that is to read something before it does anything; without that it ends with the context.

        File descriptors in ``keep`` live as long as it does. Raises likewise.
        """
        return self._started(program, words, {}, subprocess.PIPE, keep)

    @contextmanager
    def _started(
        self, program: str, words: Sequence[str], more: dict[str, str], source: int, keep: Sequence[int] = ()
    ) -> Iterator[Asked]:
        path = str(Path(self._folder) / program) if self._folder else program
        # In memory: on a disk that is full, an answer would be cut off without a word, and its jobs would be lost.
        with open(os.memfd_create(program), "w+b") as output:  # noqa: PTH123
            try:
                process = subprocess.Popen(
                    [path, *words],
                    env={**self._environment, **more},
                    stdin=source,
                    stdout=output,
                    stderr=subprocess.PIPE,
                    pass_fds=keep,
                    start_new_session=True,
                    cwd="/",
                )
            except OSError as wrong:
                raise BatchFailed(f"{path} cannot be started: {wrong.strerror}") from wrong
            with process:
                try:
                    yield Asked(program, process, output, self._seconds)
                finally:
                    if process.returncode is None:
                        _kill(process)


class Asked:
    """A command that runs."""

    def __init__(self, program: str, process: subprocess.Popen[bytes], output: IO[bytes], seconds: float) -> None:
        self._program, self._process, self._output, self._seconds = program, process, output, seconds

    def answer(self, text: str = "") -> Said:
        """Wait for its end, for so long at most; ``text`` is what it is to read, of one block of a pipe at most.

        Raises:
            BatchFailed: it did not answer in time.
        """
        if self._process.stdin is not None:
            with suppress(BrokenPipeError), self._process.stdin as door:  # what has ended says why
                os.write(door.fileno(), text.encode())  # as a whole or not at all: a half of it could mean something
        errors, late = _watch(self._process, self._seconds)
        if late:
            raise BatchFailed(f"{self._program} did not answer within {self._seconds:g} s{_quoted(errors)}")
        self._output.seek(0)
        return Said(self._process.wait(), self._output.read().decode(errors="replace"), errors)


def _watch(asked: subprocess.Popen[bytes], seconds: float) -> tuple[str, bool]:
    """Wait for a command's end; end it when it is late, or only waits to ask again."""
    errors, door = cast(IO[bytes], asked.stderr).fileno(), os.pidfd_open(asked.pid)
    deadline, heard, late = time.monotonic() + seconds, bytearray(), False
    os.set_blocking(errors, False)
    try:
        with selectors.DefaultSelector() as selector:
            for each in (errors, door):
                selector.register(each, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select(None if late else max(0.0, deadline - time.monotonic()))}
                if not ready:
                    late = True
                    _kill(asked)
                if errors in ready and not _read_into(heard, errors):
                    selector.unregister(errors)
                if door in ready:
                    _read_into(heard, errors)
                    return heard.decode(errors="replace"), late
                if _SLEEPS in heard:
                    _kill(asked)
    finally:
        os.close(door)


def _read_into(heard: bytearray, source: int) -> bool:
    """Read what is there; answer whether there may be more later."""
    with suppress(BlockingIOError):
        while block := os.read(source, _BLOCK):
            heard += block
        return False
    return True


def _kill(asked: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(asked.pid, signal.SIGKILL)


def _quoted(errors: str) -> str:
    return f": {Said(0, '', errors).words}" if errors.strip() else ""
