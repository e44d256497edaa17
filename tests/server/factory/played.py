"""A batch system whose jobs do what a test says, and a cycle of the factory with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from server.batch.base import BatchFailed, BatchJob, BatchState, BatchSystem
from server.factory import logic
from server.taskbuffer.models import Bucket, Job, Ready

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class PlayedBatch(BatchSystem):
    """A batch system whose jobs do what the test says."""

    name = "local"

    def __init__(self, tmp_path) -> None:
        self.jobs: dict[str, BatchJob] = {}
        self.cancelled: list[str] = []
        self.answers = True
        self.takes: int | None = None
        self.asked = 0
        self.templates = []
        self.free = None
        self._root = tmp_path

    @classmethod
    def open(cls, place):
        return cls(place.folder)

    def history(self, ids):
        return {job: found for job, found in self.status(ids).items() if found.state is BatchState.DONE}

    def submit(self, template, count):
        self.templates.append(template)
        taken = count if self.takes is None else self.takes
        ids = [f"{template.key}/{number}" for number in range(taken)]
        self.jobs.update(dict.fromkeys(ids, BatchJob(BatchState.QUEUED)))
        if taken < count:
            raise BatchFailed("the queue is full")
        return tuple(ids)

    def find(self, key):
        self._check()
        return {int(job.rpartition("/")[2]): job for job in self.jobs if job.startswith(f"{key}/")}

    def status(self, ids):
        self._check()
        self.asked += 1
        return {job: self.jobs.get(job, BatchJob(BatchState.LOST, words="unknown")) for job in ids}

    def cancel(self, ids):
        self.cancelled += ids

    def directory(self, job):
        return self._root / job

    def forget(self, ids):
        self.jobs = {job: found for job, found in self.jobs.items() if job not in ids}

    def window(self, options):
        self._check()
        return self.free

    def all_become(self, found: BatchJob) -> None:
        self.jobs = dict.fromkeys(self.jobs, found)

    def _check(self):
        if not self.answers:
            raise BatchFailed("the scheduler is down")


def activate(count: int, queue: str = "LOCAL", cores: int = 1) -> None:
    bucket, _ = Bucket.objects.get_or_create(queue=queue, label="managed", cores=cores, memory=0, walltime=0, disk=0)
    for number in range(count):
        job = Job.objects.create(
            state="activated", bucket=bucket, queue=queue, label="managed", priority=0, name="job", created_at=NOW
        )
        Ready.objects.create(job=job, bucket=bucket, rank=number)


def run_cycle(system_of, launch, after: float = 0.0, **more) -> logic.Cycle:
    """Run one cycle, so many seconds after `NOW`."""
    return logic.cycle(NOW + timedelta(seconds=after), system_of=system_of, launch=launch, **more)
