"""Runs one program of other people's for a copy: in its own session, killed when its time is up or when that is asked.

It ends with the pilot, also when that is killed, where ``setpriv`` is to be had (util-linux). What it leaves running
behind it in its session is killed too, and what it writes takes no memory: a file has it, of which the end is read.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import IO, Any, Optional

from pilot.contract.named import NamedTuple
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind, Inside, Setup
from pilot.copytool.last_words import kind_of, last_of

#: Seconds for a killed program to be gone; one that hangs in the kernel does not hold the copy.
PATIENCE = 5.0
#: Bytes of what a program has written that are read, from its end.
MOST_READ = 4 * 2**20
#: Exit statuses of a shell, and of ``env``, for a program that is not there or cannot be run.
CANNOT_RUN = (126, 127)
#: Sources a script, then becomes the program: the words of both are arguments, never part of the shell's text. A script
#: that fails or is not there (``command``: the shell goes on) is told as a program that cannot be run.
SOURCE = 'command . "$0" >&2 </dev/null || exit 126; exec "$@"'

#: Runs what it is given, and ends its own group of processes when it is told to end.
GUARD = 'trap "kill -KILL 0" TERM; "$@" & wait "$!"'


class Ran(NamedTuple):
    """How a program ended: its exit status (negative for a signal), and what it wrote."""

    status: int
    output: str
    errors: str

    def failure(self) -> CopyFailed:
        """Answer what its last words tell."""
        words = last_of(self.errors) or last_of(self.output) or f"it ended with status {self.status} and said nothing"
        # That a program is not there says nothing of the file that it was to copy.
        return CopyFailed(None if self.status in CANNOT_RUN else kind_of(words), words)


def run(
    arguments: Sequence[str],
    deadline: Deadline,
    cancel: Optional[Cancel] = None,
    *,
    environment: Mapping[str, str] = MappingProxyType({}),
    setup: Setup = "",
    guarded: bool = False,
) -> Ran:
    """Run a program to its end; whatever its exit status, that is for the caller to judge.

    Args:
        arguments: The program, found on the PATH (after ``setup``, which may set that), and its arguments.
        deadline: When it is killed, with what it has started in its session.
        cancel: The same, as soon as this is asked for; the deadline's own when left out.
        environment: Variables beside the pilot's own. Never a secret: they can be seen in the list of processes.
        setup: A script that is sourced before; or the container, and that script in it.
        guarded: Whether what it has started ends with a pilot that is killed, too; not only the program itself.

    Raises:
        CopyFailed: its time is up (TIMEOUT), or it could not be started.
        CopyCancelled: it was given up.
    """
    cancel = deadline.cancel if cancel is None else cancel  # one that was not asked for is false
    if cancel:
        raise CopyCancelled
    if not deadline.left():
        raise CopyFailed(FailureKind.TIMEOUT, f"{arguments[0]} was not begun: its time is up")
    with tempfile.TemporaryFile() as written, tempfile.TemporaryFile() as told:
        process = _start([*_held(setup, guarded), *before(setup, environment), *arguments], written, told)
        with cancel.doing(lambda: kill(process)):
            late = not _ended(process, deadline)
        output, errors = _end_of(written), _end_of(told)
    if cancel:
        raise CopyCancelled
    if late:
        words = f"{arguments[0]} did not end within its time; {last_of(errors) or last_of(output) or 'it said nothing'}"
        raise CopyFailed(FailureKind.TIMEOUT, words)
    return Ran(process.returncode, output, errors)


def before(setup: Setup, environment: Mapping[str, str]) -> Sequence[str]:
    """Answer the words that come before a program: into its container, its variables, the script to be sourced."""
    inside = setup if isinstance(setup, Inside) else Inside((), script=setup)
    variables = [f"{name}={value}" for name, value in {**dict(inside.variables), **environment}.items()]
    sourced = ["/bin/sh", "-c", SOURCE, inside.script] if inside.script else []
    return [*inside.enter, "env", *variables, *sourced]


def _start(command: Sequence[str], output: IO[bytes], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True)
    except OSError as wrong:
        raise CopyFailed(None, f"{command[0]} cannot be run: {wrong.strerror}") from wrong


def _ended(process: subprocess.Popen[bytes], deadline: Deadline) -> bool:
    """Wait for its end; false when it had to be killed."""
    gone = threading.Event()
    threading.Thread(target=_watch, args=(process, gone), daemon=True).start()
    in_time = gone.wait(deadline.left())
    if not in_time:
        kill(process)
    if gone.wait(PATIENCE):
        process.wait()  # which it does at once
    return in_time


def _watch(process: subprocess.Popen[bytes], gone: threading.Event) -> None:
    # While it is not reaped its number is nobody else's, so that what it has left behind can be ended by it.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    kill(process)
    gone.set()


def _end_of(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_READ))
    return file.read().decode("utf-8", "replace")


def kill(process: subprocess.Popen[Any]) -> None:
    """Kill a process that leads a session, and what it has started there, unless it was waited for."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _held(setup: Setup, guarded: bool) -> Sequence[str]:
    if not ((guarded or isinstance(setup, Inside)) and tied()):
        return tied()
    # What begins a container changes its rights, by which the kernel forgets whose death it was to share.
    return ["setpriv", "--pdeathsig", "TERM", "--", "/bin/sh", "-c", GUARD, "sh"]


@functools.cache
def tied() -> Sequence[str]:
    """Answer the words before a command that tie its life to that of the thread which starts it."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
