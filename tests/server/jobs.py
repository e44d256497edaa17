"""Jobs, requests and reports for tests, and what the task buffer's rows say of them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from pilot.contract.job import FileSpec, JobOrder, JobSpec, Role
from pilot.contract.messages import JobUpdate, StoredFile
from pilot.contract.states import JobState, may_follow
from server.taskbuffer import logic
from server.taskbuffer.models import Bucket, Job, JobEvent, JobFile, Live, Ready, Waiting
from server.taskbuffer.values import ClaimOrder

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SUM = "adler32:0000000a"


def order(
    queue: str = "LOCAL",
    *,
    outputs: tuple[str, ...] = ("out.root",),
    log: str | None = "job.log.tgz",
    max_attempts: int = 3,
    waits: bool = False,
    share: str = "",
    **spec: Any,
) -> JobOrder:
    files = tuple(FileSpec(lfn, Role.OUTPUT, dataset="prod.out", endpoint="DISK") for lfn in outputs)
    packed = FileSpec(log, Role.LOG, dataset="prod.log", endpoint="DISK") if log else None
    wanted = {"transformation": "true", **spec}
    return JobOrder(
        spec=JobSpec(id=0, attempt=0, outputs=files, log=packed, **wanted),
        queue=queue,
        max_attempts=max_attempts,
        share=share,
        waits=waits,
    )


def submit(count: int = 1, **fields: Any) -> list[int]:
    return logic.submit([order(**fields) for _ in range(count)], by="test", now=NOW)


def claim(
    queue: str = "LOCAL", *, request_id: str | None = None, count: int = 1, **fields: Any
) -> list[dict[str, Any]]:
    buckets = tuple(Bucket.objects.filter(queue=queue).values_list("pk", flat=True))
    name = request_id or uuid.uuid4().hex
    wanted = ClaimOrder(buckets, name, queue, repeatable=request_id is not None, count=count, node="wn1", **fields)
    return logic.claim(wanted, now=NOW)


def stored(*lfns: str) -> tuple[StoredFile, ...]:
    return tuple(StoredFile(lfn, size=10, checksum=SUM, guid=f"guid-{lfn}", url=f"file:///{lfn}") for lfn in lfns)


def report(job_id: int, state: str, attempt: int | None = 1, *, now: datetime = NOW, **fields: Any) -> str:
    """Send a report and answer the command."""
    update = JobUpdate(job_id=job_id, state=JobState(state), attempt=attempt, **fields)
    return logic.apply_update(update, by="pilot", now=now).command


def finish(job_id: int, attempt: int = 1, *lfns: str) -> str:
    return report(job_id, "finished", attempt, files=stored(*(lfns or ("out.root", "job.log.tgz"))))


def state_of(job_id: int) -> str:
    return Job.objects.values_list("state", flat=True).get(pk=job_id)


def moves_of(job_id: int) -> list[tuple[int, str]]:
    return list(JobEvent.objects.filter(job=job_id).values_list("attempt", "after"))


def file_states(job_id: int) -> dict[str, str]:
    return dict(JobFile.objects.filter(job=job_id).values_list("lfn", "state"))


def audit() -> None:
    """Hold every row against what must always be true of the task buffer."""
    by_job: dict[int, list[JobEvent]] = {}
    for event in JobEvent.objects.order_by("pk"):
        by_job.setdefault(event.job_id, []).append(event)
    ready = set(Ready.objects.values_list("job_id", flat=True))
    live = dict(Live.objects.values_list("job_id", "attempt"))
    waiting = dict(Waiting.objects.values_list("job_id", "state"))
    for job in Job.objects.all():
        events = by_job[job.pk]
        assert events[0].before == ""
        for first, second in pairwise(events):
            assert second.before == first.after, f"{job.pk}: a gap between {first} and {second}"
            assert may_follow(JobState(second.before), JobState(second.after))
        assert events[-1].after == job.state
        sent = [event.attempt for event in events if event.after == "sent"]
        assert sent == sorted(set(sent)), f"{job.pk}: an attempt was given twice: {sent}"
        assert sum(event.after == "finished" for event in events) <= 1
        assert (job.pk in ready) == (job.state == "activated")
        assert (job.pk in live) == (job.state in {"sent", "starting", "running", "holding", "transferring"})
        assert live.get(job.pk, job.attempt) == job.attempt
        waits = job.state in {"pending", "defined", "waiting", "assigned", "merging"}
        assert waiting.get(job.pk) == (job.state if waits else None)
