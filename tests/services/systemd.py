"""A real systemd, process 1 of namespaces of its own: it sees nothing of this machine's processes, and ends none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAM = Path("/lib/systemd/systemd")
SCRIPT = Path(__file__).with_suffix(".sh")
ROOT = Path(__file__).parents[2]

_PATIENCE = 60.0


def why_not() -> str:
    """Say why there can be none here; "" when there can."""
    if os.geteuid():
        return "only root makes namespaces in which systemd runs"
    return "" if PROGRAM.exists() else f"{PROGRAM} is not installed"


class Systemd:
    """One that runs: words are run beside its services."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        #: Its files, as they are seen from outside.
        self.root = Path(f"/proc/{pid}/root")

    def run(self, *words: str, check: bool = True, inside: int = 0) -> str:
        """Run a command there; with ``inside`` with the files of that process, a number as its systemd counts."""
        argv = ["nsenter", "-t", str(self.outer(inside) if inside else self.pid), "-m", "-p", "-u", "-i", "-C", *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL)
        if check and done.returncode:
            raise AssertionError(f"{words}: {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout + done.stderr

    def systemctl(self, *words: str, check: bool = True) -> str:
        """Ask it for something."""
        return self.run("systemctl", "--no-pager", *words, check=check).strip()

    def main_pid(self, unit: str) -> int:
        """Answer the number of a unit's first process; 0 while there is none."""
        return int(self.systemctl("show", "-P", "MainPID", unit))

    def outer(self, pid: int) -> int:
        """Answer the number of a process as this machine counts."""
        for status in Path("/proc").glob("[0-9]*/status"):
            with suppress(OSError):
                line = next(line for line in status.read_text().splitlines() if line.startswith("NSpid"))
                if line.split()[2:] == [str(pid)] and self._is_mine(status.parent):
                    return int(status.parent.name)
        raise LookupError(f"there is no process {pid}")

    def _is_mine(self, process: Path) -> bool:
        return (process / "ns/pid").readlink() == Path(f"/proc/{self.pid}/ns/pid").readlink()


@contextmanager
def running(folder: Path, units: Path) -> Iterator[Systemd]:
    """Start one that knows the units of a folder alone; its user ``compass`` runs this program from /opt/compass."""
    cgroups = Path("/sys/fs/cgroup")
    group = (cgroups if (cgroups / "cgroup.procs").exists() else cgroups / "unified") / f"compass-{os.getpid()}"
    group.mkdir()
    packages = sysconfig.get_path("purelib")
    words = ["bash", str(SCRIPT), str(folder / "systemd"), str(units), sys.base_prefix, packages, str(ROOT)]
    flags = ("--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "--kill-child")
    script = f'echo $$ > {group}/cgroup.procs; exec unshare {" ".join(flags)} "$@"'
    with (folder / "systemd.log").open("w") as log:
        own = subprocess.Popen(["bash", "-c", script, "-", *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield _ready(own, folder)
    finally:
        # With its first process the kernel ends all of the namespace; unshare itself listens to no signal.
        for child in _children(own):
            os.kill(child, signal.SIGKILL)
        own.wait(_PATIENCE)
        _remove(group)


def _children(own: subprocess.Popen[bytes]) -> list[int]:
    return [int(word) for word in Path(f"/proc/{own.pid}/task/{own.pid}/children").read_text().split()]


def _ready(own: subprocess.Popen[bytes], folder: Path) -> Systemd:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and own.poll() is None:
        for child in _children(own):
            found = Systemd(child)
            if "running" in found.systemctl("is-system-running", check=False):
                return found
        time.sleep(0.1)
    raise AssertionError(f"systemd did not start: {(folder / 'systemd.log').read_text()[-2000:]}")


def _remove(group: Path) -> None:
    """Remove its group of processes with all below, as soon as the kernel has ended them."""
    until = time.monotonic() + _PATIENCE
    while group.exists() and time.monotonic() < until:
        for below, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(below).rmdir()
        time.sleep(0.05)
