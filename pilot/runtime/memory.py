"""The memory, the input and the output of a tree of processes: samples, and what they come to. Units are bytes."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from typing import Callable, Optional

from pilot.job import Memory, Traffic, Usage
from pilot.runtime.line import Line
from pilot.runtime.processes import PAGE, PROC, ZOMBIE, Process, Root, Tree, read_bytes, tree
from pilot.runtime.thrift import Thrift

KB = 1024
#: The part of one core that reading proportional sizes may use. The kernel walks every page of a process for it.
SHARE = 0.002
#: So much more of it where the answer decides whether a payload is ended.
HURRY = 3.0
#: A payload's memory is taken at its beginning: of so many first looks none says that it grows.
SETTLING = 5
#: By fewer looks after that nobody is told of growth.
LEAST_LOOKS = 8

_ROLLUP = re.compile(rb"^(Pss|Swap): +(\d+) kB", re.MULTILINE)
_IO = re.compile(rb"^(rchar|wchar|read_bytes|write_bytes): (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """A tree at one moment; ``at`` in seconds since 1970. What has ended counts in times and traffic, not in memory.

    ``measured``: the proportional size was read, and not worked out from the resident one.
    """

    at: float
    wall_time: float
    tree: Tree
    memory: Memory
    traffic: Traffic
    measured: bool = True

    @property
    def threads(self) -> int:
        """Answer how many threads run."""
        return sum(one.threads for one in self.tree.processes)


@dataclass(frozen=True)
class Summary:
    """What samples come to."""

    count: int = 0
    last: Optional[Sample] = None
    peak: Memory = Memory()
    total: Memory = Memory()
    most_processes: int = 0
    most_threads: int = 0
    processes: int = 0  # of all samples together, as ``threads``
    threads: int = 0
    traffic: Traffic = Traffic()
    user: float = 0.0
    system: float = 0.0
    growth: Line = Line()  # of proportional size and swap, over the wall time

    def add(self, sample: Sample) -> Summary:
        """Take one more sample. Times and traffic never go back, even when a process was not collected by anybody."""
        count, threads, memory = len(sample.tree.processes), sample.threads, sample.memory
        settled = self.count >= SETTLING
        return Summary(
            count=self.count + 1,
            last=sample,
            peak=self.peak.most(sample.memory),
            total=self.total.plus(sample.memory),
            most_processes=max(self.most_processes, count),
            most_threads=max(self.most_threads, threads),
            processes=self.processes + count,
            threads=self.threads + threads,
            traffic=self.traffic.most(sample.traffic),
            user=max(self.user, sample.tree.user),
            system=max(self.system, sample.tree.system),
            growth=self.growth.add(sample.wall_time, memory.pss + memory.swap) if settled else self.growth,
        )

    def usage(self) -> Usage:
        """Answer what reports say of it."""
        if self.last is None:
            return Usage()
        line, told = self.growth, self.growth.points >= LEAST_LOOKS and self.growth.is_one
        return Usage(
            growth=line.slope if told else 0.0,
            growth_from=line.intersect if told else 0.0,
            growth_scatter=line.scatter if told else 0.0,
            growth_points=line.points if told else 0,
            wall_time=self.last.wall_time,
            cpu_time=self.user + self.system,
            processes=len(self.last.tree.processes),
            peak=self.peak,
            mean=self.total.over(self.count),
            traffic=self.traffic,
        )


@dataclass
class Sampler:
    """Samples one tree again and again, and keeps what that costs within its share.

    Resident sizes, times and traffic are read each time. Proportional sizes are read when ``SHARE`` allows it; when the
    resident size passes ``at_most``, ``HURRY`` times that share counts: the proportional size is never larger than the
    resident one, so below that there is nothing to decide. In between it is taken to be the same part of the resident
    size as before.
    """

    root: Root
    proc: str = PROC
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    cost: Callable[[], float] = time.thread_time
    share: float = SHARE
    summary: Summary = field(default_factory=Summary)

    def __post_init__(self) -> None:
        self._thrift = Thrift(self.share, self.clock, self.cost)
        self._part, self._swap = 1.0, 0
        self._network: Optional[tuple[int, ...]] = None

    def sample(self, at_most: float = float("inf")) -> Sample:
        """Look at the tree now."""
        below = tree(self.root, self.proc)
        measured = self._thrift.affordable(HURRY if below.rss > at_most else 1.0)
        if measured:
            with self._thrift.spending():
                pss, self._swap = _proportional(below.processes, self.proc)
            # Of a process that grows between the two looks more is proportional than was resident at the first.
            self._part = min(1.0, pss / below.rss) if below.rss else 1.0
        sample = Sample(
            at=self.now(),
            wall_time=below.age,
            tree=below,
            memory=Memory(
                vmem=sum(one.vmem for one in below.processes),
                pss=round(below.rss * self._part),
                rss=below.rss,
                swap=self._swap,
            ),
            traffic=self._traffic(below),
            measured=measured,
        )
        # A look that comes when everything has ended has nothing to say.
        if below.processes:
            self.summary = self.summary.add(sample)
        return sample

    def _traffic(self, below: Tree) -> Traffic:
        found = dict.fromkeys(("rchar", "wchar", "read_bytes", "write_bytes"), 0)
        for pid in {self.root.pid, *(one.pid for one in below.processes)}:
            for name, value in _IO.findall(_content(f"{self.proc}/{pid}/io")):
                found[name.decode("ascii")] += int(value)
        network = _network(f"{self.proc}/{below.processes[0].pid}/net/dev") if below.processes else None
        if self._network is None:
            self._network = network
        if network is not None and self._network is not None:
            received, sent = (now - before for now, before in zip(network, self._network))
            return replace(Traffic(**found), received=max(0, received), sent=max(0, sent))
        return Traffic(**found)


def _proportional(processes: tuple[Process, ...], proc: str) -> tuple[int, int]:
    """Add up proportional size and swap. A process that may not be looked into counts with what is its own alone."""
    pss = swap = 0
    for one in processes:
        if one.state in ZOMBIE:
            continue
        sizes = {name: int(value) * KB for name, value in _ROLLUP.findall(_content(f"{proc}/{one.pid}/smaps_rollup"))}
        pss += sizes[b"Pss"] if b"Pss" in sizes else _unshared(one.pid, proc)
        swap += sizes.get(b"Swap", 0)
    return pss, swap


def _unshared(pid: int, proc: str) -> int:
    words = _content(f"{proc}/{pid}/statm").split()
    return max(0, int(words[1]) - int(words[2])) * PAGE if len(words) > 2 else 0


def _network(path: str) -> Optional[tuple[int, int]]:
    """Answer the bytes that all interfaces but the loopback one have received and sent, as the process sees them."""
    rows = [line.partition(b":") for line in _content(path).splitlines() if b":" in line]
    counts = [values.split() for name, _, values in rows if name.strip() != b"lo"]
    whole = [words for words in counts if len(words) > 8]
    return (sum(int(words[0]) for words in whole), sum(int(words[8]) for words in whole)) if rows else None


def _content(path: str) -> bytes:
    """Read a file of a process; nothing of one that has ended or may not be looked into."""
    try:
        return read_bytes(path)
    except OSError:
        return b""
