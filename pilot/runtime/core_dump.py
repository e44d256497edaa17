"""Where the kernel has put a core dump: read from the pattern that the node's admin has chosen."""

from __future__ import annotations

import glob
import re
from pathlib import Path

_PATTERN = Path("/proc/sys/kernel/core_pattern")
_USES_PID = Path("/proc/sys/kernel/core_uses_pid")


def where(pid: int, workdir: Path, pattern: str = "", uses_pid: bool = False) -> str:
    """Say in words where the core dump of a process lies that ran in ``workdir``.

    ``pattern`` and ``uses_pid`` are the kernel's settings; read from it when the first is left out.
    """
    if not pattern:
        pattern, uses_pid = _read(_PATTERN) or "core", _read(_USES_PID) == "1"
    if pattern.startswith("|"):
        program = pattern[1:].split()[0] if pattern[1:].split() else "a program"
        return f"the node gave the core dump to {program}"
    found = glob.glob(_as_glob(pattern, uses_pid, pid, workdir))  # noqa: PTH207  # the pattern is no Path
    # Where no process number is part of the name, others' dumps fit, too; the last one is this one's.
    return f"the core dump is {max(found, key=_written)}" if found else f"no core dump was found as {pattern}"


def _as_glob(pattern: str, uses_pid: bool, pid: int, workdir: Path) -> str:
    """Replace what is known in a pattern (core(5)), and let the rest be anything."""
    parts = re.split(r"(%.)", pattern)
    known = {"%p": str(pid), "%P": str(pid), "%%": "%"}
    text = "".join(known.get(part, "*") if part.startswith("%") else glob.escape(part) for part in parts)
    if uses_pid and "%p" not in pattern:
        text += f".{pid}"
    return text if text.startswith("/") else f"{glob.escape(str(workdir))}/{text}"


def _written(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
