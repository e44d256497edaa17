"""What the engine adds to copy tools: MB/s and time per file, through the engine and by the bare tool, in turns.

Inputs are copied, verified by their adler32 and given their names; outputs are copied, looked at and summed up where
they lie, and given their names. The baseline of ``local`` is ``cp`` and then a checksum of the copy; of the others the
bare tool, which verifies nothing. Tools whose server is not here are said. All copies are one after the other.

    python -m benchmarks.copytools [--small 1000] [--each 50] [--medium 20] [--large 2000] [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.command import Number, run
from benchmarks.copy_storages import TOOLS, Storage, storages
from benchmarks.figures import Figure
from benchmarks.pilot_overhead import Readings
from benchmarks.system import BASE
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.copytool import checksum
from pilot.copytool.base import Cancel, Deadline, Transfer
from pilot.copytool.engine import Engine
from pilot.copytool.known import Known
from pilot.copytool.local import Local
from pilot.copytool.toolbox import Tools

KB, MB = 1000, 10**6
LIMIT = 3600.0


@dataclass(frozen=True)
class Kind:
    """Files of one kind: how many, of how many bytes each."""

    name: str
    count: int
    size: int


def engine_for(storage: Storage) -> Engine:
    """Make an engine that has one tool and one storage, and copies one file at a time."""
    protocols = (Protocol(storage.endpoint, storage.path),)
    names = ("read_lan", "write_lan")
    endpoint = StorageEndpoint("S", deterministic=False, protocols=dict.fromkeys(names, protocols))
    queue = QueueData("Q", acopytools={"default": (storage.tool,)}, astorages=dict.fromkeys(names, ("S",)))
    return Engine(Tools(Known({}), storage.settings, queue), {"S": endpoint}, queue)


class Bench:
    """Copies of one storage, by the engine and by the bare tool."""

    def __init__(self, storage: Storage, folder: Path, kinds: Sequence[Kind]) -> None:
        self.storage, self.folder, self.kinds, self.engine = storage, folder, kinds, engine_for(storage)
        (folder / "in").mkdir(parents=True)

    def turn(self, files: Mapping[str, Path], noted: Readings) -> None:
        """Copy files of all kinds in and out, and note the seconds."""
        for kind in self.kinds:
            for way, act in (("in", self.fetch), ("out", self.store)):
                bare, through = act(kind, files[kind.name])
                noted.add(f"{self.storage.title} {way}, {kind.name}: bare", bare)
                noted.add(f"{self.storage.title} {way}, {kind.name}: engine", through)

    def specs(self, kind: Kind, role: Role, source: Path) -> tuple[FileSpec, ...]:
        sum_ = checksum.of_file(source, checksum.ADLER32, Deadline(LIMIT))
        names = (f"{kind.name}-{number}" for number in range(kind.count))
        return tuple(FileSpec(name, role, "bench", "bench", kind.size, sum_, "S") for name in names)

    def fetch(self, kind: Kind, source: Path) -> tuple[float, float]:
        """Answer the seconds for all inputs: by the bare tool, and through the engine."""
        files = self.specs(kind, Role.INPUT, source)
        for file in files:
            self.storage.put(source, f"bench/{file.lfn}")
        target = self.folder / "in"

        def bare() -> None:
            for file in files:
                self.storage.bare(self.storage.there(f"bench/{file.lfn}"), str(target / file.lfn))

        def through() -> None:
            spec = JobSpec(id=1, attempt=1, transformation="true", inputs=files)
            self.engine.stage_in(spec, target, Deadline(LIMIT), Cancel())

        def clean() -> None:
            for file in files:
                (target / file.lfn).unlink(missing_ok=True)

        took = timed(bare, clean), timed(through, clean)
        for file in files:
            self.storage.remove(f"bench/{file.lfn}")
        return took

    def store(self, kind: Kind, source: Path) -> tuple[float, float]:
        """The same for outputs."""
        files = self.specs(kind, Role.OUTPUT, source)
        for file in files:
            (self.folder / "in" / file.lfn).hardlink_to(source)

        def bare() -> None:
            for file in files:
                self.storage.bare(str(self.folder / "in" / file.lfn), self.storage.there(f"bench/{file.lfn}"))

        def through() -> None:
            spec = JobSpec(id=1, attempt=1, transformation="true", outputs=files)
            self.engine.stage_out(spec, files, self.folder / "in", Deadline(LIMIT), Cancel())

        def clean() -> None:
            for file in files:
                self.storage.remove(f"bench/{file.lfn}")

        took = timed(bare, clean), timed(through, clean)
        for file in files:
            (self.folder / "in" / file.lfn).unlink()
        return took


def timed(act: Callable[[], object], clean: Callable[[], object]) -> float:
    """Answer the seconds that something takes; what it has made is taken away."""
    begun = time.perf_counter()
    act()
    took = time.perf_counter() - begun
    clean()
    return took


def one_pass(source: Path, folder: Path) -> tuple[float, float]:
    """Answer the seconds for a file: copied by this process and then summed up, and both in one pass."""
    target, tool, transfer = folder / "copy", Local(), Transfer("f", f"file://{source}", f"file://{folder / 'copy'}")

    def two() -> None:
        with source.open("rb", 0) as reading, target.open("wb", 0) as writing:
            while os.copy_file_range(reading.fileno(), writing.fileno(), 2**30):
                pass
        checksum.of_file(target, checksum.ADLER32, Deadline(LIMIT))

    def once() -> None:
        tool.copy(transfer, Deadline(LIMIT), Cancel())

    return timed(two, target.unlink), timed(once, target.unlink)


def largest_since(act: Callable[[], object]) -> float:
    """Answer by how many bytes this process's memory was larger, while something was done, than before."""
    Path("/proc/self/clear_refs").write_text("5")  # the largest size is counted anew
    before = _memory("VmRSS")
    act()
    return max(0.0, _memory("VmHWM") - before)


