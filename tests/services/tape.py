"""A tape robot behind a real XRootD server, for tests: the server's simulator, run as whoever the server runs as.

with running(mount=0.1) as tape:
    tape.put_on_tape("folder/a", b"content")       # on tape only
    tape.server.put("b", b"content")               # on disk only, until the robot has seen it
    tape.robot_kill(); tape.robot_start()
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server.storage.simulator.__main__ import main as simulator
from server.storage.simulator.making import configuration, make_robot
from server.storage.simulator.settings import Layout, RobotSettings
from tests.services import xrootd
from tests.services.daemons import Daemons

ROOT = Path(__file__).parents[2]
#: A robot for tests: what waits, waits for hundredths of a second.
QUICK = {"mount": 0.05, "rate": 50e6, "migrate_after": 1000.0, "keep": 1000.0, "repair": 0.2}


class Tape:
    """One server with its robot."""

    def __init__(self, layout: Layout, server: xrootd.XRootD, daemons: Daemons) -> None:
        self.layout, self.server, self._daemons = layout, server, daemons

    @property
    def root(self) -> str:
        return self.server.root

    def robot_start(self) -> None:
        """Start the robot; it has begun when its pipe is read."""
        argv = [
            sys.executable,
            "-m",
            "server.storage.simulator",
            "run",
            str(self.layout.folder),
            "--master",
            str(os.getpid()),
        ]
        before: list[str] = []
        if os.geteuid() == 0:
            group = pwd.getpwnam(xrootd.USER).pw_gid
            names = [f"--reuid={xrootd.USER}", f"--regid={group}", "--clear-groups"]
            before = ["setpriv", *names, *xrootd.READS_ALL, "--"]
        self._daemons.start("robot", argv, {"PYTHONPATH": str(ROOT)}, before=before)

    def robot_kill(self) -> None:
        """End the robot as a power failure would."""
        self._daemons.kill("robot")

    def robot_stop(self) -> None:
        self._daemons.stop("robot")

    def put_on_tape(self, name: str, content: bytes) -> None:
        """Let a file lie on tape, and nowhere else."""
        for root in (self.layout.tapes, self.server.data):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.layout.tapes / name).write_bytes(content)
        link = self.server.data / name
        link.unlink(missing_ok=True)
        link.symlink_to("/nowhere/on-tape-only")
        _give_all(self.layout.tapes)
        _give_all(self.server.data)

    def drive(self, number: int, state: str) -> None:
        """Take a drive out of service (``down``), or back into it (``up``)."""
        simulator(["drive", str(self.layout.folder), str(number), state])

    def store(self, name: str, content: bytes) -> int:
        """Store a file by the protocol, as clients do."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            return self._client("xrdcp", "-f", "-s", "-p", file.name, f"{self.root}/{name}")

    def rename(self, before: str, after: str) -> int:
        return self._client("xrdfs", self.root.rstrip("/"), "mv", before, after)

    def _client(self, *argv: str) -> int:
        return subprocess.run(argv, env={**os.environ, **xrootd.client()}, timeout=30).returncode

    def empty(self) -> None:
        """Remove all files, on disk and on tape, and have the robot forget what it was asked for."""
        with contextlib.closing(sqlite3.connect(self.layout.state, timeout=10)) as base, base:
            base.execute("DELETE FROM recall")
        for root in (self.layout.tapes, self.server.data):
            for path in root.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


@contextmanager
def running(**settings: Any) -> Iterator[Tape]:
    """Have one for a while.

    Args:
        settings: Of `RobotSettings`, where it is to be other than `QUICK`.
    """
    folder = Path(tempfile.mkdtemp(prefix="tape-"))
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        layout = make_robot(folder / "robot", RobotSettings(**{"disk": str(folder / "disk"), **QUICK, **settings}))
        _give_all(folder)
        daemons = Daemons(folder)
        stack.callback(daemons.close)
        more = "".join(f"{line}\n" for line in configuration(layout).splitlines() if "preplib" not in line)
        server = stack.enter_context(xrootd.running(data=folder / "disk", tape=[str(layout.prepare)], more=more))
        tape = Tape(layout, server, daemons)
        tape.robot_start()
        yield tape


def _give_all(folder: Path) -> None:
    """Make a folder and all below it the server's own."""
    if os.geteuid() == 0:
        user = pwd.getpwnam(xrootd.USER)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
