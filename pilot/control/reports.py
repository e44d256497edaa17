"""Writes the reports on a job, from what is known of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Optional

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.messages import JobUpdate
from pilot.contract.named import NamedTuple
from pilot.contract.states import JobState
from pilot.contract.version import PRODUCT
from pilot.job import STATE_OF, Job, Phase, Problem, Usage

KB = 1024
#: A payload that was ended by signal n is reported with this plus n, as a shell would.
SIGNALLED = 128
#: PanDA calls these recoverable.
_NOT_STORED = (ErrorCode.STAGE_OUT_FAILED, ErrorCode.PUT_MD5_MISMATCH, ErrorCode.STAGE_OUT_TIMEOUT)
#: PanDA: the unit of processor times, then the processor.
_UNIT = "s+"


class Facts(NamedTuple):
    """What each report says of the pilot and its node."""

    node: str = ""
    pilot_id: str = ""
    batch_id: str = ""
    scheduler_id: str = ""
    cpu_model: str = ""

    def of(self, node: str) -> Facts:
        """Answer the same of a job whose payload was another pilot's; "": nobody knows on which node it ran."""
        return self if node in ("", self.node) else self._replace(node=node, cpu_model="")


def facts_of(environment: Mapping[str, str], node: str, cpu_model: str) -> Facts:
    """Gather the facts. GTAG, where the batch job's output can be seen, and PANDA_JSID are set by pilot factories.

    PANDA_HOSTNAME, where it is set, is the name by which the node goes.
    """
    system, number = _batch_of(environment)
    names = (environment.get("GTAG", "unknown"), *((system,) if system else ()), "compass-pilot", PRODUCT)
    return Facts(
        node=environment.get("PANDA_HOSTNAME") or node,
        pilot_id="|".join(names),
        batch_id=number,
        scheduler_id=environment.get("PANDA_JSID", ""),
        cpu_model=cpu_model,
    )


#: A pilot that has none of these is no batch job. What they mean says `pilot.site.batch`, whose import costs a start.
BATCH_SIGNS = (
    *("COMPASS_BATCH_ID", "_CONDOR_JOB_AD", "_CONDOR_SLOT", "SLURM_JOB_ID", "LSB_JOBID", "FLUX_JOB_ID", "OAR_JOB_ID"),
    *("COBALT_JOBID", "PBS_JOBID", "SGE_TASK_ID"),
)


def _batch_of(environment: Mapping[str, str]) -> tuple[str, str]:
    """Answer the batch system, as it stands in PanDA's pilot ids, and the number that a batch job is found by.

    A factory of ours has a number of its own for what it submits, whatever runs it then.
    """
    if not any(sign in environment for sign in BATCH_SIGNS):
        return "", environment.get("JOB_ID", "")
    from pilot.site import batch

    found = batch.read(environment)
    return "" if found.system == "local" else found.system, environment.get("COMPASS_BATCH_ID") or found.job_id


class Course(NamedTuple):
    """How a job has gone in time: ``started`` is seconds since 1970, ``spent`` seconds by phase."""

    queue: str
    started: float
    spent: Mapping[Phase, float]
    asking: float = 0.0


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def running(
    job: Job, course: Course, facts: Facts, now: float, stdout: str = "", fetched: Optional[tuple[int, int]] = None
) -> JobUpdate:
    """Write a report on a job that goes on: its phase, how long each has taken, how much was copied.

    ``stdout`` is what is shown of its output; ``fetched`` the number of inputs that have arrived, and their bytes.
    """
    metrics = {**_copied(job, fetched), **job.metrics}
    return _update(
        job,
        course,
        facts,
        now,
        STATE_OF.get(job.phase, JobState.RUNNING),
        sub_status=job.phase.value,
        pilot_timing=timing(course),
        stdout=stdout or None,
        events=_whole(job.metrics.get("nEvents")),
        **({"metrics": _metrics(job.usage, metrics)} if metrics else {}),
    )


def _copied(job: Job, fetched: Optional[tuple[int, int]]) -> dict[str, Any]:
    """Say how many files, and bytes of them, were brought and stored so far."""
    said: dict[str, Any] = {}
    if fetched is not None and job.spec.inputs:
        said = {"filesIn": f"{fetched[0]}/{len(job.spec.inputs)}", "bytesIn": fetched[1]}
    outputs = {file.lfn for file in job.spec.outputs}
    if job.phase is Phase.STAGING_OUT and outputs:
        stored = [file for file in job.stored if file.lfn in outputs]
        said["filesOut"] = f"{len(stored)}/{len(outputs)}"
        said["bytesOut"] = sum(file.size for file in stored)
    return said


def final(job: Job, course: Course, facts: Facts, now: float, words: str = "", *, negative: bool = False) -> JobUpdate:
    """Write the last report on a job; ``words`` are its payload's last ones, for a job that failed.

    A failed job names its log only: its outputs are not to be used. ``negative``: the server is PanDA's, which is
    asked by a negative number to let another pilot try a user's job whose outputs could not be stored.
    """
    failed = job.problem is not None
    names = {job.spec.log.lfn} if failed and job.spec.log else set()
    return _update(
        job,
        course,
        facts,
        now,
        JobState.FAILED if failed else JobState.FINISHED,
        end_time=_moment(now),
        files=tuple(file for file in job.stored if not failed or file.lfn in names),
        pilot_timing=timing(course),
        pilot_log=words or None,
        **(_problem(job.problem, -1 if negative and _asks_again(job) else 1) if job.problem else {}),
        **_outcome(job),
    )