def _memory(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def sources(folder: Path, sizes: Mapping[str, int]) -> dict[str, Path]:
    """Write a file of each size, of bytes that nothing can make smaller."""
    folder.mkdir()
    block, found = random.Random(1).randbytes(MB), dict[str, Path]()  # noqa: S311  no secret
    for name, size in sizes.items():
        found[name] = folder / name
        with found[name].open("wb") as file:
            for _ in range(size // MB):
                file.write(block)
            file.write(block[: size % MB])
    return found


def figures(benches: Sequence[Bench], readings: Readings) -> list[Figure]:
    """Put names, units and goals to the readings."""
    shown = []
    for bench in benches:
        for way in ("in", "out"):
            for kind in bench.kinds:
                shown += _of_kind(bench.storage, way, kind, readings)
    two, once = readings.of("two passes"), readings.of("one pass")
    ratio = tuple(a / b for a, b in zip(two, once, strict=True))
    shown.append(Figure("copy and adler32 in one pass / one after the other", "ratio", ratio, least=1.3))
    shown.append(Figure("largest memory beyond what was there", "MB", readings.of("memory"), 16.0))
    return shown


def _of_kind(storage: Storage, way: str, kind: Kind, readings: Readings) -> list[Figure]:
    title = f"{storage.title} {way}, {kind.name}"
    bare, through = readings.of(f"{title}: bare"), readings.of(f"{title}: engine")
    if kind.name == "small":
        added = tuple(max(0.0, b - a) / kind.count * 1000 for a, b in zip(bare, through, strict=True))
        alone = tuple(value / kind.count * 1000 for value in bare)
        # What a tool that has a process or a connection for each step takes to verify an output is not the engine's.
        goal = 5.0 if way == "in" or storage.tool == "local" else None
        return [Figure(f"{title}: bare", "ms", alone), Figure(f"{title}: engine adds", "ms", added, goal)]
    total = kind.count * kind.size / MB
    speeds = [tuple(total / value for value in values) for values in (bare, through)]
    ratio = tuple(a / b for a, b in zip(bare, through, strict=True))
    return [
        Figure(f"{title}: bare", "MB/s", speeds[0]),
        Figure(f"{title}: engine", "MB/s", speeds[1]),
        Figure(f"{title}: engine / bare", "ratio", ratio, least=0.95 if kind.name == "large" else None),
    ]


def measure(options: argparse.Namespace) -> list[Figure]:
    """Copy everything once unmeasured, then so many rounds of each in turn."""

    def kinds_for(storage: Storage) -> tuple[Kind, ...]:
        small = min(options.small, options.each) if storage.processes else options.small
        kinds = (
            Kind("small", small, KB),
            Kind("medium", options.medium, 50 * MB),
            Kind("large", 1, options.large * MB),
        )
        return tuple(kind for kind in kinds if kind.count)

    BASE.mkdir(exist_ok=True)
    readings = Readings()
    with tempfile.TemporaryDirectory(prefix="copytools-", dir=BASE) as place:
        folder = Path(place)
        folder.chmod(0o755)
        with storages(folder / "storages", TOOLS) as found:
            files = sources(folder / "sources", {"small": KB, "medium": 50 * MB, "large": options.large * MB})
            benches = [
                Bench(storage, folder / "work" / storage.title, kinds_for(storage)) for storage in found.storages
            ]
            for turn in range(options.rounds + 1):
                noted = readings if turn else Readings()
                for bench in benches:
                    noted.add("memory", largest_since(partial(bench.turn, files, noted)) / MB)
                two, once = one_pass(files["large"], folder)
                noted.add("two passes", two)
                noted.add("one pass", once)
            for storage in found.storages:
                print(f"{storage.title}: the baseline is {storage.what_is_bare}")
            for name, why in found.missing.items():
                print(f"{name}: not measured, its server is not here: {why}")
            print("gfal, gridftp, rucio: not measured by this benchmark")
            return figures(benches, readings)


NUMBERS = (
    Number("small", 1000, "files of 1 kB"),
    Number("each", 50, "files of 1 kB for tools that have a process for each"),
    Number("medium", 20, "files of 50 MB"),
    Number("large", 2000, "MB of the one large file"),
    Number("rounds", 5, "rounds of everything, in turns"),
)

if __name__ == "__main__":
    run(__doc__, NUMBERS, measure)
