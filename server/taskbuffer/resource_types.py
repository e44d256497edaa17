"""PanDA's usual names for cores and memory together, and which of them fits a job now. Pure."""

from __future__ import annotations

from pilot.contract.job import PANDA_MB

#: The four that every PanDA server has; a name that is not among them is the experiment's own, and left as it is.
USUAL = frozenset({"SCORE", "SCORE_HIMEM", "MCORE", "MCORE_HIMEM"})

#: A core's memory, in bytes, from beyond which a job is one of those with much memory.
MUCH = 2000 * PANDA_MB


def resource_type(name: str, cores: int, memory: int) -> str:
    """Answer the resource type of a job that has one of the usual, for so many cores and bytes of memory; 0: unsaid."""
    if name not in USUAL:
        return name
    kind = "MCORE" if cores > 1 else "SCORE"
    return f"{kind}_HIMEM" if memory > MUCH * max(1, cores) else kind
