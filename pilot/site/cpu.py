"""The node's processors: model, cores, and which level of the x86-64 architecture they reach."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Callable

from pilot.site.tree import Tree, pairs_of

#: What each level of x86-64 asks for beside the level before it, as Linux calls it (the psABI's levels).
LEVELS: tuple[tuple[str, frozenset[str]], ...] = (
    ("x86_64-v1", frozenset({"lm", "cmov", "cx8", "fpu", "fxsr", "mmx", "sse", "sse2"})),
    ("x86_64-v2", frozenset({"cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"})),
    ("x86_64-v3", frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})),
    ("x86_64-v4", frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})),
)


@dataclass(frozen=True)
class Cpu:
    """The processors. ``usable`` are the logical cores that this process may run on, ``logical`` all of the node's.

    A number that nobody says is 0; ``level`` is "" for what is no x86-64. ``mhz`` is the clock of the first core as it
    was when it was read.
    """

    model: str
    vendor: str
    architecture: str
    level: str
    usable: int
    logical: int
    sockets: int
    cores_per_socket: int
    threads_per_core: int
    mhz: float
    flags: tuple[str, ...]


def level_of(flags: Collection[str]) -> str:
    """Answer the highest level of x86-64 whose every feature is there; "" when not even the first is."""
    reached = ""
    for name, needed in LEVELS:
        if not needed.issubset(flags):
            break
        reached = name
    return reached


def read(
    tree: Tree,
    *,
    usable: Callable[[], int] = lambda: len(os.sched_getaffinity(0)),
    machine: Callable[[], str] = lambda: os.uname().machine,
) -> Cpu:
    """Read ``/proc/cpuinfo``."""
    blocks = [pairs_of(block) for block in tree.text("proc/cpuinfo").split("\n\n") if block.strip()]
    cores = [block for block in blocks if "processor" in block]
    first = cores[0] if cores else {}
    architecture = machine()
    flags = tuple((first.get("flags") or first.get("Features") or "").split())
    sockets = len({block["physical id"] for block in cores if "physical id" in block})
    per_socket = _whole(first.get("cpu cores"))
    siblings = _whole(first.get("siblings"))
    return Cpu(
        model=first.get("model name") or first.get("Model") or architecture or "unknown",
        vendor=first.get("vendor_id") or first.get("CPU implementer", ""),
        architecture=architecture,
        level=level_of(flags) if architecture in ("x86_64", "amd64") else "",
        usable=usable(),
        logical=len(cores),
        sockets=sockets,
        cores_per_socket=per_socket,
        threads_per_core=siblings // per_socket if per_socket else 0,
        mhz=_number(first.get("cpu MHz")),
        flags=flags,
    )


def _whole(text: object) -> int:
    return int(_number(text))


def _number(text: object) -> float:
    try:
        return float(str(text))
    except ValueError:
        return 0.0
