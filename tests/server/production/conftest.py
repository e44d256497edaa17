"""A queue with a storage, and a pilot that takes jobs from the task buffer and reports what real ones would."""

from __future__ import annotations

from itertools import count

import pytest

from pilot.contract import naming
from pilot.contract.job import JobSpec
from pilot.contract.job_wire import from_panda
from pilot.contract.messages import JobUpdate, StoredFile
from pilot.contract.naming import EMPTY_DUMP_SIZE
from pilot.contract.queue import local_storage
from pilot.contract.states import JobState
from server.pandaconfig.logic import define_queue, define_storage
from server.production import logic
from server.production.models import Chunk, RawFile, Run, Task
from server.production.rules.compass import first_rows
from server.production.rules.models import ProductionRule
from server.production.steps import collect, crosscheck, finish, merge, pack_logs, retry, submit
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.models import Bucket
from server.taskbuffer.values import ClaimOrder

GENERATION = {
    "name": "mc2016_gen",
    "type": "mc_generation",
    "production": "mc2016P07",
    "year": 2016,
    "period": "P07",
    "soft": "mc2016-1",
    "queue": "LOCAL",
    "events_per_chunk": 100,
    "runs": "278473, 3\n278474, 3",
}
RECONSTRUCTION = {
    "name": "mc2016_reco",
    "type": "mc_reconstruction",
    "production": "mc2016P07",
    "year": 2016,
    "period": "P07",
    "soft": "mc2016-1",
    "queue": "LOCAL",
    "slot": 1,
    "parent": "mc2016_gen",
}

DATA = {
    "name": "dvcs2016",
    "type": "mass_production",
    "production": "dvcs2016P07t1",
    "year": 2016,
    "period": "P07",
    "soft": "dvcs2016P07t1",
    "queue": "LOCAL",
    "slot": 1,
    "path": "generalprod/",
    "files": "raw/2016/cdr11001-278473.raw, 120\nraw/2016/cdr11002-278473.raw, 130, 1000, adler32:00000001",
}


@pytest.fixture
def product_rules(db):
    """The rules that come with the product; where tables are made without migrations they are not there yet."""
    if not ProductionRule.objects.exists():
        ProductionRule.objects.bulk_create([ProductionRule(**columns) for columns in first_rows()])


@pytest.fixture
def queue(product_rules, settings):
    """A queue named LOCAL, whose outputs and logs go to the storage DISK."""
    settings.PRODUCTION = {"retry_delay": 0}
    define_storage("DISK", local_storage("DISK", "/data"))
    storages = {name: ["DISK"] for name in ("pr", "pw", "pl")}
    define_queue({"nickname": "LOCAL", "status": "online", "astorages": storages})
    return settings


@pytest.fixture
def tasks(queue) -> tuple[Task, Task]:
    """A generation of 2 runs with 3 chunks each, and its reconstruction; both are on their way."""
    first = logic.define_task(GENERATION, by="manager", start=True)
    second = logic.define_task(RECONSTRUCTION, by="manager", start=True)
    return first, second


def define_data(kind: str = "mass_production", *, runs: int = 2, chunks: int = 3, **more: object) -> Task:
    """A task on data that is on its way: each chunk is a raw file on DISK."""
    frame = {"production": "dvcs2016P07t1", "year": 2016, "period": "P07", "soft": "dvcs2016P07t1", "slot": 1}
    numbers = {"priority": 2000, "merging_priority": 5000, "max_attempts": 5, "program": "compass"}
    said = {"name": "data", **frame, **numbers, "queue": "LOCAL", "owner": "manager", "path": "generalprod/", **more}
    task = Task.objects.create(type=kind, home="/cvmfs/compass.cern.ch/", state="send", **said)
    for run in (Run.objects.create(task=task, number=278473 + number) for number in range(runs)):
        for number in range(1, chunks + 1):
            chunk = Chunk.objects.create(task=task, run=run, number=number)
            lfn = naming.raw(run.number, number)
            RawFile.objects.create(chunk=chunk, lfn=lfn, dataset="raw/2016", endpoint="DISK", size=1000, events=120)
    return task


