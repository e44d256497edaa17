"""A worker as its Harvester describes it. Field names are PanDA's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilot.contract.codec import INTEGER, TEXT, TIME, Kind, text, wire

#: States of workers in Harvester.
STATES = ("pending", "ready", "submitted", "running", "idle", "finished", "failed", "cancelled", "missed")
#: In these a worker is over.
ENDED = ("finished", "failed", "cancelled", "missed")


def _read_state(raw: Any) -> str:
    if raw not in STATES:
        raise ValueError
    return str(raw)


STATE = Kind("one of " + ", ".join(STATES), _read_state, lambda value, _: value)
#: Harvester writes ``datetime/`` before a time.
MOMENT = Kind("a time", lambda raw: TIME.read(str(raw).removeprefix("datetime/")), TIME.write)


@dataclass(frozen=True)
class WorkerLine:
    """One worker; what Harvester says beside this is passed over."""

    worker_id: int = wire(INTEGER, "workerID", required=True)
    state: str = wire(STATE, "status", required=True)
    queue: str = wire(TEXT, "computingSite", default="")
    batch_id: str = wire(TEXT, "batchID", default="")
    node: str = wire(TEXT, "nodeID", default="")
    computing_element: str = wire(TEXT, "computingElement", default="")
    host: str = wire(TEXT, "submissionHost", default="")
    resource_type: str = wire(TEXT, "resourceType", default="")
    job_type: str = wire(TEXT, "jobType", default="")
    cores: int | None = wire(INTEGER, "nCore")
    jobs: int | None = wire(INTEGER, "nJobs")
    error: int | None = wire(INTEGER, "errorCode")
    words: str = wire(text(500), "diagMessage", default="")
    log: str = wire(TEXT, "batchLog", default="")
    submitted_at: datetime | None = wire(MOMENT, "submitTime")
    started_at: datetime | None = wire(MOMENT, "startTime")
    ended_at: datetime | None = wire(MOMENT, "endTime")
