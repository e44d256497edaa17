"""Slurm's own commands: started by argument lists in an environment of their own, each for so long at most."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from server.batch.base import BatchFailed
from server.batch.slurm_options import SlurmOptions

#: Sbatch says so when the queue is full, and would ask again for minutes.
_SLEEPS = "sleeping and retrying"
FULL = "its queue is full (MaxJobCount)"
_LAST_WORDS = 500
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
        return f"{FULL}: {words}" if _SLEEPS in words else words

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
        return self._run(program, words, {"SLURM_TIME_FORMAT": "%s"}, ())

    def tell(self, program: str, *words: str, keep: Sequence[int] = ()) -> Said:
        """Run a command that changes something, with file descriptors that live as long as it does; raises likewise."""
        return self._run(program, words, {}, keep)

    def _run(self, program: str, words: Sequence[str], more: dict[str, str], keep: Sequence[int]) -> Said:
        path = str(Path(self._folder) / program) if self._folder else program
        # In memory: on a disk that is full, an answer would be cut off without a word, and its jobs would be lost.
        with open(os.memfd_create(program), "w+b") as output:  # noqa: PTH123
            try:
                asked = subprocess.Popen(
                    [path, *words],
                    env={**self._environment, **more},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.PIPE,
                    pass_fds=keep,
                    start_new_session=True,
                    cwd="/",
                )
            except OSError as wrong:
                raise BatchFailed(f"{path} cannot be started: {wrong.strerror}") from wrong
            errors, late = _watch(asked, self._seconds)
            if late:
                raise BatchFailed(f"{program} did not answer within {self._seconds:g} s{_quoted(errors)}")
            output.seek(0)
            return Said(asked.returncode, output.read().decode(errors="replace"), errors)


def _watch(asked: subprocess.Popen[bytes], seconds: float) -> tuple[str, bool]:
    """Wait for a command's end; end it when it is late, or only waits to ask again."""
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(asked)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    lines = []
    with asked:
        for line in asked.stderr or ():
            lines.append(line.decode(errors="replace"))
            if _SLEEPS in lines[-1]:
                _kill(asked)
                break
        asked.wait()
    timer.cancel()
    return "".join(lines), late.is_set()


def _kill(asked: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(asked.pid, signal.SIGKILL)


def _quoted(errors: str) -> str:
    return f": {Said(0, '', errors).words}" if errors.strip() else ""