class FakePilot:
    """Takes one job after the other and reports success; ``spoil`` may answer another report for a job."""

    def __init__(self) -> None:
        self.queue = "LOCAL"
        self.numbers = count(1)
        self.jobs: list[JobSpec] = []
        self.events: dict[str, int | None] = {}
        self.sizes: dict[str, int] = {}
        self.spoil = lambda job: {}

    def run(self, most: int = 1000) -> int:
        """Run what is queued; answer how many jobs that were."""
        done = 0
        while done < most and (job := self.claim()) is not None:
            self.report(job, JobState.RUNNING)
            self.end(job)
            done += 1
        return done

    def claim(self) -> JobSpec | None:
        buckets = tuple(Bucket.objects.filter(queue=self.queue).values_list("pk", flat=True))
        order = ClaimOrder(buckets, f"request-{next(self.numbers)}", self.queue)
        given = taskbuffer.claim(order)
        if not given:
            return None
        job = from_panda(given[0])
        self.jobs.append(job)
        return job

    def report(self, job: JobSpec, state: JobState, **more: object) -> None:
        taskbuffer.apply_update(JobUpdate(job_id=job.id, attempt=job.attempt, state=state, **more), by="pilot")

    def end(self, job: JobSpec) -> None:
        said = self.success(job)
        said.update(self.spoil(job))
        self.report(job, said.pop("state"), **said)

    def success(self, job: JobSpec) -> dict:
        events, sizes = self.outcome(job)
        logs = [job.log] if job.log else []
        files = [StoredFile(lfn, size, "adler32:00000001", url=f"file:///data/{lfn}") for lfn, size in sizes.items()]
        files += [StoredFile(log.lfn, 10, "adler32:00000002") for log in logs]
        for lfn, size in sizes.items():
            self.events[lfn], self.sizes[lfn] = events, size
        return {"state": JobState.FINISHED, "events": events, "files": tuple(files)}

    def outcome(self, job: JobSpec) -> tuple[int | None, dict[str, int]]:
        """Make up events and sizes as the payload would: nothing is lost, dumps are merged without their heads."""
        names = [file.lfn for file in job.outputs]
        if job.processing_type == "mcgen":
            return int(job.arguments[job.arguments.index("--events") + 1]), dict.fromkeys(names, 1000)
        if job.processing_type in ("mcreco", "ddd") or job.processing_type.endswith("-production"):
            sizes = {name: EMPTY_DUMP_SIZE + 50 if name.startswith("evtdump") else 500 for name in names}
            return 90, sizes
        if job.processing_type == "pack-logs":
            return None, dict.fromkeys(names, 10240 + 10 * len(job.inputs))
        sources = [file.lfn for file in job.inputs]
        size = sum(self.sizes[lfn] for lfn in sources)
        if job.processing_type == "merge-dump" and job.transformation != "cat":
            size -= EMPTY_DUMP_SIZE * (len(sources) - 1)
        return sum(self.events[lfn] for lfn in sources), dict.fromkeys(names, size)

    def of_type(self, processing_type: str) -> list[JobSpec]:
        return [job for job in self.jobs if job.processing_type == processing_type]


def failed(**said: object) -> dict:
    """What a pilot reports of a payload that failed."""
    return {"state": JobState.FAILED, "files": None, "events": None, **said}


STEPS = (
    collect.collect,
    submit.submit_chunks,
    retry.retry_failed,
    merge.merge_mdst,
    crosscheck.check_events,
    merge.merge_histograms,
    merge.merge_dumps,
    crosscheck.check_dumps,
    finish.finish_tasks,
    pack_logs.pack_logs,
)


def turn(*, times: int = 1) -> int:
    """Run every step so many times; answer how much was done."""
    return sum(step() for step in STEPS for _ in range(times))


def work(pilot: FakePilot, *, times: int = 1, rounds: int = 30) -> None:
    """Let services and pilot take turns until nothing more happens."""
    for _ in range(rounds):
        if not turn(times=times) + pilot.run():
            return
    raise AssertionError("it never came to rest")


def reload(task: Task) -> Task:
    task.refresh_from_db()
    return task


@pytest.fixture
def pilot() -> FakePilot:
    return FakePilot()
