"""Every check of the pilot's own, in the order in which they look: what tells most of the others' findings first."""

from __future__ import annotations

from pilot.control.checks import (
    cpu_time,
    credentials,
    disk,
    looping,
    memory,
    mounts,
    output_size,
    processes,
    slot_end,
    standstill,
    stdout_size,
    workdir_size,
)
from pilot.control.checks.base import (
    BEFORE_THE_END,
    CREDENTIAL,
    DISK,
    FEATURES,
    FOLDER,
    MOUNTS,
    RUNNING,
    SIZES,
    TREE,
    TYPE,
    WORKING,
    Check,
)


def _set(*needs: str) -> frozenset[str]:
    return frozenset(needs)


CHECKS = (
    Check("standstill", lambda s: 0.0, standstill.look, WORKING),
    Check("slot_end", lambda s: s.monitor.slot_every, slot_end.look, WORKING, _set(FEATURES)),
    Check("memory", lambda s: s.monitor.memory_every, memory.look, RUNNING, _set(TREE, FEATURES, TYPE)),
    Check("cpu_time", lambda s: s.monitor.cpu_every, cpu_time.look, RUNNING, _set(TREE, FEATURES)),
    Check("processes", lambda s: s.monitor.processes_every, processes.look, RUNNING, _set(TREE)),
    Check("disk", lambda s: s.monitor.disk_every, disk.look, BEFORE_THE_END, _set(DISK)),
    Check("workdir_size", lambda s: s.monitor.workdir_every, workdir_size.look, BEFORE_THE_END, _set(FOLDER)),
    Check("output_size", lambda s: s.monitor.output_every, output_size.look, RUNNING, _set(SIZES)),
    Check("stdout_size", lambda s: s.monitor.stdout_every, stdout_size.look, RUNNING, _set(SIZES)),
    Check("looping", lambda s: s.monitor.looping_every, looping.look, RUNNING, _set(FOLDER, TREE)),
    Check("credentials", lambda s: s.credentials.every, credentials.look, WORKING, _set(CREDENTIAL)),
    Check("mounts", lambda s: s.monitor.mounts_every, mounts.look, BEFORE_THE_END, _set(MOUNTS)),
)
