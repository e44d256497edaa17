"""What the engine adds to copy tools: MB/s and time per file, through the engine and by the bare tool, in turns.

Inputs are copied, verified by their adler32 and given their names; outputs are copied, looked at, verified where they
lie, and given their names. The baseline does as much by the bare tool: it copies, and then has a checksum computed of
what lies at the other end. Tools whose server is not here are said. All copies are one after the other.

    python -m benchmarks.copytools [--tools local,scp] [--small 100] [--each 10] [--medium 4] [--large 500] [--rounds 2]
        [--json FILE]

The full size is --small 1000 --each 50 --medium 20 --large 2000 --rounds 1.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.command import Number, run
from benchmarks.copy_servers import MAKERS, storage
from benchmarks.copy_storages import DATASET, Storage, sum_of
from benchmarks.figures import Figure
from benchmarks.pilot_overhead import Readings
from benchmarks.system import BASE
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
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
    endpoint = StorageEndpoint(storage.name, storage.deterministic, protocols=dict.fromkeys(names, protocols))
    queue = QueueData("Q", acopytools={"default": (storage.tool,)}, astorages=dict.fromkeys(names, (storage.name,)))
    return Engine(Tools(Known({}), storage.settings, queue), {storage.name: endpoint}, queue)


class Bench:
    """Copies of one storage, by the engine and by the bare tool."""

    def __init__(self, storage: Storage, folder: Path) -> None:
        self.storage, self.folder, self.engine = storage, folder, engine_for(storage)
        self.turns = 0
        folder.mkdir(parents=True)

    def turn(self, kinds: Sequence[Kind], files: Mapping[str, Path], noted: Readings) -> None:
        """Copy files of all kinds in and out, and note the seconds."""
        self.turns += 1
        for kind in kinds:
            for way, act in (("in", self.fetch), ("out", self.store)):
                names = ("bare", "checksum", "engine")
                for name, seconds in zip(names, act(kind, files[kind.name]), strict=True):
                    noted.add(f"{self.storage.title} {way}, {kind.name}: {name}", seconds)

    def specs(self, kind: Kind, act: str, source: Path) -> tuple[FileSpec, ...]:
        """Answer the files of one act; their names are new ones, as a catalogue wants it."""
        sum_, storage = sum_of(source), self.storage
        role = Role.INPUT if act == "in" else Role.OUTPUT
        names = (f"{kind.name}-{self.turns}-{act}-{number}" for number in range(kind.count))
        return tuple(FileSpec(name, role, storage.scope, DATASET, kind.size, sum_, storage.name) for name in names)

    def fetch(self, kind: Kind, source: Path) -> tuple[float, float, float]:
        """Answer the seconds for all inputs: by the bare tool, for their checksums, and through the engine."""
        files, there = self.specs(kind, "in", source), self.storage.there
        paths = [self.folder / file.lfn for file in files]
        self.storage.put(source, [file.lfn for file in files])
        copied = timed(lambda: [self.storage.bare(there(path.name), str(path)) for path in paths])
        summed = timed(lambda: [sum_of(path) for path in paths])
        for path in paths:
            path.unlink()
        spec = JobSpec(id=1, attempt=1, transformation="true", inputs=files)
        through = timed(lambda: self.engine.stage_in(spec, self.folder, Deadline(LIMIT), Cancel()))
        for path in paths:
            path.unlink()
            self.storage.remove(path.name)
        return copied, summed, through

    def store(self, kind: Kind, source: Path) -> tuple[float, float, float]:
        """The same for outputs."""
        copied, summed = self._store_bare(self.specs(kind, "bare", source), source)
        files = self.specs(kind, "out", source)
        for file in files:
            (self.folder / file.lfn).hardlink_to(source)
        spec = JobSpec(id=1, attempt=1, transformation="true", outputs=files)
        through = timed(lambda: self.engine.stage_out(spec, files, self.folder, Deadline(LIMIT), Cancel()))
        self._clear(files)
        return copied, summed, through

    def _store_bare(self, files: Sequence[FileSpec], source: Path) -> tuple[float, float]:
        storage, paths = self.storage, [self.folder / file.lfn for file in files]
        for path in paths:
            path.hardlink_to(source)
        copied = timed(lambda: [storage.bare(str(path), storage.there(path.name)) for path in paths])
        summed = timed(lambda: [storage.sum_up(storage.there(path.name)) for path in paths])
        self._clear(files)
        return copied, summed

    def _clear(self, files: Sequence[FileSpec]) -> None:
        for file in files:
            self.storage.remove(file.lfn)
            (self.folder / file.lfn).unlink()


def timed(act: Callable[[], object]) -> float:
    """Answer the seconds that something takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def one_pass(source: Path, folder: Path, *, cold: bool) -> tuple[float, float]:
    """Answer the seconds for a file: copied by this process and then summed up, and both in one pass.

    ``cold``: memory does not hold the file before, nor its copy when that is read again, as of a file larger than that.
    """
    target, tool, transfer = folder / "copy", Local(), Transfer("f", f"file://{source}", f"file://{folder / 'copy'}")

    def two() -> None:
        with source.open("rb", 0) as reading, target.open("wb", 0) as writing:
            while os.copy_file_range(reading.fileno(), writing.fileno(), 2**30):
                pass
        forget(target, cold)
        sum_of(target)

    def once() -> None:
        tool.copy(transfer, Deadline(LIMIT), Cancel())
        forget(target, cold)

    taken = []
    for act in (two, once):
        forget(source, cold)
        taken.append(timed(act))
        target.unlink()
    return taken[0], taken[1]


