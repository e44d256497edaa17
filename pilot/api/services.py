"""Services for any tool on a node: what a tree of processes uses, and how fast a core is. Under semantic versioning.

The memory monitor starts no program and needs no privilege: the processes must belong to who asks, or to nobody else
that it may not look at. The benchmark is DB12, and needs the extra ``compass-pilot[services]``.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from pilot.contract.codes import ErrorCode
from pilot.errors import PilotError
from pilot.job import Memory, Traffic
from pilot.runtime.memory import SHARE, Sample, Sampler
from pilot.runtime.prmon import Prmon, as_dict
from pilot.runtime.processes import ZOMBIE, Root, Tree, read

#: Rises by semantic versioning when something here changes.
VERSION = "1.0.0"

__all__ = ["Benchmark", "BenchmarkUnavailable", "MemoryMonitor", "NoSuchProcess", "Sample", "benchmark"]


class NoSuchProcess(PilotError):
    """There is no process of that number."""

    code = ErrorCode.SERVICE_NOT_AVAILABLE


class BenchmarkUnavailable(PilotError):
    """The benchmark's library is not installed, or could not measure anything."""

    code = ErrorCode.MIDDLEWARE_IMPORT


class MemoryMonitor:
    """Measures a process and everything that it started, whoever they belong to.

    Args:
        pid: The process. It is one of those that are measured.
        folder: Where prmon's files, ``memory_monitor_output.txt`` and ``memory_monitor_summary.json``, are written at
            each sample; nowhere when left out.
        cgroup: Folder of a cgroup that holds the processes; without it they are found by who started whom.
        share: The part of one core that reading proportional sizes may use. Between two readings the proportional
            size is taken to be the same part of the resident size as before.

    Raises:
        NoSuchProcess: there is no such process.
    """

    def __init__(self, pid: int, *, folder: Optional[Path] = None, cgroup: str = "", share: float = SHARE) -> None:
        if (found := read(pid)) is None:
            raise NoSuchProcess(f"there is no process {pid}")
        self.pid, self._started = pid, found.started
        self._sampler = Sampler(Root(pid, cgroup, counted=True), share=share)
        self._prmon = None if folder is None else Prmon(folder)

    def sample(self) -> Sample:
        """Measure once. Memory and traffic are bytes, times seconds; a tree that has ended has no processes.

        Raises:
            OSError: a file cannot be written.
        """
        if self._is_another():
            return Sample(time.time(), 0.0, Tree(), Memory(), Traffic())
        found = self._sampler.sample()
        if self._prmon is not None and found.tree.processes:
            self._prmon.write(found, self._sampler.summary)
        return found

    def summary(self) -> Mapping[str, Any]:
        """Answer what the samples so far come to, by prmon's names and units: ``Max`` and ``Avg``.

        Memory is in kB, traffic in bytes (in ``Avg`` bytes per second), times in seconds. Empty without a sample.
        """
        return as_dict(self._sampler.summary)

    def run(self, until: Optional[float] = None, *, every: float = 60.0) -> Mapping[str, Any]:
        """Sample until the process has ended, and answer the summary. Blocks; uses no processor in between.

        Args:
            until: The time, on ``time.monotonic()``, at which it ends in any case.
            every: Seconds between two samples.

        Raises:
            OSError: a file cannot be written.
        """
        ending = _Ending(self.pid)
        with contextlib.closing(ending):
            while any(one.state not in ZOMBIE for one in self.sample().tree.processes):
                left = every if until is None else min(every, until - time.monotonic())
                if left <= 0 or ending.within(left):
                    break
        return self.summary()

    def _is_another(self) -> bool:
        """Say whether the number has been given to another process, as it is when this one has ended."""
        now = read(self.pid)
        return now is not None and now.started != self._started


class _Ending:
    """Waits for the end of a process that need not be a child of ours, where the kernel (5.3) can tell."""

    def __init__(self, pid: int) -> None:
        self._poll = select.poll()
        self._handle: Optional[int] = None
        with contextlib.suppress(OSError, AttributeError):
            self._handle = os.pidfd_open(pid)
            self._poll.register(self._handle, select.POLLIN)

    def within(self, seconds: float) -> bool:
        """Wait; say whether it has ended."""
        return bool(self._poll.poll(min(seconds * 1000, 2**30)))  # it takes no more than 24 days

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)


@dataclass(frozen=True)
class Benchmark:
    """How fast the node is. ``power`` is that of one core, in ``unit``: DB12 is scaled to come near HS06.

    ``copies`` ran at the same time; ``total`` is their power together.
    """

    power: float
    total: float
    copies: int = 1
    unit: str = "DB12"


def benchmark(copies: int = 1, *, run: Optional[Callable[..., Any]] = None) -> Benchmark:
    """Measure the speed of cores with DB12. Takes about half a minute of processor time for each copy.

    Args:
        copies: How many run at the same time, each in a process of its own: as many as there are cores tells what a
            full node gives.
        run: What measures, if not the installed library: called with the number of copies, it answers their powers.

    Raises:
        BenchmarkUnavailable: DB12 is not installed (``pip install 'compass-pilot[services]'``), or measured nothing.
        ValueError: there is to be no copy.
    """
    if copies < 1:
        raise ValueError(f"copies: {copies} is less than 1")
    powers = [power for power in (run or _db12)(copies) if power]
    if len(powers) != copies:
        raise BenchmarkUnavailable(f"DB12 measured {len(powers)} of {copies} copies")
    return Benchmark(sum(powers) / copies, sum(powers), copies)


def _db12(copies: int) -> list[float]:
    try:
        import db12
    except ImportError as wrong:
        words = "the benchmark needs the library DB12: pip install 'compass-pilot[services]'"
        raise BenchmarkUnavailable(words) from wrong
    return list(db12.multiple_dirac_benchmark(copies=copies)["raw"])
