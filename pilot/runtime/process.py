"""Starting, awaiting and stopping one payload, each in the care of a keeper process (`pilot.runtime.keeper`)."""

from __future__ import annotations

import contextlib
import json
import logging
import marshal
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Callable, Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.job import PayloadOutcome
from pilot.runtime import cgroup
from pilot.runtime.limits import NO_LIMITS, LimitedBy, Limits
from pilot.runtime.processes import Root
from pilot.runtime.workdir import write_new

if TYPE_CHECKING:
    from pilot.job import PayloadCommand
    from pilot.runtime.cgroup import Groups

log = logging.getLogger(__name__)

#: Seconds to wait for a killed process; one that hangs in the kernel does not hold the pilot.
PATIENCE = 10.0

# Appended, so that nothing here stands before the standard library; a folder inside a zip will do.
_RUN_KEEPER = "import sys; sys.path.append(sys.argv.pop(1)); import keeper; keeper.main()"


class Payload:
    """A payload that runs. `wait` belongs to one thread; `stop` may be called from any, at any time."""

    def __init__(
        self, keeper: subprocess.Popen[bytes], pid: int, groups: Groups, limits: Limits, paths: tuple[Path, Path, Path]
    ) -> None:
        self.pid = pid
        #: Its cgroups, as folders: `Groups.tracking` (version 2), `Groups.memory`.
        self.groups = groups
        self.limits = limits
        self._keeper = keeper
        self._paths = paths
        self._saying = threading.Lock()

    @property
    def limited_by(self) -> LimitedBy:
        """Answer what holds it to its limit of memory; SAMPLING: nothing but a check that looks from time to time."""
        if not self.limits.memory:
            return LimitedBy.NOTHING
        if self.groups.why:
            return LimitedBy.SAMPLING
        return LimitedBy.CGROUP_1 if self.groups.memory_version == 1 else LimitedBy.CGROUP_2

    @property
    def root(self) -> Root:
        """Answer where its tree hangs, for who measures it."""
        return Root(self._keeper.pid, self.groups.tracking or self.groups.memory)

    def wait(self, seconds: Optional[float] = None, grace: float = 0.0) -> PayloadOutcome:
        """Block until the payload has ended and nothing that it started is left, and say how it ended.

        After ``seconds`` it is stopped, with so much ``grace``; the outcome then says that it was ``late``.

        Raises:
            JobFailed: the keeper died (KEEPER_LOST); what could be found of the payload has been killed.
        """
        late = seconds is not None and not _speaks(_pipe(self._keeper.stdout), seconds)
        if late:
            self.stop(grace)
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
        memory = cgroup.use(self.groups.accounts, told["accounts"])
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
            pid=self.pid,
            dumped=told["core"],
            late=late,
            memory_peak=memory.peak,
            memory_kills=memory.kills,
            memory_limit=self.limits.memory,
            cpu_limit=self.limits.cpu_time,
        )

    def stop(self, grace: float) -> None:
        """Have the payload's whole tree ended: SIGTERM now, SIGKILL ``grace`` seconds later for what is left.

        Returns at once: `wait` tells when it is done. Nothing happens to a payload that has ended. Called again, the
        latest grace counts, which may be 0.
        """
        with self._saying, contextlib.suppress(OSError, ValueError):  # the keeper has ended, and so has the payload
            _pipe(self._keeper.stdin).write(b"stop %r\n" % float(grace))

    def _sweep(self) -> None:
        """Kill what a dead keeper has left: its cgroups' members, and the session that it made for the payload."""
        cgroup.kill(self.groups.tracking)
        killed = _kill_all(lambda: cgroup.members(self.groups.all)) | _kill_all(lambda: set(_session(self.pid)))
        for pid in killed:
            _await_end(pid)
        cgroup.remove(self.groups.all)


