"""The launchers of supercomputers as argument lists: each starts one program per rank, within an allocation. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Callable

from pilot.hpc.values import Shape

Options = Sequence[str]


def _local(shape: Shape, options: Options) -> tuple[str, ...]:
    """Start all ranks on this machine, by our own program; see `pilot.hpc.local`."""
    return (*options, "--ranks", str(shape.ranks))


def _srun(shape: Shape, options: Options) -> tuple[str, ...]:
    """Start ranks by Slurm. A rank that fails must not take the others along, which is what srun does by default."""
    sizes = (f"--nodes={shape.nodes}", f"--ntasks={shape.ranks}", f"--ntasks-per-node={shape.ranks_per_node}")
    calm = ("--kill-on-bad-exit=0", "--wait=0", "--no-kill", "--unbuffered")
    return ("srun", *sizes, f"--cpus-per-task={shape.cores_per_rank}", *calm, *options)


def _mpiexec(shape: Shape, options: Options) -> tuple[str, ...]:
    """Start ranks by Hydra (MPICH, Intel MPI) or PALS."""
    return ("mpiexec", "-n", str(shape.ranks), "-ppn", str(shape.ranks_per_node), *options)


def _mpirun(shape: Shape, options: Options) -> tuple[str, ...]:
    """Start ranks by Open MPI."""
    place = ("--map-by", f"ppr:{shape.ranks_per_node}:node", "--bind-to", "none")
    return ("mpirun", "-np", str(shape.ranks), *place, *options)


def _aprun(shape: Shape, options: Options) -> tuple[str, ...]:
    """Start ranks by Cray's ALPS."""
    return ("aprun", "-n", str(shape.ranks), "-N", str(shape.ranks_per_node), "-d", str(shape.cores_per_rank), *options)


def _jsrun(shape: Shape, options: Options) -> tuple[str, ...]:
    """Start ranks by IBM's Job Step Manager, each a resource set of its own."""
    sets = ("--nrs", str(shape.ranks), "--rs_per_host", str(shape.ranks_per_node), "--tasks_per_rs", "1")
    return ("jsrun", *sets, "--cpu_per_rs", str(shape.cores_per_rank), "--bind", "none", *options)


LAUNCHERS: Mapping[str, Callable[[Shape, Options], tuple[str, ...]]] = {
    "local": _local,
    "srun": _srun,
    "mpiexec": _mpiexec,
    "mpirun": _mpirun,
    "aprun": _aprun,
    "jsrun": _jsrun,
}


def command(name: str, shape: Shape, options: Options, program: Sequence[str], local: Sequence[str]) -> tuple[str, ...]:
    """Answer what starts ``program`` once per rank.

    Args:
        name: One of `LAUNCHERS`.
        shape: The allocation.
        options: Further words of the site's for the launcher.
        program: What each rank runs.
        local: How our own launcher is started.
    """
    before = tuple(local) if name == "local" else ()
    return (*before, *LAUNCHERS[name](shape, options), *program)
