"""What a pilot adds to a payload that does nothing: from its start to its final report, to its end, to its next job.

Every time is taken from the moment at which the process is started. When a report was taken is what the server's
database says of it; its commit follows within milliseconds. The baseline is one Python that imports requests, posts
three times and runs ``true``: what any program must do that asks for a job, runs it and reports.

    python -m benchmarks.pilot_overhead [--rounds 15] [--warm 1] [--chain 10] [--json FILE]
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.command import Number, run
from benchmarks.figures import Figure
from benchmarks.system import BASE, QUEUE, Server, serving

ROOT = Path(__file__).resolve().parents[1]
PILOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from pilot.cli import main; sys.exit(main())"
BARE = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
import requests
for _ in range(3):
    requests.post(sys.argv[2], json={"job_id": 1, "job_status": "running"}).raise_for_status()
subprocess.run(["true"], check=True)
"""
MB = 10**6
LOG = [{"lfn": "job.log.tgz", "type": "log"}]
#: An input and an output beside it; each lies in the folder of its dataset.
PLACED = {"dataset": "bench", "endpoint": "LOCAL_STORAGE"}
FILES = [{"lfn": "in.dat", "type": "input", **PLACED}, {"lfn": "out.dat", "type": "output", **PLACED}, *LOG]


@dataclass(frozen=True)
class Life:
    """One process: when it was started and had ended (seconds since 1970), CPU seconds and bytes that it took."""

    began: float
    ended: float
    cpu: float
    rss: float
    status: int


@dataclass
class Readings:
    """Readings by figure, as they come."""

    found: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, reading: float) -> None:
        self.found.setdefault(name, []).append(reading)

    def of(self, name: str) -> tuple[float, ...]:
        return tuple(self.found[name])


