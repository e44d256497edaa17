"""Starting, awaiting and stopping one payload, each in the care of a keeper process (`pilot.runtime.keeper`)."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.job import PayloadOutcome

if TYPE_CHECKING:
    from pilot.job import PayloadCommand

#: Seconds to wait for a killed process; one that hangs in the kernel does not hold the pilot.
PATIENCE = 10.0

# Appended, so that nothing here stands before the standard library; a folder inside a zip will do.
_RUN_KEEPER = "import sys; sys.path.append(sys.argv.pop(1)); import keeper; keeper.main()"


class Payload:
    """A payload that runs. `wait` belongs to one thread; `stop` may be called from any, at any time."""

    def __init__(self, keeper: subprocess.Popen[bytes], pid: int, cgroup: str, paths: tuple[Path, Path, Path]) -> None:
        self.pid = pid
        self._keeper = keeper
        self._cgroup = cgroup
        self._paths = paths
        self._saying = threading.Lock()

    def wait(self) -> PayloadOutcome:
        """Block until the payload has ended and nothing that it started is left, and say how it ended.

        Raises:
            JobFailed: the keeper died (KEEPER_LOST); what could be found of the payload has been killed.
        """
        told = _hear(_pipe(self._keeper.stdout))
        with self._saying:
            _pipe(self._keeper.stdin).close()
        status = self._keeper.wait()
        _pipe(self._keeper.stdout).close()
        if "status" not in told:
            self._sweep()
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise JobFailed(ErrorCode.KEEPER_LOST, f"the keeper of payload {self.pid} ended with {how}", pid=self.pid)
        workdir, stdout, stderr = self._paths
        return PayloadOutcome(
            status=told["status"],
            # Killed, and yet not gone: it hangs in the kernel, and will be gone when it wakes.
            signal=signal.SIGKILL.value if told["left"] and told["status"] is None else told["signal"],
            workdir=workdir,
            stdout=stdout,
            stderr=stderr,
            wall_time=told["wall"],
            cpu_time=told["cpu"],
            max_rss=told["rss"],
        )

    def stop(self, grace: float) -> None:
        """Have the payload's whole tree ended: SIGTERM now, SIGKILL ``grace`` seconds later for what is left.

        Returns at once: `wait` tells when it is done. Nothing happens to a payload that has ended. Called again, the
        latest grace counts, which may be 0.
        """
        with self._saying, contextlib.suppress(OSError, ValueError):  # the keeper has ended, and so has the payload
            _pipe(self._keeper.stdin).write(b"stop %r\n" % float(grace))

    def _sweep(self) -> None:
        """Kill what a dead keeper has left: its cgroup's members, or the session that it made for the payload."""
        for pid in {*_members(self._cgroup), *_session(self.pid)}:
            _kill(pid)
        if self._cgroup:
            with contextlib.suppress(OSError):
                Path(self._cgroup).rmdir()


def start(command: PayloadCommand, *, stdout: Path, stderr: Path) -> Payload:
    """Start a payload in its own session and answer as soon as its program runs.

    Its stdin is empty. Its environment is ``command.environment`` and nothing else.

    Raises:
        JobFailed: it could not be started (PAYLOAD_NOT_STARTED, RESOURCE_UNAVAILABLE), or no file for its output could
            be made (FILE_HANDLING).
    """
    with contextlib.ExitStack() as opened:
        try:
            out, err = (opened.enter_context(path.open("wb")) for path in (stdout, stderr))
        except OSError as wrong:
            raise JobFailed(ErrorCode.FILE_HANDLING, f"the payload's output cannot be written: {wrong}") from wrong
        keeper = _start_keeper(out, err)
    told = _give_order(keeper, command)
    if "pid" in told:
        return Payload(keeper, told["pid"], told["cgroup"], (command.workdir, stdout, stderr))
    _pipe(keeper.stdin).close()
    _pipe(keeper.stdout).close()
    keeper.wait()
    why = told.get("failed", "its keeper died")
    program = command.argv[0] if command.argv else "no program"
    raise JobFailed(ErrorCode.PAYLOAD_NOT_STARTED, f"{program}: {why}", workdir=str(command.workdir))


def _start_keeper(stdout: IO[bytes], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    folder = str(Path(__file__).parent)
    argv = [sys.executable, "-I", "-S", "-c", _RUN_KEEPER, folder, str(stdout.fileno())]
    try:
        return subprocess.Popen(
            argv,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=(stdout.fileno(),),
            start_new_session=True,
            cwd="/",
            env={},
        )
    except OSError as wrong:
        raise JobFailed(ErrorCode.RESOURCE_UNAVAILABLE, f"no keeper could be started: {wrong}") from wrong


def _give_order(keeper: subprocess.Popen[bytes], command: PayloadCommand) -> dict[str, Any]:
    order = marshal.dumps((list(command.argv), dict(command.environment), str(command.workdir)))
    whole = memoryview(len(order).to_bytes(8, "big") + order)
    with contextlib.suppress(BrokenPipeError):  # then there is nothing to hear either
        while whole:
            whole = whole[_pipe(keeper.stdin).write(whole) :]
    return _hear(_pipe(keeper.stdout))


def _hear(pipe: IO[bytes]) -> dict[str, Any]:
    line = pipe.readline()
    return json.loads(line) if line.endswith(b"\n") else {}


def _pipe(pipe: Optional[IO[bytes]]) -> IO[bytes]:
    if pipe is None:
        raise TypeError("the keeper was started without pipes")
    return pipe


def _kill(pid: int) -> None:
    """Kill a process that is no child of ours, and wait until it has ended, where the kernel (5.3) can tell."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        ended.poll(PATIENCE * 1000)
        os.close(handle)


def _members(cgroup: str) -> list[int]:
    if not cgroup:
        return []
    try:
        return [int(line) for line in (Path(cgroup) / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _session(leader: int) -> list[int]:
    """Answer the processes of a session. Its number is not given to another one while one of them lives."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[3]) == leader:
                    found.append(int(entry.name))
    return found
