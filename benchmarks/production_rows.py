"""Millions of rows of the production system, written by the database itself, and jobs that run and end for some."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

#: Number of the first run.
RUN = 270_000
#: Chunks of a run.
PER_RUN = 100
QUEUE = "LOCAL"
#: What people have ordered of each task.
ORDERS = 20
#: Since chunks of which no job runs have finished.
LONG_AGO = timedelta(days=3)
#: Limits that let as many jobs be sent at once as are to run.
AT_ONCE = 100_000


def fill(chunks: int, per_task: int, active: int, running: int) -> Filled:
    """Write tasks until there are so many chunks; of the last ones jobs run."""
    from django.conf import settings
    from django.db import connection

    from pilot.contract.queue import local_storage
    from server.pandaconfig.logic import define_queue, define_storage

    many = ("jobs_per_task", "probe_jobs", "queued_per_queue", "queue_floor", "events_per_cycle")
    settings.PRODUCTION = dict.fromkeys(many, AT_ONCE)
    define_storage("DISK", local_storage("DISK", "/data"))
    define_queue({"nickname": QUEUE, "status": "online", "astorages": {name: ["DISK"] for name in ("pr", "pw", "pl")}})
    tasks = max(active + 1, chunks // per_task)
    for number in range(tasks):
        _write_task(number, per_task, is_active=number >= tasks - active, staged=-(-running // active))
        if number % 20 == 19:
            print(f"{number + 1} of {tasks} tasks are written", file=sys.stderr)
    with connection.cursor() as cursor:
        cursor.execute(
            "ANALYZE" if connection.vendor != "mysql" else "ANALYZE TABLE production_chunk, production_output"
        )
    filled = Filled(f"task{tasks - 1:04d}")
    filled.run(running)
    return filled


def _write_task(number: int, chunks: int, *, is_active: bool, staged: int) -> None:
    """Write a task whose chunks are finished and merged, but the last ``staged`` of one that is on its way."""
    from django.utils import timezone

    from server.production.models import Chunk, Run, Task

    runs, now = max(1, chunks // PER_RUN), timezone.now()
    frame = {"production": f"prod{number}", "year": 2016, "period": "P07", "soft": f"soft-{number}", "slot": 1}
    numbers = {"priority": 2000, "merging_priority": 5000, "max_attempts": 5, "program": "compass"}
    task = Task.objects.create(
        name=f"task{number:04d}",
        type="mass_production",
        **frame,
        **numbers,
        home="/cvmfs/compass.cern.ch/",
        queue=QUEUE,
        owner="bench",
        filelist="\n".join(str(RUN + run) for run in range(runs)),
        state="running" if is_active else "done",
        started=now,
        finished=None if is_active else now,
    )
    Run.objects.bulk_create([Run(task=task, number=RUN + run) for run in range(runs)], batch_size=1000)
    open_runs = -(-staged // PER_RUN) if is_active else 0
    limit = RUN + runs - open_runs
    one = {"n": "SELECT 1 AS number" + "".join(f" UNION ALL SELECT {each}" for each in range(2, PER_RUN + 1))}
    state = f"CASE WHEN r.number >= {limit} THEN 'staged' ELSE 'finished' END"
    _copy(
        Chunk,
        f"production_run r CROSS JOIN ({one['n']}) n WHERE r.task_id = {task.pk}",
        {"task_id": "r.task_id", "run_id": "r.id", "number": "n.number", "state": state, "attempts": "1"}
        | {"events_done": "1000", "updated": "%s"},
        [now],
    )
    _write_chunks_rows(task.pk, number, now)
    _write_merges(task.pk, limit, now)


def _write_chunks_rows(task: int, number: int, now: Any) -> None:
    """Write the raw file of each chunk, and of finished ones their last move and their mDST."""
    from server.production.models import Output, RawFile, TaskEvent

    mine = f"production_chunk c JOIN production_run r ON r.id = c.run_id WHERE c.task_id = {task}"
    name = _text("'cdr'", "c.number", "'-'", "r.number", "'.raw'")
    _copy(
        RawFile,
        mine,
        {"chunk_id": "c.id", "lfn": name, "dataset": "'raw/2016'", "endpoint": "'DISK'", "size": "1000000000"},
        [],
    )
    done = f"{mine} AND c.state = 'finished'"
    _copy(
        TaskEvent,
        done,
        {"task_id": "c.task_id", "chunk_id": "c.id", "before": "'running'", "after": "'finished'"}
        | {"by": "'production.collect'", "at": "%s"},
        [now - LONG_AGO],
    )
    made = {"task_id": "c.task_id", "run_id": "c.run_id", "chunk_id": "c.id", "endpoint": "'DISK'", "created": "%s"}
    name = _text("'mDST-'", "r.number", "'-'", "c.number", "'-1-7.root'")
    place = {"dataset": f"'prod{number}/mDST.chunks'", "kind": "'mdst'", "size": "100000000", "events": "1000"}
    _copy(Output, done, {**made, **place, "lfn": name}, [now])


def _write_merges(task: int, limit: int, now: Any) -> None:
    """Write the merges and checks of the runs below a number, and what was said of them and of the task."""
    from server.production.models import CrossCheck, MergeGroup, TaskEvent

    merged = f"production_run r WHERE r.task_id = {task} AND r.number < {limit}"
    for kind in ("mdst", "hist", "dump"):
        row = {"task_id": "r.task_id", "run_id": "r.id", "kind": f"'{kind}'", "number": "0", "state": "'finished'"}
        sums = {"events_expected": "100000", "events_found": "100000", "size_expected": "10", "updated": "%s"}
        _copy(MergeGroup, merged, {**row, **sums}, [now])
        if kind != "hist":
            row = {"task_id": "r.task_id", "run_id": "r.id", "kind": f"'{kind}'", "verdict": "'yes'", "at": "%s"}
            _copy(CrossCheck, merged, row, [now])
    moved = {"task_id": "r.task_id", "run_id": "r.id", "before": "''", "after": "'yes'", "at": "%s"}
    _copy(TaskEvent, merged, {**moved, "by": "'production.crosscheck'"}, [now - LONG_AGO])
    said = {"task_id": "r.task_id", "before": "'running'", "after": "'paused'", "by": "'ada'", "words": "'a reason'"}
    some = f"production_run r WHERE r.task_id = {task} AND r.number < {RUN + ORDERS}"
    _copy(TaskEvent, some, {**said, "at": "%s"}, [now - LONG_AGO])


def _text(*parts: str) -> str:
    """Join values in the words of this database."""
    from django.db import connection

    if connection.vendor == "mysql":
        return f"CONCAT({', '.join(parts)})"
    return " || ".join(part if part.startswith("'") else f"CAST({part} AS VARCHAR(20))" for part in parts)


def _copy(model: Any, source: str, given: Mapping[str, str], values: list[Any]) -> None:
    """Let the database write a row of ``model`` for each of ``source``; what is not given gets its default."""
    from django.db import connection

    columns, chosen, ordered, own = [], [], [], iter(values)
    for one in model._meta.concrete_fields:
        if one.primary_key and one.attname not in given:
            continue
        columns.append(connection.ops.quote_name(one.column))
        chosen.append(given.get(one.attname, "%s"))
        if one.attname not in given:
            ordered.append(one.get_db_prep_save(one.get_default(), connection))
        elif given[one.attname] == "%s":
            ordered.append(next(own))
    text = f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) SELECT {', '.join(chosen)} FROM {source}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(text, ordered)


@dataclass
class Filled:
    """A database of the production with jobs that run; ``task`` is the name of one that is on its way."""

    task: str
    jobs: list[Any] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)

    def run(self, most: int) -> None:
        """Send what is staged, and let so many jobs run."""
        from pilot.contract.job_wire import from_panda
        from pilot.contract.messages import JobUpdate
        from pilot.contract.states import JobState
        from server.production.steps.submit import submit_chunks
        from server.taskbuffer import logic
        from server.taskbuffer.models import Bucket
        from server.taskbuffer.values import ClaimOrder

        submit_chunks()
        buckets = tuple(Bucket.objects.filter(queue=QUEUE).values_list("pk", flat=True))
        while len(self.jobs) < most:
            given = logic.claim(ClaimOrder(buckets, f"bench-{next(self._numbers)}", QUEUE))
            if not given:
                break
            job = from_panda(given[0])
            logic.apply_update(JobUpdate(job_id=job.id, attempt=job.attempt, state=JobState.RUNNING), by="bench")
            self.jobs.append(job)
        print(f"{len(self.jobs)} jobs run", file=sys.stderr)

    def end(self, number: int) -> None:
        """Let so many of them finish, with their files."""
        from pilot.contract.messages import JobUpdate, StoredFile
        from pilot.contract.states import JobState
        from server.taskbuffer import logic

        for job in self.jobs[:number]:
            files = [
                StoredFile(file.lfn, 1000, "adler32:00000001", url=f"file:///data/{file.lfn}") for file in job.outputs
            ]
            files += [StoredFile(job.log.lfn, 10, "adler32:00000002")] if job.log else []
            ended = JobUpdate(
                job_id=job.id, attempt=job.attempt, state=JobState.FINISHED, events=90, files=tuple(files)
            )
            logic.apply_update(ended, by="bench")
        del self.jobs[:number]

    def come_to_rest(self, cycle: Callable[[], object], most: int = 10) -> None:
        """Run cycles until one changes nothing."""
        from server.production.models import TaskEvent

        for _ in range(most):
            before = TaskEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
            cycle()
            if TaskEvent.objects.order_by("-pk").values_list("pk", flat=True).first() == before:
                return
        raise SystemExit(f"after {most} cycles there is still something to do")

    def manager(self) -> Any:
        """Answer somebody who may see every page."""
        from django.contrib.auth import get_user_model

        found, _ = get_user_model().objects.get_or_create(username="bench", is_superuser=True, is_staff=True)
        return found

    def pages(self) -> dict[str, str]:
        """Name the production's pages."""
        task = f"/tasks/{self.task}"
        return {
            "overview": "/",
            "production": "/production",
            "tasks": "/tasks",
            "task": task,
            "task, what is stuck": f"{task}?show=stuck",
            "run": f"{task}/runs/{RUN}",
            "merges": f"{task}/groups",
            "failures": "/production/failures",
            "summary": "/production/summary",
            "audit": "/production/audit",
            "families": "/production/tree",
            "tape": "/production/tape",
            "clean-up": f"{task}/clean",
            "new task": "/tasks/new",
            "send again": f"{task}/resend?what=failed",
        }
