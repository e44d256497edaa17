"""How fast a thousand pilots are submitted to a real batch system of this machine, beside the system's own command.

Both submit jobs with the same files, none of which can ever start, so that nothing but submitting is measured. What is
left of a round is removed before the next; the first round of each warms up and is not counted.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import Number, run
from benchmarks.figures import Figure
from server.batch.base import BatchSystem, Template
from server.batch.place import Place

#: What goes along with each pilot, by size in bytes.
FILES = {"pilot-wrapper.sh": 8_000, "pilot.pyz": 700_000, "pass": 600}
ARGUMENTS = ("pilot-wrapper.sh", "-q", "COMPASS_QUEUE")
NUMBERS = (
    Number("systems", "", "which batch systems, with commas between"),
    Number("pilots", 1000, "how many are submitted at a time"),
    Number("rounds", 5, "how often each"),
)
LEAST = 0.9


@dataclass(frozen=True)
class Side:
    """One batch system: ours, with a queue's options; what its own command does with so many; and how it is emptied."""

    system: BatchSystem
    options: Mapping[str, object]
    bare: Callable[[int], None]
    empty: Callable[[], None]


def _htcondor(stack: ExitStack, folder: Path) -> Side:
    from server.batch.htcondor import HTCondorBatch
    from tests.services import htcondor

    pool = stack.enter_context(htcondor.running())
    configuration = str(pool.client("benchmark"))
    description = folder / "bare.sub"

    def tool(*words: str) -> None:
        environment = {**os.environ, "CONDOR_CONFIG": configuration}
        program = str(pool.programs / "usr/bin" / words[0])
        subprocess.run([program, *words[1:]], env=environment, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    def bare(count: int) -> None:
        lines = {
            "executable": "/bin/sh",
            "arguments": " ".join(ARGUMENTS),
            "transfer_executable": "false",
            "should_transfer_files": "YES",
            "transfer_input_files": ", ".join(FILES),
            "output": "out.$(ProcId)",
            "error": "err.$(ProcId)",
            "requirements": "false",
        }
        description.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()) + f"queue {count}\n")
        tool("condor_submit", "-terse", description.name)

    def empty() -> None:
        tool("condor_rm", "-constraint", "true")

    system = HTCondorBatch.open(Place("benchmark", folder / "batch", {"config": configuration}))
    return Side(system, {"requirements": "false"}, bare, empty)


def _slurm(stack: ExitStack, folder: Path) -> Side:
    from server.batch.slurm import SlurmBatch
    from tests.services import slurm

    cluster = stack.enter_context(slurm.running(more="MaxJobCount=200000\nMaxArraySize=20001\n"))
    cluster.run("scontrol", "update", "partitionname=standard", "state=down")
    programs, conf = cluster.programs / "usr/bin", cluster.environment["SLURM_CONF"]
    (folder / "bare.sh").write_text(f"#!/bin/sh\nexec /bin/sh {' '.join(ARGUMENTS)}\n")

    def bare(count: int) -> None:
        words = ["--parsable", f"--array=0-{count - 1}", "--no-requeue", "--signal=B:USR1@75"]
        argv = [str(programs / "sbatch"), *words, f"--output={folder}/%A_%a.log", str(folder / "bare.sh")]
        environment = {"PATH": "/usr/bin:/bin", "SLURM_CONF": conf}
        subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL)

    system = SlurmBatch.open(Place("benchmark", folder / "batch", {"conf": conf, "programs": str(programs)}))
    return Side(system, {}, bare, cluster.empty)


#: Name -> brings one up, for as long as the stack is open, with files in a folder.
SYSTEMS: Mapping[str, Callable[[ExitStack, Path], Side]] = {"htcondor": _htcondor, "slurm": _slurm}


def measure(options: Namespace) -> list[Figure]:
    """Measure each of the systems that were asked for."""
    names = options.systems.split(",") if options.systems else list(SYSTEMS)
    return [figure for name in names for figure in _measure(name, options.pilots, options.rounds)]


def _measure(name: str, pilots: int, rounds: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        folder = Path(home)
        for file, size in FILES.items():
            (folder / file).write_bytes(b"x" * size)
        side = SYSTEMS[name](stack, folder)
        found = [_round(side, folder, pilots, number) for number in range(rounds + 1)][1:]
    yield from figures(name, pilots, found)


def figures(name: str, pilots: int, found: Sequence[tuple[float, float]]) -> Iterator[Figure]:
    """Make figures of rounds: seconds of ours, and of the bare command."""
    yield Figure(f"{name}: pilots submitted", "1/s", tuple(pilots / ours for ours, _ in found))
    yield Figure(f"{name}: by its own command", "1/s", tuple(pilots / bare for _, bare in found))
    yield Figure(f"{name}: ours to its own", "", tuple(bare / ours for ours, bare in found), least=LEAST)


def _round(side: Side, folder: Path, pilots: int, number: int) -> tuple[float, float]:
    files = {name: folder / name for name in FILES}
    template = Template(f"round{number}", ("/bin/sh", *ARGUMENTS), {"PATH": "/bin"}, files=files, options=side.options)
    ours = _seconds(lambda: side.system.submit(template, pilots))
    side.empty()
    bare = _seconds(lambda: side.bare(pilots))
    side.empty()
    return ours, bare


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


if __name__ == "__main__":
    run(__doc__, NUMBERS, measure)