def _update(job: Job, course: Course, facts: Facts, now: float, state: JobState, **more: Any) -> JobUpdate:
    return JobUpdate(
        job_id=job.spec.id,
        state=state,
        attempt=job.spec.attempt,
        queue=course.queue,
        node=facts.node,
        timestamp=_moment(now),
        start_time=_moment(course.started),
        pilot_id=facts.pilot_id,
        batch_id=facts.batch_id,
        scheduler_id=facts.scheduler_id,
        cores=_whole(job.metrics.get("actualCoreCount")) or job.spec.cores,
        input_files=len(job.spec.inputs),
        **{
            "cpu_model": _UNIT + facts.cpu_model if facts.cpu_model else None,
            **_usage(job.usage),
            **more,
        },
    )


def timing(course: Course) -> str:
    """Write PanDA's ``getjob|stagein|payload|stageout|initial setup|setup``, in whole seconds.

    The last two are 0: this pilot asks for work in less than a second, and what a payload sets up is a part of it.
    """

    def spent(*phases: Phase) -> int:
        return round(sum(course.spent.get(phase, 0.0) for phase in phases))

    stage_out = spent(Phase.STAGING_OUT, Phase.STAGING_LOG)
    return f"{round(course.asking)}|{spent(Phase.STAGING_IN)}|{spent(Phase.RUNNING)}|{stage_out}|0|0"


def _asks_again(job: Job) -> bool:
    """Say whether it is a user's job, as PanDA tells them from others, whose outputs could not be stored."""
    return job.problem is not None and job.problem.code in _NOT_STORED and naming.is_address(job.spec.transformation)


def _problem(problem: Problem, sign: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "pilot_error": sign * int(problem.code),
        "pilot_error_words": problem.detail or problem.code.words,
    }
    if problem.payload_code:
        said.update(payload_error=problem.payload_code, payload_error_words=problem.detail)
    return said


def _usage(usage: Optional[Usage]) -> dict[str, Any]:
    """Write what the payload has used, by prmon's names: memory in kB, totals in bytes, rates in bytes per second."""
    if usage is None:
        return {}
    said: dict[str, Any] = {"cpu_time": round(usage.cpu_time), "cpu_level": usage.cpu_level or None}
    if usage.cpu:
        said["cpu_model"] = _UNIT + usage.cpu
    for name in ("vmem", "pss", "rss", "swap"):
        said[f"max_{name}"] = getattr(usage.peak, name) // KB
        said[f"mean_{name}"] = getattr(usage.mean, name) // KB
    moved, wall = usage.traffic, max(1.0, usage.wall_time)
    totals = {"rchar": moved.rchar, "wchar": moved.wchar, "rbytes": moved.read_bytes, "wbytes": moved.write_bytes}
    for name, total in totals.items():
        said[f"total_{name}"], said[f"rate_{name}"] = total, round(total / wall)
    said["mean_cores"] = round(usage.cpu_time / wall, 2)
    said["metrics"] = _metrics(usage, {})
    return said


def _metrics(usage: Optional[Usage], metrics: Mapping[str, Any]) -> str:
    """Write PanDA's ``name=value`` pairs; the plugins' own win. A value with blanks in it could not be told apart."""
    ours: dict[str, Any] = {}
    if usage is not None:
        ours = {"workDirSize": usage.workdir, "nProcesses": usage.processes, **_growth(usage)}
    if usage is not None and usage.gpus:
        ours.update(GPU_name="_".join(usage.gpu.split()), nGPU=usage.gpus)
    return " ".join(f"{name}={value}" for name, value in {**ours, **metrics}.items())


def _growth(usage: Usage) -> dict[str, str]:
    """Say how memory grows, as PanDA's pilots do: kB per second, and kB at the beginning."""
    if not usage.growth_points:
        return {}
    return {
        "leak": f"{usage.growth / KB:.2f}",
        "chi2": f"{usage.growth_scatter:.2f}",
        "intersect": f"{usage.growth_from / KB:.2f}",
    }


def _outcome(job: Job) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if (outcome := job.outcome) is not None:
        said["metadata"] = outcome.report or None
        status = outcome.status if outcome.status is not None else SIGNALLED + (outcome.signal or 0)
        # The kernel's own sum is whole, but knows the largest process only; a look sees all of them, now and then.
        seen = job.usage or Usage()
        said.update(exit_status=status, cpu_time=round(max(outcome.cpu_time, seen.cpu_time)))
        said["max_rss"] = max(outcome.max_rss, seen.peak.rss) // KB
    if (events := _whole(job.metrics.get("nEvents"))) is not None:
        said["events"] = events
    if job.metrics:
        said["metrics"] = _metrics(job.usage, job.metrics)
    return said


def _whole(value: Any) -> Optional[int]:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):  # the last for infinity
        return None
