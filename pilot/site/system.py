"""The operating system of the node, and that of the container the pilot may run in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable

from pilot.site.tree import Tree


@dataclass(frozen=True)
class System:
    """``name`` and ``version`` are the distribution's (``almalinux``, ``9.4``), ``kernel`` is the running release."""

    name: str
    version: str
    words: str
    kernel: str
    architecture: str
    libc: str
    user: int
    booted_at: float


def read(tree: Tree, *, uname: Callable[[], os.uname_result] = os.uname, user: Callable[[], int] = os.getuid) -> System:
    """Read /etc/os-release and what the kernel says of itself. ``booted_at`` is seconds since 1970, 0 if not told."""
    facts = {name: value.strip("\"'") for name, value in tree.pairs("etc/os-release", "=").items()}
    kernel = uname()
    started = next((line.split()[1] for line in tree.text("proc/stat").splitlines() if line.startswith("btime ")), "0")
    return System(
        name=facts.get("ID", "unknown"),
        version=facts.get("VERSION_ID", ""),
        words=facts.get("PRETTY_NAME", ""),
        kernel=kernel.release,
        architecture=kernel.machine,
        libc=_libc(),
        user=user(),
        booted_at=float(started) if started.isdigit() else 0.0,
    )


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return ""