def forget(path: Path, really: bool) -> None:
    """Have a file on the disk, and no longer in memory."""
    if really:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


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


def figures_of(storage: Storage, kinds: Sequence[Kind], readings: Readings) -> Iterator[Figure]:
    """Put names, units and goals to the readings of one storage."""
    for way in ("in", "out"):
        for kind in kinds:
            title = f"{storage.title} {way}, {kind.name}"
            bare, summed = readings.of(f"{title}: bare"), readings.of(f"{title}: checksum")
            both = tuple(a + b for a, b in zip(bare, summed, strict=True))
            times = {"bare": bare, "bare and checksum": both, "engine": readings.of(f"{title}: engine")}
            yield from (_per_file if kind.name == "small" else _per_byte)(title, kind, times)


def _per_file(title: str, kind: Kind, times: Mapping[str, Sequence[float]]) -> Iterator[Figure]:
    for name, taken in times.items():
        yield Figure(f"{title}: {name}", "ms", tuple(value / kind.count * 1000 for value in taken))
    pairs = zip(times["bare and checksum"], times["engine"], strict=True)
    yield Figure(f"{title}: engine adds", "ms", tuple(max(0.0, b - a) / kind.count * 1000 for a, b in pairs), 5.0)


def _per_byte(title: str, kind: Kind, times: Mapping[str, Sequence[float]]) -> Iterator[Figure]:
    total = kind.count * kind.size / MB
    for name, taken in times.items():
        yield Figure(f"{title}: {name}", "MB/s", tuple(total / value for value in taken))
    ratio = tuple(a / b for a, b in zip(times["bare and checksum"], times["engine"], strict=True))
    least = 0.95 if kind.name == "large" else None
    yield Figure(f"{title}: engine / bare and checksum", "ratio", ratio, least=least)


def kinds_for(storage: Storage, options: argparse.Namespace) -> tuple[Kind, ...]:
    """Answer what is copied: fewer small files where each takes a process or a connection."""
    small = min(options.small, max(1, options.each // storage.steps)) if storage.steps else options.small
    kinds = (
        Kind("small", small, KB),
        Kind("medium", options.medium, 50 * MB),
        Kind("large", min(options.large, 1), options.large * MB),
    )
    return tuple(kind for kind in kinds if kind.count)


def of_tool(name: str, folder: Path, files: Mapping[str, Path], options: argparse.Namespace) -> list[Figure]:
    """Measure one tool, if its storage can be had: one small file unmeasured, then so many rounds."""
    readings = Readings()
    with storage(name, folder / "storage") as found:
        if isinstance(found, str):
            print(f"{name}: not measured, its server is not here: {found}", flush=True)
            return []
        print(f"{name}: the baseline is {found.what_is_bare}", flush=True)
        bench, kinds = Bench(found, folder / "work"), kinds_for(found, options)
        bench.turn([Kind("small", 1, KB)], files, Readings())
        for _ in range(options.rounds):
            readings.add("memory", largest_since(partial(bench.turn, kinds, files, readings)) / MB)
        memory = Figure(f"{name}: largest memory beyond what was there", "MB", readings.of("memory"), 16.0)
        return [*figures_of(found, kinds, readings), memory]


def of_passes(folder: Path, file: Path, rounds: int) -> list[Figure]:
    """Measure what one pass gains."""
    shown = []
    for where in ("in memory", "from the disk"):
        pairs = [one_pass(file, folder, cold=where == "from the disk") for _ in range(rounds)]
        ratio = tuple(two / once for two, once in pairs)
        shown.append(Figure(f"copy and then adler32 / both in one pass, {where}", "ratio", ratio, least=1.3))
    return shown


def measure(options: argparse.Namespace) -> list[Figure]:
    """Copy by each tool in turn."""
    wanted = options.tools.split(",") if options.tools else list(MAKERS)
    if unknown := set(wanted) - set(MAKERS):
        raise SystemExit(f"--tools: {', '.join(sorted(unknown))} is none of: {', '.join(MAKERS)}")
    BASE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="copytools-", dir=BASE) as place:
        folder = Path(place)
        folder.chmod(0o755)
        files = sources(folder / "sources", {"small": KB, "medium": 50 * MB, "large": options.large * MB})
        shown = []
        for name in wanted:
            shown += of_tool(name, folder / name, files, options)
        return [*shown, *of_passes(folder, files["large"], options.rounds)]


NUMBERS = (
    Number("tools", "", "only these, with commas between them"),
    Number("small", 100, "files of 1 kB"),
    Number("each", 10, "files of 1 kB for tools that have a process for each"),
    Number("medium", 4, "files of 50 MB"),
    Number("large", 500, "MB of the one large file"),
    Number("rounds", 2, "rounds of everything"),
)

if __name__ == "__main__":
    run(__doc__, NUMBERS, measure)
