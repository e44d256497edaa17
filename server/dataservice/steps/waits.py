"""Which files a job waits for: written down once, when it comes; from then on files find their jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pilot.contract.job import Role
from pilot.contract.states import JobState
from server.dataservice import door
from server.dataservice.logic.datasets import LONGEST, make_datasets
from server.dataservice.logic.files import count, is_readable, missing_count, tell_hopeless, weight_of
from server.dataservice.models import Dataset, DatasetFile, Wait, WaitingJob
from server.dataservice.states import DatasetKind, FileState
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.models import JobFile
from server.taskbuffer.queries import Standing
from server.taskbuffer.states import MAY_BE_ACTIVATED
from server.taskbuffer.states import FileState as JobFileState

SERVICE = "dataservice.follow"


def settle_waits(jobs: Mapping[int, Standing], files: Sequence[JobFile], now: datetime) -> int:
    """Write down what jobs wait for, and forget those that wait no more; answer how many jobs that were.

    A job that waits, but names no dataset for any input, is somebody else's to activate. Belongs into a transaction.
    """
    over = [number for number, job in jobs.items() if job.state not in MAY_BE_ACTIVATED]
    forgotten = _forget(over)
    inputs: dict[int, list[JobFile]] = defaultdict(list)
    for file in files:
        if _is_waited_for(file) and jobs[file.job_id].state in MAY_BE_ACTIVATED:
            inputs[file.job_id].append(file)
    known = set(_known(inputs))
    new = {number: wanted for number, wanted in inputs.items() if number not in known}
    if new:
        _write(new, now)
    return forgotten + len(new)


def _is_waited_for(file: JobFile) -> bool:
    named = file.role == Role.INPUT.value and bool(file.dataset) and len(file.lfn) <= LONGEST["lfn"]
    return named and file.state == JobFileState.PENDING.value


def _forget(numbers: Collection[int]) -> int:
    gone = 0
    for batch in door.batches(sorted(numbers)):
        Wait.objects.filter(job__in=batch).delete()
        gone += WaitingJob.objects.filter(pk__in=batch).delete()[0]
    return gone


def _known(numbers: Collection[int]) -> list[int]:
    return [
        number
        for batch in door.batches(sorted(numbers))
        for number in WaitingJob.objects.filter(pk__in=batch).values_list("pk", flat=True)
    ]


def _write(inputs: Mapping[int, Sequence[JobFile]], now: datetime) -> None:
    wanted = [file for files in inputs.values() for file in files]
    rows = _files(wanted, now)
    WaitingJob.objects.bulk_create(
        [WaitingJob(job=number, missing=len(files), since=now) for number, files in inputs.items()],
        batch_size=door.BATCH,
    )
    waits = {
        (file.job_id, rows[file.pk].pk): Wait(job_id=file.job_id, file=rows[file.pk], endpoint=file.endpoint)
        for file in wanted
    }
    Wait.objects.bulk_create(waits.values(), batch_size=door.BATCH)
    for batch in door.batches(sorted(inputs)):
        Wait.objects.filter(is_readable(), job__in=batch).update(ready=True)
        WaitingJob.objects.filter(pk__in=batch).update(missing=missing_count())
    for row in {row.pk: row for row in rows.values()}.values():
        if row.state == FileState.LOST:
            tell_hopeless([row.pk], f"input {row.lfn} is lost: no storage has it any more")
    _place(inputs, rows, now)


def _place(inputs: Mapping[int, Sequence[JobFile]], rows: Mapping[int, DatasetFile], now: datetime) -> None:
    """Say in PanDA's words what jobs wait for: for files on their way, or for some of which nothing is known."""
    unknown = {number: file.lfn for number, files in inputs.items() for file in files if is_only_named(rows[file.pk])}
    taskbuffer.place(set(inputs) - set(unknown), JobState.ASSIGNED, by=SERVICE, now=now)
    for lfn in sorted(set(unknown.values())):
        some = [number for number, name in unknown.items() if name == lfn]
        words = f"input {lfn} is not known yet"
        taskbuffer.place(some, JobState.WAITING, by=SERVICE, detail=words, now=now)


def is_only_named(file: DatasetFile) -> bool:
    """Say whether all that is known of a file is that jobs want it."""
    return file.state == FileState.EXPECTED and file.job is None


def _files(wanted: Sequence[JobFile], now: datetime) -> dict[int, DatasetFile]:
    """Answer the catalogue's row of each input, by the number of the job's file; unknown ones are written down."""
    datasets = _datasets({(file.scope, file.dataset) for file in wanted}, now)
    keys = {(datasets[file.scope, file.dataset].pk, file.lfn) for file in wanted}
    found: dict[tuple[int, str], DatasetFile] = {}
    for batch in door.batches(sorted({lfn for _, lfn in keys})):
        named = DatasetFile.objects.filter(dataset_id__in={key for key, _ in keys}, lfn__in=batch)
        found.update({(row.dataset_id, row.lfn): row for row in named})
    new = [DatasetFile(dataset_id=dataset, lfn=lfn) for dataset, lfn in sorted(keys - set(found))]
    DatasetFile.objects.bulk_create(new, batch_size=door.BATCH)
    count([(row.dataset_id, weight_of(row)) for row in new], now)
    found.update({(row.dataset_id, row.lfn): row for row in new})
    return {file.pk: found[datasets[file.scope, file.dataset].pk, file.lfn] for file in wanted}


def _datasets(wanted: Collection[tuple[str, str]], now: datetime) -> dict[tuple[str, str], Dataset]:
    """Answer the datasets of inputs. A job that names no scope means the dataset of that name, whatever its scope."""
    found: dict[tuple[str, str], Dataset] = {}
    for batch in door.batches(sorted({name for scope, name in wanted if not scope})):
        for row in Dataset.objects.filter(name__in=batch).order_by("-pk"):
            found["", row.name] = row
    rest = [(scope, name, DatasetKind.INPUT) for scope, name in wanted if (scope, name) not in found]
    return found | make_datasets(rest, by=SERVICE, now=now)
