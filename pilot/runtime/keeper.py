"""The keeper: a small process of its own that starts one payload, reaps it, and ends its whole tree.

It is run by `pilot.runtime.process` in an interpreter without site-packages, and imports as little as it can: what it
costs to start is paid by every job (``signal`` brings ``enum``, a third of the whole; its C part is enough). Its stdin
brings the order (a length, then a marshalled tuple) and later words ("stop"); when stdin closes the pilot is dead, and
the tree is killed. The cgroups that the payload is to enter have been made by the pilot, and are removed here. Its
stdout takes two JSON lines: how the payload was started, and how it ended. Being a subreaper, it inherits every process
that the payload's tree leaves behind, so that no child left means that nothing is left.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # part of CPython since 3.5
import errno
import os
import select
import sys
import time

#: Seconds that a tree may live on after its payload has ended: first to finish by itself, then after SIGTERM.
LINGER = 1.0
#: Seconds after which a payload gets a cgroup: moving one may take 15 ms, which a short payload is spared.
SETTLED = 1.0
#: Seconds to wait for killed processes; one that hangs in the kernel does not hold the pilot.
PATIENCE = 10.0

#: How much sooner than its keeper and its pilot a payload is to be chosen when the kernel is short of memory (of 1000).
RATHER = 100

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def _prctl(option: int, value: int) -> bool:
    """Ask the kernel; False where that cannot be done."""
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def children_of(parents: set[int]) -> set[int]:
    """Answer every process below the given ones, from one look at /proc."""
    found: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:
                    found[int(name)] = int(stat.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue  # ended meanwhile
    tree = set(parents)
    while grown := {pid for pid, parent in found.items() if parent in tree} - tree:
        tree |= grown
    return tree - parents


class Tree:
    """Everything that one payload started: what is known of it, and what may be done to it."""

    def __init__(self, tracking: str, early: list[str], late: list[str], resources: list[tuple[int, int, int]]) -> None:
        self.tracking, self.early, self.late = tracking, early, late  # folders of cgroups
        self.resources = resources
        self.leader = 0
        self.status: int | None = None  # as waitpid tells it; None while the payload runs
        self.ended = 0.0
        self.cpu_time, self.max_rss = 0.0, 0
        self.gone = False  # True once no process is left

    def start(self, argv: list[str], environment: dict[str, str], workdir: str) -> str:
        """Start the payload in its own session. Answers why it could not be started, "" when it was."""
        reading, writing = os.pipe()
        self.leader = os.fork()
        if not self.leader:
            self._become(argv, environment, workdir, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            failure = told.read().decode("utf-8", "replace")
        if failure:
            os.waitpid(self.leader, 0)
        return failure

    def _become(self, argv: list[str], environment: dict[str, str], workdir: str, told: int) -> None:
        """Turn this (forked) process into the payload, or tell why not."""
        try:
            os.setsid()
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # the keeper has one thread, so this means its death
            for folder in self.early:
                _enter(folder, 0)
            _offer_to_the_kernel()
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.chdir(workdir)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(int(sys.argv[1]), 1)
            _bound(self.resources)
            os.execvpe(argv[0], argv, environment)
        except (OSError, ValueError, TypeError) as wrong:
            words = str(getattr(wrong, "strerror", None) or wrong)
            if getattr(wrong, "errno", None) == errno.ENOEXEC:
                words = "neither a program nor a script whose first line names one (#!/bin/sh)"
            os.write(told, words.encode())
        finally:
            os._exit(127)

    def settle(self) -> None:
        """Move the tree into the cgroups that could wait, together with what it forks meanwhile."""
        moved: set[int] = set()
        while new := children_of({os.getpid()}) - moved:
            for pid in new:
                for folder in self.late:
                    _enter(folder, pid)
            moved |= new

    def reap(self) -> None:
        """Collect whatever has ended."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self.gone = True
                return
            if not pid:
                return
            self.cpu_time += usage.ru_utime + usage.ru_stime
            self.max_rss = max(self.max_rss, usage.ru_maxrss * 1024)
            if pid == self.leader:
                self.status, self.ended = status, time.monotonic()

    def signal(self, number: int) -> None:
        """Send a signal to every process of the tree, and to nothing else."""
        for pid in children_of({os.getpid()}):
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                continue

    def kill(self) -> None:
        """Kill the tree; called again for what it forked meanwhile."""
        if self.tracking:
            try:
                with open(self.tracking + "/cgroup.kill", "w") as word:
                    word.write("1")
            except OSError:
                pass  # an older kernel; the processes are found one by one
        self.signal(signal.SIGKILL)


def _enter(folder: str, pid: int) -> None:
    """Move a process (0: this one) into a cgroup."""
    try:
        with open(folder + "/cgroup.procs", "w") as members:
            members.write(str(pid))
    except OSError:
        pass  # it has ended, or the kernel does not let it go


