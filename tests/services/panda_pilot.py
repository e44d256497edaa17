"""PanDA's pilot as its makers publish it, in a box: it ends every orphan of its user, so it sees none but its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.containers import install

#: A PID namespace whose processes all end with the one that made it.
BOX = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
#: The one address of 3.7's list that is a PanDA server's; curl is told where that is here.
HOST = "pandaserver-doma.cern.ch"
LISTED = f"{HOST}:25080"
TRANSFORMS = f"http://{LISTED}/trf/user"
#: Seconds after which the box ends by itself.
LONGEST = 240


@dataclass(frozen=True)
class StockPilot:
    """The program, unpacked, and a Python that runs it."""

    python: Path
    source: Path


def use_stock_pilot() -> StockPilot:
    """Answer it; the test is skipped where there are no namespaces, or where it cannot be fetched."""
    if shutil.which("curl") is None:
        pytest.skip("not tested: PanDA's pilot 3.7 speaks by curl, which is not here")
    try:
        subprocess.run([*BOX, "true"], check=True, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as wrong:
        said = getattr(wrong, "stderr", "") or wrong
        pytest.skip(f"not tested: PanDA's pilot ends processes of its user, and there is no PID namespace here: {said}")
    folder = install("panda_pilot")
    return StockPilot(folder / "bin" / "python", folder / "source")


@dataclass(frozen=True)
class Site:
    """Where a pilot runs: a folder of its own, the server's port on this machine, the token, the queue."""

    folder: Path
    port: int
    token: str
    queue: str

    def start(self, pilot: StockPilot, *, heartbeat: int = 1800) -> subprocess.Popen[str]:
        """Start a pilot, boxed; what it says goes to ``said`` in the folder. Who kills the process ends all of it.

        ``heartbeat``: seconds between two reports, which a site says in its configuration.
        """
        home = self._made_home()
        told = (pilot.source / "pilot" / "util" / "default.cfg").read_text()
        (home / "pilot.cfg").write_text(told.replace("\nheartbeat: 1800\n", f"\nheartbeat: {heartbeat}\n"))
        server = f"http://127.0.0.1:{self.port}"
        words = ["--pilot-user", "generic", "-q", self.queue, "-j", "managed", "-v", "1", "-t", "-u"]
        words += ["--url", "http://127.0.0.1", "-p", str(self.port), "--use-rucio-traces", "False"]
        words += ["--queuedata-url", server + "/cache/schedconfig/{pandaqueue}.all.json"]
        words += ["--storagedata-url", server + "/cache/ddmendpoints.json"]
        environment = {
            **{"HOME": str(home), "PATH": f"{home / 'bin'}:/usr/bin:/bin", "LANG": "C.UTF-8", "NO_PROXY": "*"},
            **{"PANDA_AUTH_TOKEN": "token", "PANDA_AUTH_ORIGIN": "compass", "PANDA_AUTH_DIR": f"{home}/"},
            **{"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(home)},
            "HARVESTER_PILOT_CONFIG": str(home / "pilot.cfg"),
            "LOCAL_AGIS_SCHEDCONF": f"{server}/cache/schedconfig/{self.queue}.json",
        }
        argv = [*BOX, "timeout", "--kill-after=5", str(LONGEST), str(pilot.python), str(pilot.source / "pilot.py")]
        with (self.folder / "said").open("w") as said:
            return subprocess.Popen(
                [*argv, *words],
                cwd=self.work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
            )

    @property
    def work(self) -> Path:
        """The folder that it is started in."""
        return self.folder / "work"

    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")

    def _made_home(self) -> Path:
        """Make its home: the token without a newline, where curl finds the address, and Python for what it starts."""
        home = self.folder / "home"
        for path in (self.work, home / "bin"):
            path.mkdir(parents=True, exist_ok=True)
        (home / "token").write_text(self.token)
        (home / ".curlrc").write_text(f'connect-to = "{LISTED}:127.0.0.1:{self.port}"\n')
        python = home / "bin" / "python3"
        if not python.exists():
            python.symlink_to(sys.executable)
        return home