def start(command: PayloadCommand, *, stdout: Path, stderr: Path, limits: Limits = NO_LIMITS) -> Payload:
    """Start a payload in its own session, under its limits, and answer as soon as its program runs.

    Its stdin is empty. Its environment is ``command.environment`` and nothing else.

    Raises:
        JobFailed: it could not be started (PAYLOAD_NOT_STARTED, RESOURCE_UNAVAILABLE), its keeper died before it had
            said so (KEEPER_LOST), or no file for its output could be made (FILE_HANDLING).
        KeyboardInterrupt: somebody interrupted; the payload is gone by then.
    """
    with contextlib.ExitStack() as opened:
        try:
            # What ran before in the same directory may have put a link, or a pipe, in their places.
            out, err = (opened.enter_context(write_new(path)) for path in (stdout, stderr))
        except OSError as wrong:
            raise JobFailed(ErrorCode.FILE_HANDLING, f"the payload's output cannot be written: {wrong}") from wrong
        keeper = _start_keeper(out, err)
    try:
        groups = cgroup.make(keeper.pid, limits.memory, limits.processes)  # while the keeper's interpreter starts
        told = _give_order(keeper, command, groups, limits)
        if "pid" in told:
            payload = Payload(keeper, told["pid"], groups, limits, (command.workdir, stdout, stderr))
            _log_limits(payload)
            return payload
    except KeyboardInterrupt:  # nobody has the payload yet; without us the keeper ends it
        _pipe(keeper.stdin).close()
        keeper.wait()
        raise
    _pipe(keeper.stdin).close()
    _pipe(keeper.stdout).close()
    keeper.wait()
    cgroup.kill(groups.tracking)  # a keeper may die between its fork and what it says of that
    cgroup.remove(groups.all)
    program = command.argv[0] if command.argv else "no program"
    if "failed" in told:
        raise JobFailed(ErrorCode.PAYLOAD_NOT_STARTED, f"{program}: {told['failed']}", workdir=str(command.workdir))
    raise JobFailed(ErrorCode.KEEPER_LOST, f"{program}: its keeper died while it started it")


def _log_limits(payload: Payload) -> None:
    limits, groups, by = payload.limits, payload.groups, payload.limited_by.value
    if limits.memory:
        how = f"{by} ({groups.why})" if groups.why else by
        log.info("process %d may take %d bytes of memory, held to it by %s", payload.pid, limits.memory, how)
    if limits.processes and not groups.processes:
        log.info("process %d is not held to %d processes: no cgroup counts them", payload.pid, limits.processes)


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


def _give_order(
    keeper: subprocess.Popen[bytes], command: PayloadCommand, groups: Groups, limits: Limits
) -> dict[str, Any]:
    what = (list(command.argv), dict(command.environment), str(command.workdir), list(limits.resources))
    order = marshal.dumps((*what, groups.tracking, list(groups.early), list(groups.late), list(groups.accounts)))
    whole = memoryview(len(order).to_bytes(8, "big") + order)
    with contextlib.suppress(BrokenPipeError):  # then there is nothing to hear either
        while whole:
            whole = whole[_pipe(keeper.stdin).write(whole) :]
    return _hear(_pipe(keeper.stdout))


def _hear(pipe: IO[bytes]) -> dict[str, Any]:
    line = pipe.readline()
    return json.loads(line) if line.endswith(b"\n") else {}


def _speaks(pipe: IO[bytes], seconds: float) -> bool:
    """Wait until there is something to hear; False when there was nothing for so many seconds."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(min(seconds * 1000, 2**30)))


def _pipe(pipe: Optional[IO[bytes]]) -> IO[bytes]:
    if pipe is None:
        raise TypeError("the keeper was started without pipes")
    return pipe


def _kill_all(find: Callable[[], set[int]]) -> set[int]:
    """Kill whatever is found until nothing new is, and answer it. Looks again at once: what forks all the time does."""
    killed: set[int] = set()
    end = time.monotonic() + PATIENCE
    while (found := find() - killed) and time.monotonic() < end:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= found
    return killed


def _await_end(pid: int) -> None:
    """Wait until a process has ended that is no child of ours, where the kernel (5.3) can tell."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        ended.poll(PATIENCE * 1000)
        os.close(handle)


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
