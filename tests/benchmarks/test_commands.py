"""Each benchmark runs with the smallest counts and prints its ratios; how fast it was is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parents[2]
#: In names of figures that may be zero.
MAY_BE_NOTHING = ("memory more than", "watching for", "engine adds", "memory beyond", "queued: ", " pilots: ")
#: The only figures that may be less than nothing.
MAY_SHRINK = ("memory of the server, grown by", "memory more than for 200")
COMMANDS = {
    "checks": (
        ["--processes", "10", "--shared", "8", "--looks", "3", "--rounds", "1"],
        {
            "checks, one process: part of one core",
            "checks, 10 processes: part of one core",
            "smaps_rollup of one process",
        },
    ),
    "pilot_overhead": (
        ["--rounds", "1", "--warm", "0", "--chain", "2"],
        {
            "cold: to the final report / baseline",
            "failing: to the final report / cold",
            "fresh bundle: to the final report",
            "with files: to the final report",
            "between two jobs",
            "cold: largest resident size",
        },
    ),
    "copytools": (
        ["--tools", "local,lsm,s3", "--rounds", "1", "--small", "3", "--each", "1", "--medium", "0", "--large", "8"],
        {
            "local in, small: engine adds",
            "local out, large: engine / bare and checksum",
            "lsm out, small: bare and checksum",
            "s3 in, large: engine",
            "copy and then adler32 / both in one pass, from the disk",
            "local: largest memory beyond what was there",
        },
    ),
    "pilot_life": (
        ["--rounds", "1", "--warm", "0", "--watch", "2"],
        {
            "killed: to the final report",
            "signalled: to the final report",
            "8 at once: to the last final report",
            "watching: resident size",
        },
    ),
    "dispatch": (
        ["--jobs", "8", "--rounds", "1", "--normal"],
        {
            "FULL: kept connections / bare",
            "FULL: a connection per call / bare",
            "FULL: kept connections, server CPU per call",
            "FULL: 3 calls, kept connections / bare",
            "FULL: 3 calls, a connection per call, server CPU per call",
            "FULL: in bulk, server CPU per life",
            "NORMAL: bare",
        },
    ),
    "factory": (
        ["--queues", "10", "--pilots", "100", "--systems", "2", "--rounds", "1"],
        {
            "10 queues, 100 pilots: quiet",
            "10 queues, 100 pilots: 10% of the queues get 5 pilots",
            "status questions for each batch system in a cycle",
        },
    ),
    "production": (
        [
            *("--chunks", "400", "--per_task", "200", "--active", "1", "--running", "4", "--define", "200"),
            *("--ended", "2", "--rounds", "1", "--database", "sqlite"),
        ],
        {
            "a cycle of all steps with nothing to do",
            "a cycle with 2 finished jobs",
            "data by files: 200 chunks defined",
            "MC generation: beside its rows written bare",
        },
    ),
    "calls": (
        ["--queued", "20", "--calls", "4", "--pilots", "8", "--seconds", "1", "--old", "1"],
        {
            "20 queued: acquire 1",
            "20 queued: finished, two files: server CPU per call",
            "8 pilots: server CPU, part of one core",
        },
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_is_one_command_that_prints_its_ratios(name, tmp_path):
    options, figures = COMMANDS[name]
    result = tmp_path / "figures.json"
    argv = [sys.executable, "-m", f"benchmarks.{name}", *options, "--json", str(result)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    found = json.loads(result.read_text())["figures"]
    assert figures <= found.keys()
    assert all(f"{figure}  " in done.stdout for figure in figures)
    assert all(figure["min"] <= figure["median"] <= figure["max"] for figure in found.values())
    assert all(figure["min"] >= 0 for name, figure in found.items() if not name.endswith(MAY_SHRINK))
    assert all(
        figure["median"] > 0 for name, figure in found.items() if not any(word in name for word in MAY_BE_NOTHING)
    )
