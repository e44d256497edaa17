"""Which rank a process is, by the variables that launchers leave to those that they start. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

#: Variables of a rank's number, and of how many there are; the first pair whose number is set counts. Slurm's come
#: last: a batch script has them too, and what mpiexec starts in it inherits them. ALPS does not tell how many.
VARIABLES: tuple[tuple[str, str, str], ...] = (
    ("local", "COMPASS_RANK", "COMPASS_RANKS"),
    ("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("jsrun", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"),
    ("PMI", "PMI_RANK", "PMI_SIZE"),
    ("PALS", "PALS_RANKID", "PALS_SIZE"),
    ("MVAPICH", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("Flux", "FLUX_TASK_RANK", "FLUX_JOB_SIZE"),
    ("ALPS", "ALPS_APP_PE", ""),
    ("Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("PMIx", "PMIX_RANK", ""),
)


#: Variables of how many ranks there are on this node.
HERE = (
    *("OMPI_COMM_WORLD_LOCAL_SIZE", "JSM_NAMESPACE_LOCAL_SIZE", "MPI_LOCALNRANKS", "PMI_LOCAL_SIZE"),
    *("PALS_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE"),
)


class Place(NamedTuple):
    """The rank's number from 0, how many ranks there are, who says so, and how many are on this node.

    ``None``: the launcher does not say.
    """

    rank: int
    ranks: Optional[int]
    launcher: str
    here: Optional[int] = None


def of(environment: Mapping[str, str]) -> Optional[Place]:
    """Answer which rank this is; ``None`` when no launcher that is known has started it."""
    for launcher, number, count in VARIABLES:
        rank, ranks = environment.get(number, ""), environment.get(count, "") if count else ""
        if rank.isdigit():
            return Place(int(rank), int(ranks) if ranks.isdigit() else None, launcher, _here(launcher, environment))
    return None


def _here(launcher: str, environment: Mapping[str, str]) -> Optional[int]:
    if launcher == "Slurm":
        return _slurm(environment.get("SLURM_STEP_TASKS_PER_NODE", ""), environment.get("SLURM_NODEID", ""))
    names = ("COMPASS_RANKS",) if launcher == "local" else HERE
    return next((int(environment[name]) for name in names if environment.get(name, "").isdigit()), None)


def _slurm(told: str, node: str) -> Optional[int]:
    """Read Slurm's way to say how many ranks each node has: ``16(x2),5``."""
    counts: list[int] = []
    for part in told.split(","):
        count, _, times = part.rstrip(")").partition("(x")
        if not count.isdigit() or not (times or "1").isdigit():
            return None
        counts += [int(count)] * min(int(times or "1"), 100000)
    return counts[int(node)] if node.isdigit() and int(node) < len(counts) else None
