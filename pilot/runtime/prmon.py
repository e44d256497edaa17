"""Writes samples as prmon does: a table that grows by a line, and a summary in JSON. Names and units are prmon's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from pilot.contract.version import PRODUCT
from pilot.job import Memory
from pilot.runtime.memory import KB, Sample, Summary

TABLE, SUMMARY = "memory_monitor_output.txt", "memory_monitor_summary.json"

_COLUMNS = (
    *("Time", "wtime", "nprocs", "nthreads", "stime", "utime", "pss", "rss", "swap", "vmem"),
    *("rchar", "read_bytes", "wchar", "write_bytes", "rx_bytes", "tx_bytes"),
)


class Prmon:
    """The two files in one folder. Memory is written in kB, traffic in bytes, times in whole seconds."""

    def __init__(self, folder: Path) -> None:
        self.table, self.summary = folder / TABLE, folder / SUMMARY

    def write(self, sample: Sample, summary: Summary) -> None:
        """Append a line, and replace the summary as a whole.

        Raises:
            OSError: a file cannot be written.
        """
        line = row(sample)
        with _opened(self.table, "a") as file:
            if not file.tell():
                file.write("\t".join(_COLUMNS) + "\n")
            file.write("\t".join(str(line[name]) for name in _COLUMNS) + "\n")
        whole = self.summary.with_suffix(".json.new")
        with _opened(whole, "w") as file:
            file.write(json.dumps(as_dict(summary), indent=1, sort_keys=True) + "\n")
        whole.replace(self.summary)


def _opened(path: Path, mode: str) -> IO[str]:
    """Open a file where a payload writes, too: what that puts in its place is neither followed nor waited for."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)

    return open(path, mode, encoding="ascii", opener=opener)


def row(sample: Sample) -> dict[str, int]:
    """Answer one line of the table, by column."""
    traffic = sample.traffic
    return {
        "Time": round(sample.at),
        "wtime": round(sample.wall_time),
        "nprocs": len(sample.tree.processes),
        "nthreads": sample.threads,
        "stime": round(sample.tree.system),
        "utime": round(sample.tree.user),
        **_memory(sample.memory),
        "rchar": traffic.rchar,
        "read_bytes": traffic.read_bytes,
        "wchar": traffic.wchar,
        "write_bytes": traffic.write_bytes,
        "rx_bytes": traffic.received,
        "tx_bytes": traffic.sent,
    }


def as_dict(summary: Summary) -> Mapping[str, Any]:
    """Answer the summary: ``Max`` has the largest values and totals, ``Avg`` means, and bytes per second."""
    if summary.last is None:
        return {"Max": {}, "Avg": {}, "prmon": {"version": PRODUCT}}
    wall = max(1.0, summary.last.wall_time)
    moved = {
        "rchar": summary.traffic.rchar,
        "wchar": summary.traffic.wchar,
        "read_bytes": summary.traffic.read_bytes,
        "write_bytes": summary.traffic.write_bytes,
        "rx_bytes": summary.traffic.received,
        "tx_bytes": summary.traffic.sent,
    }
    return {
        "Max": {
            **_memory(summary.peak),
            **moved,
            "nprocs": summary.most_processes,
            "nthreads": summary.most_threads,
            "utime": round(summary.user),
            "stime": round(summary.system),
            "wtime": round(summary.last.wall_time),
        },
        "Avg": {
            **_memory(summary.total.over(summary.count)),
            **{name: round(value / wall) for name, value in moved.items()},
            "nprocs": round(summary.processes / summary.count, 2),
            "nthreads": round(summary.threads / summary.count, 2),
        },
        "prmon": {"version": f"compass-pilot {PRODUCT}"},
    }


def _memory(memory: Memory) -> dict[str, int]:
    return {name: getattr(memory, name) // KB for name in ("pss", "rss", "swap", "vmem")}
