"""How a job goes on whose pilot has died: decided from its record, and from what the site wants. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from pilot.contract.codec import ContractError
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.job_wire import from_panda
from pilot.contract.named import NamedTuple
from pilot.control.journal import Record
from pilot.control.lifecycle import Event
from pilot.control.news import Adopt, Site
from pilot.control.slot import Slot
from pilot.job import Job, PayloadOutcome, Phase, Problem, Usage
from pilot.runtime import workdir

if TYPE_CHECKING:
    from pilot.settings.sections import Recovery


class Plan(NamedTuple):
    """What happened to a job before, as an event for a job that has just been accepted, and its problem if any."""

    event: Event
    problem: Optional[Problem] = None


def job_of(record: Record, folder: Path) -> Job:
    """Answer a job as it stood. One whose definition cannot be read has its number, and no files."""
    try:
        spec = from_panda(json.loads(record.spec))
        if spec.key != record.key:
            raise ContractError("the definition is another job's", field_name="PandaID")
    except (ContractError, ValueError, RecursionError):
        spec = JobSpec(id=record.id, attempt=record.attempt, transformation="")
    return Job(
        spec,
        outcome=_outcome(record, workdir.of(folder, spec)),
        usage=None if record.usage is None else _made(Usage, record.usage),
        stored=tuple({file.lfn: file for file in record.stored}.values()),
        metrics=dict(record.metrics),
        story=(f"left {record.phase}",),
    )


def plan(job: Job, record: Record, policy: Recovery, now: float, *, allocated: bool = False) -> Optional[Plan]:
    """Say how a job goes on; ``None`` when it is only reported as lost.

    Args:
        job: The job, as `job_of` answered it.
        record: What its pilot wrote down.
        policy: What the site wants.
        now: In seconds since 1970.
        allocated: Whether its payload was in an allocation that has brought, or may bring, it to an end.
    """
    if now - record.started > policy.age_most:
        return None
    if record.problem is None:
        if allocated and record.phase == Phase.RUNNING.value:
            return Plan(Event.INPUT_READY)
        if record.phase == Phase.STAGING_OUT.value and policy.outputs == "store":
            return Plan(Event.PAYLOAD_OK)
        if record.phase in (Phase.STAGING_LOG.value, Phase.REPORTING.value):
            return Plan(Event.OUTPUT_STORED if _wants_log(job, policy) else Event.LOG_STORED)
    return Plan(Event.FAIL, lost(record)) if _wants_log(job, policy) else None


def lost(record: Record) -> Problem:
    """Say what a job failed of whose pilot died; what had gone wrong before is the cause of the rest."""
    words = f"its pilot died while the job was {record.phase}"
    return record.problem or Problem(ErrorCode.PILOT_LOST, words)


def adopted(adopt: Adopt, now: float) -> Slot:
    """Answer what the conductor keeps of an adopted job. ``now`` is on its clock."""
    record = adopt.record
    return Slot(
        adopt.job,
        adopt.site,
        record.request_id,
        record.started,
        now,
        spent={Phase(name): seconds for name, seconds in record.spent.items()},
        adopted=True,
        queue=record.queue,
        spec_text=record.spec,
        node=record.node,
    )


def adoption(record: Record, own: Path, site: Site, chosen: Plan) -> Adopt:
    """Answer what the conductor is told of a job that now lies in this pilot's folder."""
    return Adopt(job_of(record, own), record, site, chosen.event, chosen.problem)


def _wants_log(job: Job, policy: Recovery) -> bool:
    log = job.spec.log
    return policy.logs and log is not None and log.lfn not in {file.lfn for file in job.stored}


def _outcome(record: Record, place: workdir.Workdir) -> Optional[PayloadOutcome]:
    if record.outcome is None:
        return None
    where = {"workdir": place.root, "stdout": place.stdout, "stderr": place.stderr}
    made: PayloadOutcome = _made(PayloadOutcome, {"status": None, "signal": None, **record.outcome, **where})
    return made


def _made(kind: Any, found: Mapping[str, Any]) -> Any:
    """Make a value of figures; those that this pilot does not know are passed over."""
    known: dict[str, Any] = {}
    for spec in fields(kind):
        if spec.name in found:
            value = found[spec.name]
            inner = is_dataclass(spec.default) and isinstance(value, Mapping)
            known[spec.name] = _made(type(spec.default), value) if inner else value
    return kind(**known)
