"""Allocations in a folder: work lists as the pilot writes them, ranks as launchers start them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pilot.hpc import local, rank, report, worklist
from pilot.hpc.worklist import Command, Head, Line

SHELL = "/bin/sh"


def head(name="compass-test", **more):
    given = {
        "lines": 0,
        "width": 0,
        "turns": False,
        "wall_time": 3600.0,
        "reserve": 0.0,
        "stop_look": 0.1,
        "node_folder": "",
    }
    return Head(name, **{**given, **more})


class Allocation:
    """A work list of shell scripts, one per payload."""

    def __init__(self, folder: Path, *scripts: str, **more):
        self.folder = folder / "allocation"
        self.folder.mkdir(mode=0o700)
        seconds, grace = more.pop("seconds", 0.0), more.pop("grace", 1.0)
        self.places = [folder / f"job-{number}" for number in range(len(scripts))]
        environment = {"PATH": "/usr/bin:/bin", "OWN": "from the job"}
        lines, commands = [], []
        for number, script in enumerate(scripts):
            self.places[number].mkdir(mode=0o700)
            commands.append(Command((SHELL, "-c", script), environment))
            lines.append(Line(number + 1, 1, str(self.places[number]), {}, seconds, grace))
        self.path = worklist.write(self.folder, head(**more), lines, commands)

    def report(self, number):
        return report.read(self.folder / worklist.REPORTS / f"{number}.json", (number + 1, 1))

    def start(self, number=0, ranks=1, **more):
        """Start one rank as a launcher does."""
        own = {"PATH": os.environ["PATH"], "COMPASS_RANK": str(number), "COMPASS_RANKS": str(ranks), **more}
        return subprocess.Popen(
            rank.command(self.path),
            env={name: value for name, value in own.items() if value},
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, number=0, ranks=1, **more):
        """Run one rank to its end; answer its exit status and what it said."""
        with self.start(number, ranks, **more) as process:
            _, said = process.communicate(timeout=30)
        return process.returncode, said

    def launch(self, ranks):
        """Run all ranks by the launcher for one machine."""
        argv = [*local.command(), "--ranks", str(ranks), *rank.command(self.path)]
        return subprocess.run(argv, env={"PATH": os.environ["PATH"]}, timeout=60, check=False).returncode