def live(argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> Life:
    """Run a process to its end."""
    log = folder / "last-output.txt"
    with log.open("wb") as output:
        began = time.time()
        process = subprocess.Popen(
            argv, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        ended = time.time()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Life(began, ended, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, process.returncode)


class Bench:
    """Pilots of one bundle against one server."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.bundle = folder / "pilot.pyz"
        build = [sys.executable, "wrappers/build_bundle.py", "--output", str(self.bundle)]
        self.digest = subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()[0]
        self.unpacked = folder / "unpacked"
        with zipfile.ZipFile(self.bundle) as packed:
            packed.extractall(self.unpacked)
        # An environment without any package: what this machine's Python imports at its start is not measured.
        venv.create(folder / "python")
        self.python = str(folder / "python" / "bin" / "python")
        clean = {**os.environ}
        clean.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run([self.python, "-I", "-m", "compileall", "-q", str(self.unpacked)], check=True, env=clean)
        self.options = ["--url", server.url, "--token-file", str(server.home / "pilot.token"), "-q", QUEUE]
        self.options += ["--getjobrequests", "1"]  # when there is no further job it ends, as the factory's pilots do
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(folder)}

    def cold(self) -> Life:
        """One pilot, straight from the unpacked bundle; it takes every job that there is."""
        return live([self.python, "-I", "-c", PILOT, str(self.unpacked), *self.options], self.environment, self.folder)

    def wrapped(self, *, cache: bool) -> Life:
        """One pilot as a batch system starts it."""
        own = [
            "--bundle",
            str(self.bundle),
            "--sha256",
            self.digest,
            "--python",
            self.python,
            "--scratch",
            str(self.folder),
        ]
        kept = ["--cache", str(self.folder / "cache")] if cache else []
        argv = ["/bin/sh", str(ROOT / "wrappers/pilot-wrapper.sh"), *own, *kept, "--", *self.options]
        return live(argv, self.environment, self.folder)

    def bare(self) -> Life:
        """The baseline."""
        url = f"{self.server.url}/api/v1/system/is_alive"
        return live([self.python, "-I", "-c", BARE, str(self.unpacked), url], self.environment, self.folder)

    def submit(
        self, program: str, count: int = 1, files: Sequence[Mapping[str, Any]] = (), arguments: Sequence[str] = ()
    ) -> list[int]:
        entry = {"computingSite": QUEUE, "transformation": program, "files": list(files), "maxAttempt": 1}
        entry["jobParameters"] = list(arguments)
        return self.server.submit([entry] * count)

    def placed(self) -> list[dict[str, Any]]:
        """Put an input of 1 MB on the storage, take away the output of the job before, and describe the files."""
        place = self.folder / "storage" / PLACED["dataset"]
        place.mkdir(parents=True, exist_ok=True)
        content = bytes(MB)
        (place / "in.dat").write_bytes(content)
        (place / "out.dat").unlink(missing_ok=True)
        known = {"fsize": len(content), "checksum": f"ad:{zlib.adler32(content):08x}"}
        return [{**FILES[0], **known}, *FILES[1:]]

    def moments(self, job: int) -> dict[str, float]:
        """Answer when a job's first attempt came into each state, in seconds since 1970."""
        database = sqlite3.connect(f"file:{self.server.database}?mode=ro", uri=True)
        rows = database.execute(
            "SELECT state_after, moved_at FROM taskbuffer_jobevent WHERE job_id = ? AND attempt = 1", (job,)
        ).fetchall()
        database.close()
        return {state: datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() for state, at in rows}

    def words(self) -> str:
        return (self.folder / "last-output.txt").read_text()


def one(bench: Bench, kind: str, readings: Readings) -> None:
    """Run one job in one pilot and note its times."""
    program, end = ("false", "failed") if kind == "failing" else ("true", "finished")
    if kind == "with files":
        (job,) = bench.submit("cp", files=bench.placed(), arguments=["in.dat", "out.dat"])
    else:
        (job,) = bench.submit(program, files=LOG if kind == "with a log" else ())
    wrapped = kind in ("wrapper", "fresh bundle")
    life = bench.wrapped(cache=kind == "wrapper") if wrapped else bench.cold()
    moments = bench.moments(job)
    if end not in moments:
        raise SystemExit(f"job {job} ({kind}) did not end as {end}, but went through {moments}:\n{bench.words()}")
    readings.add(f"{kind}: to the final report", moments[end] - life.began)
    readings.add(f"{kind}: from there to the exit", life.ended - moments[end])
    if kind == "cold":
        readings.add("cold: asked", moments["sent"] - life.began)
        readings.add("cold: rss", life.rss / MB)
        readings.add("cold: cpu", life.cpu)


def chain(bench: Bench, count: int, readings: Readings) -> None:
    """Run many jobs in one pilot and note what lies between two of them."""
    jobs = bench.submit("true", count)
    bench.cold()
    moments = [bench.moments(job) for job in jobs]
    if any("finished" not in found for found in moments):
        raise SystemExit(f"not every job of one pilot finished:\n{bench.words()}")
    for before, after in pairwise(moments):
        readings.add("between two jobs", after["running"] - before["finished"])
        readings.add("each further job", after["finished"] - before["finished"])


def figures(readings: Readings) -> list[Figure]:
    """Put names, units and goals to the readings."""
    bare = readings.of("bare")
    cold = readings.of("cold: to the final report")
    failing = readings.of("failing: to the final report")

    def seconds(name: str, goal: float | None = None) -> Figure:
        return Figure(name, "s", readings.of(name), goal)

    return [
        Figure("baseline: import, 3 posts, true", "s", bare),
        seconds("cold: asked"),
        seconds("cold: to the final report", 0.35),
        Figure("cold: to the final report / baseline", "ratio", _ratios(cold, bare), 2.0),
        seconds("cold: from there to the exit", 0.1),
        seconds("wrapper: to the final report"),
        seconds("wrapper: from there to the exit"),
        seconds("fresh bundle: to the final report", 0.6),
        seconds("fresh bundle: from there to the exit"),
        seconds("failing: to the final report", 0.35),
        Figure("failing: to the final report / cold", "ratio", _ratios(failing, cold), 1.1),
        seconds("with a log: to the final report"),
        seconds("with files: to the final report"),
        seconds("between two jobs", 0.05),
        seconds("each further job"),
        Figure("cold: CPU time, payload included", "s", readings.of("cold: cpu")),
        Figure("baseline: CPU time", "s", readings.of("bare: cpu")),
        Figure("cold: largest resident size", "MB", readings.of("cold: rss"), 45.0),
    ]


def _ratios(above: Sequence[float], below: Sequence[float]) -> tuple[float, ...]:
    """Divide round by round: what loads the machine in a round loads both."""
    return tuple(a / b for a, b in zip(above, below, strict=True))


def measure(rounds: int, warm: int, count: int) -> list[Figure]:
    """Run each so many times unmeasured, then the rounds that count, of each in turn."""
    BASE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pilot_overhead-", dir=BASE) as folder, serving(Path(folder)) as server:
        bench, readings = Bench(server, Path(folder)), Readings()
        kinds = ("cold", "wrapper", "fresh bundle", "failing", "with a log", "with files")
        for kind in kinds * warm:
            one(bench, kind, Readings())
        for _ in range(rounds):
            life = bench.bare()
            if life.status:
                raise SystemExit(f"the baseline failed:\n{bench.words()}")
            readings.add("bare", life.ended - life.began)
            readings.add("bare: cpu", life.cpu)
            for kind in kinds:
                one(bench, kind, readings)
        for _ in range(max(1, rounds // 5)):
            chain(bench, count, readings)
        return figures(readings)


NUMBERS = (
    Number("rounds", 15, "runs of each kind of pilot, in turn"),
    Number("warm", 1, "runs of each kind before, which do not count"),
    Number("chain", 10, "jobs of a pilot that runs several"),
)

if __name__ == "__main__":
    run(__doc__, NUMBERS, lambda options: measure(options.rounds, options.warm, options.chain))
