"""What one payload may take: from the settings, the queue and the job to numbers for cgroups and ``ulimit``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Callable, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.named import NamedTuple
from pilot.errors import JobFailed
from pilot.runtime import cgroup

if TYPE_CHECKING:
    from pilot.contract.job import JobSpec
    from pilot.contract.queue import QueueData
    from pilot.settings import PayloadLimits

#: A limit of the resource that means none.
UNLIMITED = -1
#: After SIGXCPU a process has so many seconds of CPU time before it is killed.
LAST_SECONDS = 60

_MB = 10**6


class LimitedBy(str, Enum):
    """What holds a payload to its limit of memory."""

    NOTHING = "nothing"
    CGROUP_1 = "a cgroup (version 1)"
    CGROUP_2 = "a cgroup (version 2)"
    SAMPLING = "samples of its size"


class Limits(NamedTuple):
    """``memory`` in bytes and ``processes`` of the whole tree, ``cpu_time`` of each process in seconds; 0: no limit.

    ``resources`` are rows for ``setrlimit``: number, soft, hard.
    """

    memory: int = 0
    processes: int = 0
    cpu_time: int = 0
    resources: tuple[tuple[int, int, int], ...] = ()


NO_LIMITS = Limits()


def memory_limit(spec: JobSpec, queue: QueueData, chosen: PayloadLimits) -> int:
    """Answer how many bytes of memory a payload may take; 0: nobody said, or nobody is to be heard.

    The queue's memory is for all cores of its slots; a job with fewer gets its share.
    """
    of_queue = queue.memory * min(1.0, spec.cores / queue.cores)
    said = {"none": 0, "queue": of_queue, "job": spec.memory or of_queue}[chosen.memory]
    return int(said * memory_margin(queue, chosen))


def memory_margin(queue: QueueData, chosen: PayloadLimits) -> float:
    """Answer how many times its memory a payload may take: what the queue says (``pilot_rss_grace``), else settings."""
    said = queue.grace("pilot_rss_grace")
    return chosen.memory_margin if said is None else said


def open_files_of(queue: QueueData) -> int:
    """Answer the files that one process may have open as a queue's ``catchall`` says (``nopenfiles=4096``); 0: unsaid.

    Raises:
        JobFailed: it says no number (BAD_QUEUE_CONFIGURATION).
    """
    if "nopenfiles" not in queue.catchall:
        return 0
    from pilot.contract.catchall import words

    said = words(queue.catchall).get("nopenfiles", "0")
    if not said.isdecimal():
        text = f"nopenfiles in catchall of queue {queue.name}: {said!r} is not a number of files"
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, text)
    return int(said)


def of(
    spec: JobSpec, queue: QueueData, chosen: PayloadLimits, inherited: Optional[Callable[[int], tuple[int, int]]] = None
) -> Limits:
    """Put together a payload's limits.

    Args:
        spec: The job.
        queue: Its queue.
        chosen: The settings.
        inherited: Answers soft and hard limit of a resource, by its number; what the pilot itself has when left out.
    """
    import resource

    cpu_time = int(spec.max_cpu_time * chosen.cpu_margin)
    open_files = chosen.open_files or open_files_of(queue)
    asked = (
        (resource.RLIMIT_CORE, UNLIMITED if spec.debug else chosen.core, chosen.core >= 0 or spec.debug),
        (resource.RLIMIT_CPU, cpu_time, cpu_time),
        (resource.RLIMIT_FSIZE, chosen.file_size, chosen.file_size),
        (resource.RLIMIT_NOFILE, open_files, open_files),
        (resource.RLIMIT_STACK, chosen.stack, chosen.stack),
        (resource.RLIMIT_AS, chosen.address_space, chosen.address_space),
    )
    rows = _rows(((number, value) for number, value, wanted in asked if wanted), inherited or resource.getrlimit)
    return Limits(memory_limit(spec, queue, chosen), chosen.processes, cpu_time, tuple(rows))


def _rows(
    asked: Iterator[tuple[int, int]], inherited: Callable[[int], tuple[int, int]]
) -> Iterator[tuple[int, int, int]]:
    """Answer what has to be set. Nobody may raise a hard limit; what is as it should be costs nothing."""
    import resource

    for number, value in asked:
        had = inherited(number)
        soft = had[1] if value == UNLIMITED else value if had[1] == UNLIMITED else min(value, had[1])
        hard = had[1] if value == UNLIMITED else soft
        if number == resource.RLIMIT_CPU:  # time to say a last word
            hard = soft + LAST_SECONDS if had[1] == UNLIMITED else min(soft + LAST_SECONDS, had[1])
        if (soft, hard) != had:
            yield number, soft, hard


class Held(NamedTuple):
    """How payloads are held to something on this node; ``why`` says why not by the kernel, "" when they are."""

    what: str
    how: str
    why: str = ""


def describe() -> Sequence[Held]:
    """Say what this node lets the pilot do with payloads, for admins. Makes groups as for a payload, and removes them.

    The groups are called after this process, which is no keeper, so that the name is free.
    """
    groups = cgroup.make(os.getpid(), memory=2**40, processes=2**15)
    cgroup.remove(groups.all)
    by_kernel = f"by the kernel, in cgroups of version {groups.memory_version}"
    no_pids = "" if groups.processes else "no pids controller is given; the check of processes looks from time to time"
    no_group = "" if groups.tracking else "no cgroup of version 2 is given; payloads are found as their keeper's tree"
    return (
        Held("limits of memory", "by samples of their size" if groups.why else by_kernel, groups.why),
        Held("limits of processes", "by samples" if no_pids else "by the kernel, in cgroups", no_pids),
        Held(
            "ending payloads", "process by process" if no_group else "at one stroke, in cgroups of version 2", no_group
        ),
    )
