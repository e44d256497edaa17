"""Runs one job of the local batch system, outlives the server, and writes down how the job ended.

Started as a program (``python -I -S runner.py FOLDER MACHINE``), with the standard library alone. It leaves the
server's process tree before it starts the job, so that neither can take the other down. The programs of other batch
systems hold their jobs by it, too.
"""

# pathlib would double the time that each start takes.
# ruff: noqa: PTH103, PTH104, PTH108, PTH123, PTH208, PTH211
from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time

TYPE_CHECKING = False  # typing would cost each start some milliseconds
if TYPE_CHECKING:
    from typing import Any

CLAIM, EXIT, ORDER = "identity.json", "exit.json", "job.json"
#: Seconds that what a job left running is given after the job itself has ended.
TIDY_GRACE = 5.0
_SET_CHILD_SUBREAPER = 36
#: The orders to end, which are passed on to the job as they come, and what they mean.
ORDERS = {signal.SIGTERM: "stopped by order", signal.SIGUSR1: "stopped before its wall time was over"}


def main(folder: str, machine: str) -> None:
    """Detach, claim the job, run it. The starter returns as soon as the job is claimed or cannot be."""
    claimed, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os.read(claimed, 1)
        os._exit(0)
    os.close(claimed)
    os.setsid()
    os.chdir(folder)
    if claim(folder, {"machine": machine, "pid": os.getpid(), "started": _start_ticks(), "at": time.time()}):
        os.write(tell, b"1")
        os.close(tell)
        run(folder)
    os._exit(0)


def claim(folder: str, who: dict[str, object]) -> bool:
    """Take a job for ever; say whether nobody had. The file appears complete, and only once."""
    draft = f"{folder}/.claim-{os.getpid()}-{time.monotonic_ns()}"
    _write(draft, who)
    try:
        os.link(draft, f"{folder}/{CLAIM}")
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True


def finish(folder: str, status: int | None, words: str) -> None:
    """Write how a job ended, by a rename."""
    draft = f"{folder}/.{EXIT}"
    _write(draft, {"status": status, "at": time.time(), "words": words})
    os.rename(draft, f"{folder}/{EXIT}")


def run(folder: str) -> None:
    """Start the job that the directory holds the order of, and stay until all that it started is gone."""
    with open(f"{folder}/{ORDER}") as file:
        order = json.load(file)
    hold(folder, order)


def hold(folder: str, order: dict[str, Any]) -> int:
    """Start a job, pass orders to end on to it, stay until all that it started is gone; answer its exit status."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    watched = {*ORDERS, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    os.makedirs(f"{folder}/work", exist_ok=True)
    os.chdir(f"{folder}/work")
    for name, path in order.get("files", {}).items():
        os.symlink(path, name)
    try:
        child = _spawn(folder, order["argv"], order["environment"])
    except OSError as error:
        status = 127 if isinstance(error, FileNotFoundError) else 126
        finish(folder, status, f"cannot start: {error}")
        return status
    status, heard = _watch(child, watched, order["grace"], order.get("delay", 0.0))
    _tidy()
    finish(folder, status, "" if heard is None else ORDERS[heard])
    return status


def _spawn(folder: str, argv: list[str], environment: dict[str, str]) -> int:
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, f"{folder}/stdout", append, 0o644),
        (os.POSIX_SPAWN_OPEN, 2, f"{folder}/stderr", append, 0o644),
    ]
    return os.posix_spawnp(argv[0], argv, environment, file_actions=actions, setsigmask=[])


def _watch(child: int, watched: set[signal.Signals], grace: float, delay: float) -> tuple[int, signal.Signals | None]:
    """Wait for the job's end; answer its status, and the order to end that it got.

    The order is passed on after ``delay``, to a job that lives then: some batch systems give it to all processes. What
    is left of its grace begins at that moment, however late a busy machine lets it come.
    """
    deadline: float | None = None
    order: signal.Signals | None = None
    told = 0.0
    while True:
        if (status := _reap(child)) is not None:
            return status, order
        now = time.monotonic()
        if order and told and now >= told:
            os.kill(child, order)
            told, deadline = 0.0, now + grace - min(delay, grace)
        left = 3600.0 if deadline is None else (told or deadline) - now
        if left <= 0:
            _signal_tree(signal.SIGKILL)
            left = 1.0
        heard = signal.sigtimedwait(watched, left)
        if heard is not None and heard.si_signo != signal.SIGCHLD and deadline is None:
            now, order = time.monotonic(), signal.Signals(heard.si_signo)
            deadline, told = now + grace, now + min(delay, grace)


def _reap(child: int) -> int | None:
    """Collect all that has ended; answer the job's own status if it is among them."""
    status = None
    while True:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == child:
            code = os.waitstatus_to_exitcode(raw)
            status = code if code >= 0 else 128 - code


def _tidy() -> None:
    """End what the job left running: it comes to us, whatever session it made for itself."""
    if not _tree():
        return
    _signal_tree(signal.SIGTERM)
    deadline = time.monotonic() + TIDY_GRACE
    while _tree():
        left = deadline - time.monotonic()
        if left <= 0:
            _signal_tree(signal.SIGKILL)
        signal.sigtimedwait({signal.SIGCHLD}, max(0.05, left))
        _reap(0)


def _signal_tree(number: signal.Signals) -> None:
    for pid in _tree():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _tree() -> list[int]:
    """Answer every living process below this one."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(int(name))) and stat[0] not in "ZX":
            parents[int(name)] = int(stat[1])
    found = [os.getpid()]
    for pid in found:  # grows while it is read
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found[1:]


def _start_ticks() -> int:
    return int(_stat(os.getpid())[19])


def _stat(pid: int) -> list[str]:
    """Answer the fields of ``/proc/PID/stat`` from the state on; none if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _write(path: str, value: dict[str, object]) -> None:
    door = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(door, "w") as file:
        json.dump(value, file)


if __name__ == "__main__":
    main(*sys.argv[1:3])
