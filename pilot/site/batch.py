"""The batch system that started the pilot, by the variables and files that each of them leaves to its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from pilot.site.tree import pairs_of


@dataclass(frozen=True)
class Batch:
    """The pilot's own batch job. ``system`` is "" outside of any; texts that nobody tells are "".

    ``wall_time`` is how long the job may last in all, in seconds, ``ends_at`` when it ends (seconds since 1970),
    ``cores`` and ``memory`` (bytes) what it was given; ``None``: not told.
    """

    system: str = ""
    job_id: str = ""
    slot: str = ""
    queue: str = ""
    wall_time: Optional[float] = None
    ends_at: Optional[float] = None
    cores: Optional[int] = None
    memory: Optional[int] = None


Variables = Mapping[str, str]

#: What tells of a system, the variables of its job's id, slot, queue and cores. The first that fits is taken: a pilot
#: under HTCondor inside a Slurm job is HTCondor's.
_SYSTEMS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ("slurm", "SLURM_JOB_ID", ("SLURM_JOB_ID",), ("SLURM_PROCID",), ("SLURM_JOB_PARTITION",), ("SLURM_CPUS_ON_NODE",)),
    ("lsf", "LSB_JOBID", ("LSB_JOBID",), ("LSB_JOBINDEX",), ("LSB_QUEUE",), ("LSB_DJOB_NUMPROC",)),
    ("flux", "FLUX_JOB_ID", ("FLUX_JOB_ID",), ("FLUX_TASK_RANK",), (), ()),
    ("oar", "OAR_JOB_ID", ("OAR_JOB_ID",), (), (), ()),
    ("cobalt", "COBALT_JOBID", ("COBALT_JOBID",), (), ("COBALT_QUEUE",), ()),
    ("pbs", "PBS_JOBID", ("PBS_JOBID",), ("PBS_VNODENUM",), ("PBS_QUEUE",), ("NCPUS", "PBS_NUM_PPN")),
    ("sge", "SGE_TASK_ID", ("JOB_ID",), ("SGE_TASK_ID",), ("QUEUE",), ("NSLOTS",)),
    ("kubernetes", "KUBERNETES_SERVICE_HOST", ("HOSTNAME",), (), (), ()),
    ("local", "COMPASS_BATCH_ID", ("COMPASS_BATCH_ID",), (), (), ()),
)

#: Attributes of an HTCondor job in which sites write how long it may last, in seconds.
_LASTING = ("MaxRuntime", "AllowedExecuteDuration", "AllowedJobDuration", "MaxWallTimeMins")
MB = 2**20


def text_of(name: str) -> str:
    """Answer what a file holds; "" when there is no name, or it cannot be read."""
    try:
        return Path(name).read_text(encoding="utf-8", errors="replace") if name else ""
    except OSError:
        return ""


def read(environment: Variables, *, file: Callable[[str], str] = text_of) -> Batch:
    """Say under which batch system this is, and what it tells of the job.

    Args:
        environment: The pilot's own.
        file: Reads a file that HTCondor names in the environment; "" when it cannot be.
    """
    if "_CONDOR_JOB_AD" in environment or "_CONDOR_SLOT" in environment:
        return _condor(environment, file)
    for system, sign, jobs, slots, queues, cores in _SYSTEMS:
        if sign in environment:
            return Batch(
                system,
                job_id=_first(environment, jobs),
                slot=_first(environment, slots),
                queue=_first(environment, queues),
                cores=_whole(_first(environment, cores)),
                memory=_memory(environment) if system == "slurm" else None,
                wall_time=_wall_time(system, environment),
                ends_at=_number(environment.get(_ENDS.get(system, ""))),
            )
    return Batch()


def _condor(environment: Variables, file: Callable[[str], str]) -> Batch:
    job = _classad(file(environment.get("_CONDOR_JOB_AD", "")))
    machine = _classad(file(environment.get("_CONDOR_MACHINE_AD", "")))
    number = f"{job['ClusterId']}.{job.get('ProcId', '0')}" if "ClusterId" in job else ""
    name = next((name for name in _LASTING if _number(job.get(name)) is not None), "")
    wall = _number(job.get(name))
    if wall is not None and name.endswith("Mins"):
        wall *= 60
    memory = _whole(machine.get("Memory") or job.get("MemoryProvisioned"))
    return Batch(
        "htcondor",
        job_id=job.get("GlobalJobId") or number,
        slot=environment.get("_CONDOR_SLOT") or machine.get("Name", "").partition("@")[0],
        queue=job.get("AcctGroup", ""),
        wall_time=wall,
        cores=_whole(machine.get("Cpus") or job.get("CpusProvisioned")),
        memory=None if memory is None else memory * MB,
    )


#: Where a batch system says when its job ends (seconds since 1970), and how long it may last in all (seconds).
_ENDS = {"slurm": "SLURM_JOB_END_TIME", "cobalt": "COBALT_ENDTIME"}
_LASTS = {"pbs": "PBS_WALLTIME", "oar": "OAR_JOB_WALLTIME_SECONDS"}
_STARTS = {"slurm": "SLURM_JOB_START_TIME", "cobalt": "COBALT_STARTTIME"}


_MEMORIES = ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE")


def _wall_time(system: str, environment: Variables) -> Optional[float]:
    if system in _LASTS:
        return _number(environment.get(_LASTS[system]))
    start, end = (_number(environment.get(names.get(system, ""))) for names in (_STARTS, _ENDS))
    return None if start is None or end is None else end - start


def _memory(environment: Variables) -> Optional[int]:
    """Answer what Slurm gives a job of this node's memory; it says so per node or per core, in its megabytes."""
    node, core, cores = (_whole(environment.get(name)) for name in _MEMORIES)
    if node is not None:
        return node * MB
    return None if core is None or cores is None else core * cores * MB


def _classad(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in pairs_of(text, "=").items()}


def _first(environment: Variables, names: tuple[str, ...]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")


def _whole(text: Optional[str]) -> Optional[int]:
    found = _number(text)
    return None if found is None else int(found)


def _number(text: Optional[str]) -> Optional[float]:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if 0 < found < 1e12 else None
