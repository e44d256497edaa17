"""A job as this pilot sees it. Values only: nothing here does any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from enum import Enum
from operator import add
from pathlib import Path
from types import MappingProxyType
from typing import Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.frozen import Frozen
from pilot.contract.job import JobSpec
from pilot.contract.messages import StoredFile
from pilot.contract.named import NamedTuple
from pilot.contract.states import JobState


class Phase(str, Enum):
    """Where a job stands inside the pilot."""

    ACCEPTED = "accepted"
    STAGING_IN = "staging-in"
    READY = "ready"  # its inputs are there, and others have the cores
    RUNNING = "running"
    STAGING_OUT = "staging-out"
    STOPPING = "stopping"
    STAGING_LOG = "staging-log"
    REPORTING = "reporting"
    DONE = "done"
    FAILED = "failed"


#: The state that a phase is reported as, until the end is known.
STATE_OF: Mapping[Phase, JobState] = {
    Phase.ACCEPTED: JobState.STARTING,
    Phase.STAGING_IN: JobState.STARTING,
    Phase.READY: JobState.STARTING,
    Phase.RUNNING: JobState.RUNNING,
    Phase.STAGING_OUT: JobState.RUNNING,
    Phase.STOPPING: JobState.RUNNING,
    Phase.STAGING_LOG: JobState.RUNNING,
}


class Problem(Frozen):
    """Why a job failed: the code, the words, and the experiment's own number when it has one."""

    code: ErrorCode
    detail: str
    payload_code: int = 0

    @property
    def told(self) -> str:
        """Answer a line for the pilot's log."""
        own = f", the payload's {self.payload_code}" if self.payload_code else ""
        return f"{self.code.name} ({int(self.code)}{own}): {self.detail}"


class PayloadOutcome(Frozen):
    """How a payload ended. ``status`` is its exit status, ``signal`` the one that ended it; one of them is ``None``.

    Times are seconds. Of memory, in bytes, ``max_rss`` is the most that one process had, ``memory_peak`` what all had
    together as a cgroup has counted it (0: not counted), ``memory_limit`` what they might have (0: no limit).
    """

    status: Optional[int]
    signal: Optional[int]
    workdir: Path
    stdout: Path
    stderr: Path
    wall_time: float = 0.0
    cpu_time: float = 0.0
    max_rss: int = 0
    pid: int = 0
    dumped: bool = False  # its memory was written down by the kernel (a core dump)
    late: bool = False  # stopped, because its time was over
    memory_peak: int = 0
    memory_kills: int = 0  # processes that the kernel has killed for want of memory
    memory_limit: int = 0
    cpu_limit: int = 0  # seconds that one process might use; 0: no limit
    words: str = ""  # the last ones of its error output, or of its output
    report: str = ""  # what it has written of itself, as JSON

    @property
    def well(self) -> bool:
        """Whether the program itself says that it ended well."""
        return self.status == 0

    @property
    def told(self) -> str:
        """Answer a line for the pilot's log."""
        how = f"status {self.status}" if self.signal is None else f"signal {self.signal}"
        return f"the payload ended with {how} after {self.wall_time:.1f} s, {self.cpu_time:.1f} s of processor time"


class Memory(Frozen):
    """Memory of a payload's processes together, in bytes. ``pss``: what they share is counted once."""

    vmem: int = 0
    pss: int = 0
    rss: int = 0
    swap: int = 0

    def most(self, other: Memory) -> Memory:
        """Answer the larger of each."""
        return Memory(*map(max, _values(self), _values(other)))

    def plus(self, other: Memory) -> Memory:
        """Answer the sums."""
        return Memory(*map(add, _values(self), _values(other)))

    def over(self, count: int) -> Memory:
        """Answer each divided by a count of at least 1."""
        return Memory(*(value // count for value in _values(self)))


class Traffic(Frozen):
    """Bytes that a payload has read and written so far: by its calls, on disks (``*_bytes``), over the network."""

    rchar: int = 0
    wchar: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    received: int = 0
    sent: int = 0

    def most(self, other: Traffic) -> Traffic:
        """Answer the larger of each."""
        return Traffic(*map(max, _values(self), _values(other)))


def _values(record: Any) -> tuple[int, ...]:
    return tuple(vars(record).values())


class Usage(Frozen):
    """What a payload has used, as far as it was looked at, and on what. Times are seconds, sizes bytes.

    ``growth`` is by how many bytes a second its memory (proportional and swap) grows, on the straight line through
    ``growth_points`` looks; that begins at ``growth_from`` bytes, and ``growth_scatter`` is the sum of the squares of
    what lies beside it, in parts of the mean. All are 0 while there are too few looks to say so.
    """

    wall_time: float = 0.0
    cpu_time: float = 0.0
    processes: int = 0
    workdir: int = 0
    peak: Memory = Memory()
    mean: Memory = Memory()
    traffic: Traffic = Traffic()
    growth: float = 0.0
    growth_from: float = 0.0
    growth_scatter: float = 0.0
    growth_points: int = 0
    cpu: str = ""  # the processors' model, number and best instructions, as PanDA writes them
    cpu_level: str = ""  # such as x86_64-v3
    gpu: str = ""  # the GPUs' model
    gpus: int = 0


class PayloadCommand(Frozen):
    """What is to be run: an argument list, the whole environment, and where."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    workdir: Path


class When(str, Enum):
    """When a utility runs, seen from its payload."""

    BEFORE = "before"
    BESIDE = "beside"
    AFTER = "after"


class LogStream(NamedTuple):
    """Where a job's lines go while it runs: a log service as `type;protocol://host:port`, and files in its directory.

    What is left empty is as the queue, or the settings, say.
    """

    server: str = ""
    files: tuple[str, ...] = ()


class Utility(NamedTuple):
    """A program that runs before, beside or after a payload, in the job's directory and the payload's environment.

    Its output goes to ``<name>.stdout`` and ``<name>.stderr``. The word ``{pid}`` in ``argv`` is replaced by the number
    of the payload's first process, for one that runs beside it.
    """

    name: str
    argv: tuple[str, ...]
    when: When
    needed: bool = False  # when it fails, the job does
    seconds: float = 0.0  # longest time of one that runs before or after; 0: as the settings say
    environment: Mapping[str, str] = MappingProxyType({})
    in_container: bool = False  # in the payload's, when there is one
    #: Exit statuses by which one that runs before says that there is nothing to do: no payload runs, the job goes on.
    nothing_to_do: tuple[int, ...] = ()


class Job(Frozen):
    """One attempt of a job and what has become of it. Never changed in place: see `control.lifecycle.advance`."""

    spec: JobSpec
    phase: Phase = Phase.ACCEPTED
    step: int = 0  # grows when the phase changes, and only then
    problem: Optional[Problem] = None  # the first one; what follows is usually its consequence
    outcome: Optional[PayloadOutcome] = None
    usage: Optional[Usage] = None  # of the last look at it
    stored: tuple[StoredFile, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    story: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[int, int]:
        """(id, attempt)."""
        return self.spec.key

    def evolve(self, **changes: Any) -> Job:
        """Answer a copy with some fields changed."""
        return replace(self, **changes)
