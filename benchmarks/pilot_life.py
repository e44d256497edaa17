"""What a pilot does when a job is ended early, or has many at once, and what it costs while it only watches.

*Killed* is counted from the answer to the command that kills the job, and a heartbeat of 0.2 s brings the command to
the pilot; *signalled* from the signal that the batch system sends. *Watching* is an hour beside a payload that sleeps,
simulated: every period of heartbeats and checks is shortened a hundredfold, so that 36 s hold as many of them as an
hour does, and the CPU time is divided by the hour.

    python -m benchmarks.pilot_life [--rounds 10] [--warm 1] [--watch 36] [--json FILE]
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.command import Number, run
from benchmarks.figures import Figure
from benchmarks.pilot_overhead import MB, PILOT, Bench, Readings
from benchmarks.system import BASE, Server, serving
from pilot.settings import SECTIONS

#: So much shorter is every period of the monitor while an hour is simulated.
FASTER = 100.0
HOUR = 3600.0
#: Jobs of one pilot at the same time.
MANY = 8
PATIENCE = 60.0
_TICK = os.sysconf("SC_CLK_TCK")


def started(bench: Bench, *more: str, **variables: str) -> subprocess.Popen[bytes]:
    """Start a pilot, and do not wait for its end."""
    argv = [bench.python, "-I", "-c", PILOT, str(bench.unpacked), *bench.options, *more]
    with (bench.folder / "last-output.txt").open("wb") as output:
        return subprocess.Popen(
            argv,
            env={**bench.environment, **variables},
            cwd=bench.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def awaited(bench: Bench, job: int, *states: str) -> dict[str, float]:
    """Answer a job's moments as soon as it has come into one of these states."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        moments = bench.moments(job)
        if any(state in moments for state in states):
            return moments
        time.sleep(0.01)
    raise SystemExit(f"job {job} did not come to {' or '.join(states)}, but to {bench.moments(job)}:\n{bench.words()}")


def kill(server: Server, job: int) -> None:
    """Give the command that ends a job."""
    connection = HTTPConnection("127.0.0.1", server.port)
    said = {"Authorization": f"Bearer {server.token('production')}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v1/job/kill", json.dumps({"job_ids": [job]}), said)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    if not answer["success"] or answer["data"] != [True]:
        raise SystemExit(f"job {job} was not killed: {answer}")


def ended_early(bench: Bench, name: str, end: Callable[[int, int], None], readings: Readings, *more: str) -> None:
    """End a job while its payload runs, and note how long it takes until that is reported and the pilot is gone."""
    (job,) = bench.submit("sleep", arguments=["600"])
    pilot = started(bench, *more)
    awaited(bench, job, "running")
    began = time.time()
    end(job, pilot.pid)
    moments = awaited(bench, job, "failed", "cancelled", "closed")
    pilot.wait(PATIENCE)
    ended = time.time()
    reported = max(moments[state] for state in ("failed", "cancelled", "closed") if state in moments)
    readings.add(f"{name}: to the final report", reported - began)
    readings.add(f"{name}: to the exit", ended - began)


def at_once(bench: Bench, readings: Readings) -> None:
    """Run many jobs of one pilot at the same time."""
    jobs = bench.submit("true", MANY)
    began = time.time()
    pilot = started(bench, COMPASS_PILOT__JOB__AT_ONCE=str(MANY), COMPASS_PILOT__JOB__CORES=str(MANY))
    moments = [awaited(bench, job, "finished") for job in jobs]
    pilot.wait(PATIENCE)
    readings.add(f"{MANY} at once: to the last final report", max(found["finished"] for found in moments) - began)
    readings.add(f"{MANY} at once: to the exit", time.time() - began)


def hastened() -> dict[str, str]:
    """Answer every period of the monitor as a variable that shortens it."""
    variables = {}
    for spec in fields(SECTIONS["monitor"]):
        if spec.metadata["unit"] == "s" and (spec.name in ("heartbeat", "checks") or spec.name.endswith("_every")):
            variables[f"COMPASS_PILOT__MONITOR__{spec.name.upper()}"] = str(float(str(spec.default)) / FASTER)
    return variables


def watch(bench: Bench, seconds: float, readings: Readings) -> None:
    """Watch a payload that sleeps; note CPU time by simulated hour, and memory."""
    (job,) = bench.submit("sleep", arguments=[str(seconds + 10)])
    pilot = started(bench, **hastened())
    awaited(bench, job, "running")
    time.sleep(2.0)  # what follows the start is not the watching
    before, begun = cpu_of(pilot.pid), time.monotonic()
    time.sleep(seconds)
    spent, elapsed = cpu_of(pilot.pid) - before, time.monotonic() - begun
    readings.add("watching for an hour: CPU of a core", 100 * spent / (elapsed * FASTER))
    readings.add("watching for an hour: CPU time", spent * HOUR / (elapsed * FASTER))
    readings.add("watching: resident size", resident(pilot.pid) / MB)
    kill(bench.server, job)
    pilot.wait(PATIENCE)


def cpu_of(pid: int) -> float:
    """Answer the CPU seconds of a pilot and its keepers; the payload's own do not count while it runs."""
    return sum(_ticks(each) for each in (pid, *_children(pid))) / _TICK


def _children(pid: int) -> list[int]:
    return [
        int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
    ]


def _ticks(pid: int) -> int:
    """Answer user and system time, with that of children that have ended: helpers of a check count too."""
    words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return sum(int(word) for word in words[11:15])


def resident(pid: int) -> float:
    """Answer the largest resident size of a process so far, in bytes."""
    said: Mapping[str, str] = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return int(said["VmHWM"].split()[0]) * 1024.0


def measure(rounds: int, warm: int, seconds: float) -> list[Figure]:
    """Run so many rounds unmeasured, then those that count."""
    BASE.mkdir(exist_ok=True)
    quick = ("--heartbeat", "0.2")
    with tempfile.TemporaryDirectory(prefix="pilot_life-", dir=BASE) as folder, serving(Path(folder)) as server:
        bench, readings = Bench(server, Path(folder)), Readings()

        def round_of(into: Readings) -> None:
            ended_early(bench, "killed", lambda job, pid: kill(server, job), into, *quick)
            ended_early(bench, "signalled", lambda job, pid: os.kill(pid, signal.SIGTERM), into)
            at_once(bench, into)

        for _ in range(warm):
            round_of(Readings())
        for _ in range(rounds):
            round_of(readings)
        watch(bench, seconds, readings)
        return figures(readings)


def figures(readings: Readings) -> list[Figure]:
    """Put names, units and goals to the readings."""

    def of(name: str, unit: str = "s", goal: float | None = None) -> Figure:
        return Figure(name, unit, readings.of(name), goal)

    return [
        of("killed: to the final report", goal=1.0),
        of("killed: to the exit"),
        of("signalled: to the final report", goal=1.0),
        of("signalled: to the exit"),
        of(f"{MANY} at once: to the last final report"),
        of(f"{MANY} at once: to the exit"),
        of("watching for an hour: CPU of a core", "%", 0.2),
        of("watching for an hour: CPU time"),
        of("watching: resident size", "MB", 45.0),
    ]


NUMBERS = (
    Number("rounds", 10, "runs of each kind, in turn"),
    Number("warm", 1, "runs of each kind before, which do not count"),
    Number("watch", HOUR / FASTER, "seconds of watching"),
)

if __name__ == "__main__":
    run(__doc__, NUMBERS, lambda options: measure(options.rounds, options.warm, options.watch))
