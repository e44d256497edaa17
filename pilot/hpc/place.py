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


class Place(NamedTuple):
    """The rank's number from 0, how many ranks there are (``None``: the launcher does not say), and who says so."""

    rank: int
    ranks: Optional[int]
    launcher: str


def of(environment: Mapping[str, str]) -> Optional[Place]:
    """Answer which rank this is; ``None`` when no launcher that is known has started it."""
    for launcher, number, count in VARIABLES:
        rank, ranks = environment.get(number, ""), environment.get(count, "") if count else ""
        if rank.isdigit():
            return Place(int(rank), int(ranks) if ranks.isdigit() else None, launcher)
    return None