def _offer_to_the_kernel() -> None:
    """Let the kernel, when it is short of memory, end this process sooner than the keeper and the pilot."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as score:
            wanted = min(1000, int(score.read()) + RATHER)
            score.seek(0)
            score.write(str(wanted))
    except (OSError, ValueError):
        pass


def _bound(resources: list[tuple[int, int, int]]) -> None:
    """Put this process under the limits of ``ulimit``."""
    if resources:
        import resource

        for number, soft, hard in resources:
            resource.setrlimit(number, (soft, hard))


class Keeper:
    """Waits for the pilot's words and for the tree's end, whichever comes first."""

    def __init__(self, tree: Tree, wakeups: int) -> None:
        self.tree = tree
        self.wakeups = wakeups
        self.heard = b""
        self.deadline = float("inf")  # of the step that ending the tree has come to
        self.killing = False
        self.termed = False
        self.settles = time.monotonic() + SETTLED if tree.late else float("inf")

    def keep(self) -> None:
        """Return when nothing of the tree is left, or when what is left cannot be ended."""
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(self.wakeups, select.POLLIN)
        self._look()
        while not self.tree.gone:
            ready = [descriptor for descriptor, _ in poll.poll(self._patience())]
            if self.wakeups in ready:
                os.read(self.wakeups, 4096)
                self._look()
            if 0 in ready and not self._listen():
                poll.unregister(0)
            if time.monotonic() >= self.settles:
                self.settles = float("inf")
                self.tree.settle()
            if time.monotonic() >= self.deadline and not self._next_step():
                return

    def _patience(self) -> int | None:
        """Answer for how many milliseconds there is nothing to do but to listen; ``None`` for ever."""
        until = min(self.deadline, self.settles)
        # poll() takes no more than 24 days.
        return None if until == float("inf") else int(min(max(0.0, until - time.monotonic()) * 1000 + 1, 2**30))

    def _look(self) -> None:
        self.tree.reap()
        if self.killing:
            self.tree.kill()
            self.tree.reap()
        elif self.tree.status is not None and self.deadline == float("inf"):
            self.deadline = time.monotonic() + LINGER

    def _listen(self) -> bool:
        """Take the pilot's words. False when there will be no more: the pilot is dead."""
        said = os.read(0, 4096)
        if not said:
            self._kill()
            return False
        *lines, self.heard = (self.heard + said).split(b"\n")
        for line in lines:
            word, _, seconds = line.partition(b" ")
            if word == b"stop" and not self.killing:
                self._term(float(seconds))
        return True

    def _next_step(self) -> bool:
        """Go on from lingering to SIGTERM, from SIGTERM to SIGKILL; False when nothing more can be done."""
        if self.killing:
            return False
        if self.termed:
            self._kill()
        else:
            self._term(LINGER)
        return True

    def _term(self, grace: float) -> None:
        self.termed = True
        self.deadline = time.monotonic() + grace
        self.tree.signal(signal.SIGTERM)
        self.tree.signal(signal.SIGCONT)  # a stopped process would never hear it

    def _kill(self) -> None:
        self.killing = True
        self.deadline = time.monotonic() + PATIENCE
        self.tree.kill()
        self.tree.reap()


def _say(line: str) -> None:
    """Write one line to the pilot; one that is dead does not hear it."""
    try:
        os.write(1, line.encode() + b"\n")
    except OSError:
        pass


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _exactly(size: int) -> bytes:
    """Read so many bytes of the order; a pilot that is dead before it has given one needs no keeper."""
    parts = b""
    while len(parts) < size:
        part = os.read(0, size - len(parts))
        if not part:
            os._exit(1)
        parts += part
    return parts


def _told(tree: Tree, started: float, accounts: list[str]) -> str:
    """Write the last line: how the payload ended, what was counted, and whether something of it could not be ended."""
    status = tree.status
    exited = "null" if status is None or not os.WIFEXITED(status) else str(os.WEXITSTATUS(status))
    ended_by = "null" if status is None or not os.WIFSIGNALED(status) else str(os.WTERMSIG(status))
    core = "true" if status is not None and os.WCOREDUMP(status) else "false"
    wall = (tree.ended or time.monotonic()) - started
    left = "false" if tree.gone else "true"
    counted = ", ".join(_quoted(_content(file)) for file in accounts)
    return (
        f'{{"status": {exited}, "signal": {ended_by}, "core": {core}, "wall": {wall:.6f}, "cpu": {tree.cpu_time:.6f}, '
        f'"rss": {tree.max_rss}, "left": {left}, "accounts": [{counted}]}}'
    )


def _content(file: str) -> str:
    try:
        with open(file) as opened:
            return opened.read()
    except OSError:
        return ""


def _remove(folders: list[str]) -> None:
    """Remove cgroups, and those that something in them has made below."""
    for folder in folders:
        for place, _, _ in os.walk(folder, topdown=False):
            try:
                os.rmdir(place)
            except OSError:
                continue  # something of it could not be ended


def main() -> None:
    """Keep one payload; called by `pilot.runtime.process` only, with its stdout's descriptor as the argument."""
    import marshal

    # What they mean is the pilot's to say; batch systems send them to every process.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    wakeups, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    os.set_inheritable(int(sys.argv[1]), False)  # it becomes the payload's stdout, and nothing else
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    order = marshal.loads(_exactly(int.from_bytes(_exactly(8), "big")))  # noqa: S302  # our pilot's
    argv, environment, workdir, resources, tracking, early, late, accounts = order
    tree = Tree(tracking, early, late, resources)
    started = time.monotonic()
    if failure := tree.start(argv, environment, workdir):
        _say(f'{{"failed": {_quoted(failure)}}}')
    else:
        os.close(int(sys.argv[1]))
        _say(f'{{"pid": {tree.leader}}}')
        Keeper(tree, wakeups).keep()
        _say(_told(tree, started, accounts))
    _remove([*early, *late])
    os._exit(0)
