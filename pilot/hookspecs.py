"""Everything a plugin may do, on one page. A hook stands here as soon as the pilot calls it, and not before."""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import pluggy

if TYPE_CHECKING:
    from pilot.contract.job import JobSpec
    from pilot.contract.queue import QueueData
    from pilot.copytool.base import CopyTool
    from pilot.hpc.values import NodeService, Resource, Shape
    from pilot.job import Job, LogStream, PayloadCommand, PayloadOutcome, Problem, Usage, Utility

hookspec = pluggy.HookspecMarker("compass-pilot")
hookimpl = pluggy.HookimplMarker("compass-pilot")


@hookspec
def register_copytools() -> Sequence[type[CopyTool]]:
    """Offer copy tools. Called once at start, in the main thread; a later plugin may replace a tool by its name."""


@hookspec
def verify_job(spec: JobSpec, queue: QueueData) -> Optional[Problem | str]:
    """Say why a job cannot be run here, in words or as a problem with a code of its own; ``None`` when it can.

    Called once per job, after the pilot's own verification and before anything is fetched, in a stage-in thread. One
    objection of any plugin is enough; words alone are reported as BAD_JOB_DEFINITION.
    """


@hookspec
def payload_environment(spec: JobSpec, queue: QueueData, workdir: Path) -> Mapping[str, str]:
    """Add variables to a payload's environment, which otherwise holds an allow-list of the pilot's only.

    Called once per job, before its payload is started, in the payload thread. All answers are merged; of two plugins
    that set one variable, the user's wins.
    """


@hookspec(firstresult=True)
def payload_command(
    spec: JobSpec, queue: QueueData, workdir: Path, environment: Mapping[str, str], image: str
) -> Optional[Sequence[str]]:
    """Give the argument list that runs the job's transformation.

    Called once per job, in the payload thread, with the payload's own environment; the first answer is taken.
    ``image`` is the container image in which it will run, and in which its programs are; empty: on the node itself.
    """


@hookspec(firstresult=True)
def wrap_command(spec: JobSpec, queue: QueueData, command: PayloadCommand) -> Optional[PayloadCommand]:
    """Put the payload's command into something of the experiment's own: a container script, a tracer; ``None`` to pass.

    Called once per job, in the payload thread, after ``payload_command``. The first answer is taken, and is run as it
    is; only when there is none does the pilot itself put the command into the job's container.
    """


@hookspec
def utility_commands(
    spec: JobSpec, queue: QueueData, workdir: Path, environment: Mapping[str, str], image: str
) -> Sequence[Utility]:
    """Add programs that run before, beside or after the payload, through a keeper as it does; see `Utility`.

    Called once per job, before its payload is started, in the payload thread, with the payload's own environment. All
    answers count. What runs before is run in order, to its end; what runs beside is started again when it ends, five
    times at most, and is ended with the payload. ``image`` is the container image that the payload runs in, or empty.
    """


@hookspec
def settle_outputs(spec: JobSpec, outcome: PayloadOutcome) -> None:
    """Bring what a payload has written under the names that it is stored as. May change files in ``outcome.workdir``.

    Called once per payload, as soon as it has ended, well or not, before it is judged; in the payload thread.
    """


@hookspec(firstresult=True)
def diagnose_payload(spec: JobSpec, outcome: PayloadOutcome) -> Optional[Problem]:
    """Say why a payload failed, from its exit status and its output; ``None`` to pass.

    Called once per payload, after it has ended and before its files are stored, in the payload thread, also for one
    that ended with status 0. The first answer is taken. Must not change files in ``outcome.workdir``.
    """


@hookspec
def job_metrics(spec: JobSpec, outcome: PayloadOutcome) -> Mapping[str, str | int | float]:
    """Add figures to the final report, such as ``nEvents``. All answers are merged. In the payload thread."""


@hookspec(firstresult=True)
def payload_progress(spec: JobSpec, stdout: Path) -> Optional[tuple[int, Optional[int]]]:
    """Say how many events are done, and of how many (``None``: unknown), from the output so far.

    Called with each heartbeat of a running payload, in the monitor thread; reads little, from the end of the file.
    """


@hookspec
def quiet_files(spec: JobSpec) -> Sequence[str]:
    """Name patterns (``*.log``) of files whose growth does not tell that a payload gets on. All answers count.

    Called once per job, at the first look at it, in the checks thread; see ``monitor.looping``.
    """


@hookspec(firstresult=True)
def monitor_checks(spec: JobSpec, workdir: Path, usage: Usage) -> Optional[Problem]:
    """Say why a running job must be ended; ``None`` when it may go on.

    Called every ``monitor.checks`` seconds while a payload runs, after the pilot's own checks, in the checks thread:
    other jobs wait for the answer. The first problem ends the job. A plugin that breaks here ends no job; after
    ``monitor.breakages`` times this hook is not called any more for that job.
    """


@hookspec(firstresult=True)
def realtime_logging(spec: JobSpec, queue: QueueData) -> Optional[LogStream]:
    """Have a job's lines sent to a log service while it runs; ``None`` to leave it to queue and settings.

    Called once per job, when its payload begins, in a thread of its own that no job waits for. The first answer is
    taken. A plugin that breaks here is logged, and no lines are sent.
    """


@hookspec
def node_services(queue: QueueData) -> Sequence[NodeService]:
    """Have programs run once on each node of an allocation, beside the payloads there; see `NodeService`.

    Called once per allocation, before it is started, in the gathering thread. All answers count.
    """


@hookspec(firstresult=True)
def hpc_resource(name: str, shape: Optional[Shape]) -> Optional[Resource]:
    """Say how ranks are started, and allocations had, on a supercomputer that ``hpc.resource`` names; see `Resource`.

    Called once per allocation, and once by the pilot that goes on with what a dead one has submitted (without a shape:
    it wants the submission only), in the gathering thread. The first answer is taken; ``None``: another one's.
    """


@hookspec
def redundant_files(spec: JobSpec) -> Sequence[str]:
    """Name patterns (``*.pool``) of files that are not worth keeping in the log archive. All answers count.

    Called once per job, when its log is packed, in the data thread.
    """


@hookspec
def job_moved(job: Job) -> None:
    """Watch a job change its phase. An observer: what it raises is logged and otherwise ignored. Conductor's thread."""
