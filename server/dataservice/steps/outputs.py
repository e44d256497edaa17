"""What jobs write becomes files of datasets: expected while a job may write it, registered once when it has.

The task buffer writes down what was stored in the transaction that takes the final report; here that is copied from its
rows, as often as one likes: a file that was registered for a job's file is not registered for it again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from pilot.contract.codec import ContractError
from pilot.contract.job import Role
from pilot.contract.naming import log_of_attempt
from pilot.contract.states import FINAL
from server.dataservice import door
from server.dataservice.logic.datasets import LONGEST, make_datasets
from server.dataservice.logic.files import count, tell_waiting, weight_of
from server.dataservice.models import Dataset, DatasetEvent, DatasetFile, Replica
from server.dataservice.states import FILE_MOVES, DatasetKind, DatasetState, FileState, ReplicaState
from server.dataservice.where import Places
from server.taskbuffer.models import JobFile
from server.taskbuffer.queries import Standing
from server.taskbuffer.states import FileState as JobFileState

log = logging.getLogger(__name__)

SERVICE = "dataservice.follow"
#: A file in one of these was registered before.
REGISTERED = (FileState.AVAILABLE, FileState.LOST, FileState.DELETED, FileState.REPLACED)
_UPDATE = (
    "UPDATE dataservice_datasetfile SET lfn = %s, state = %s, size = %s, checksum = %s, guid = %s, events = %s,"
    " job = %s, job_file = %s WHERE id = %s"
)


@dataclass(frozen=True)
class Told:
    """An output or log of a job, as the task buffer knows it."""

    scope: str
    dataset: str
    lfn: str
    is_log: bool
    state: FileState
    file: JobFile
    events: int | None
    owner: str

    @property
    def job(self) -> int:
        return int(self.file.job_id)


def told_by(file: JobFile, job: Standing) -> Told:
    """Say what the task buffer's row of an output or log means for the catalogue."""
    is_log = file.role == Role.LOG.value
    state = {
        JobFileState.READY.value: FileState.AVAILABLE,
        JobFileState.UNKNOWN.value: FileState.ABSENT if job.state in FINAL else FileState.EXPECTED,
    }.get(file.state, FileState.ABSENT)
    # A log that was not stored yet will have the name of the attempt that stores it.
    lfn = log_of_attempt(file.lfn, job.attempt) if is_log and file.attempt is None else file.lfn
    events = None if is_log or job.events is None or not 0 <= job.events < 2**63 else job.events
    return Told(file.scope, file.dataset, lfn, is_log, state, file, events, job.owner)


def settle_outputs(jobs: Mapping[int, Standing], files: Sequence[JobFile], now: datetime) -> int:
    """Bring the catalogue to what jobs have written or will write; answer how many files that changed.

    Belongs into a transaction.
    """
    told = [told_by(file, jobs[file.job_id]) for file in files if file.role != Role.INPUT.value and file.dataset]
    told = [one for one in told if _fits(one)]
    if not told:
        return 0
    kinds = {(one.scope, one.dataset): DatasetKind.LOG for one in told if one.is_log}
    kinds |= {(one.scope, one.dataset): DatasetKind.OUTPUT for one in told if not one.is_log}
    # What is nobody's yet becomes whose first job writes into it, not whose happens to be read first.
    owners = {(one.scope, one.dataset): one.owner for one in sorted(told, key=lambda one: one.job, reverse=True)}
    datasets = make_datasets([(*key, kind) for key, kind in kinds.items()], by=SERVICE, now=now, owners=owners)
    told = [one for one in told if _is_allowed(one, datasets[one.scope, one.dataset], now)]
    known = _Known(datasets, told)
    settled = (_settle(one, datasets[one.scope, one.dataset], known) for one in told)
    # A row that goes from one job to another counts once, as it is in the end.
    changed = list({id(found[0]): found for found in settled if found is not None}.values())
    _save(changed, known, now)
    _reopen(changed, datasets.values(), now)
    _add_replicas(changed, now)
    tell_waiting([row.pk for row, _ in changed])
    return len(changed)


def _fits(one: Told) -> bool:
    """Say whether the catalogue has room for a name; no file system has longer ones either."""
    if len(one.lfn) <= LONGEST["lfn"]:
        return True
    log.warning("job %s: %s... is too long a name for a file, and is not registered", one.job, one.lfn[:80])
    return False


def _is_allowed(one: Told, dataset: Dataset, now: datetime) -> bool:
    """Say whether a job's files belong into a dataset: into somebody else's they do not, and that is told there once.

    What is submitted now is refused at once; this is for what was submitted before the dataset was somebody's.
    """
    if one.owner == dataset.owner:
        return True
    whose = f"{one.owner}'s" if one.owner else "the productions'"
    words = f"not registered: {one.lfn} of job {one.job}, which is {whose}; the dataset is {dataset.whose}"[:500]
    if not DatasetEvent.objects.filter(dataset=dataset, words=words).exists():
        log.warning("%s: %s", dataset, words)
        door.note_dataset(dataset, dataset.state, by=SERVICE, now=now, words=words)
    return False


class _Known:
    """The rows that concern some files of jobs, and what each counted before."""

    def __init__(self, datasets: Mapping[tuple[str, str], Dataset], told: Iterable[Told]) -> None:
        wanted = list(told)
        rows = DatasetFile.objects.select_for_update()
        found: dict[int, DatasetFile] = {}
        for batch in door.batches([one.file.pk for one in wanted]):
            found.update({row.pk: row for row in rows.filter(job_file__in=batch).order_by("pk")})
        keys = [dataset.pk for dataset in datasets.values()]
        for batch in door.batches(sorted({one.lfn for one in wanted})):
            named = rows.filter(dataset_id__in=keys, lfn__in=batch).order_by("pk")
            found.update({row.pk: row for row in named if row.pk not in found})
        jobs = sorted({one.job for one in wanted if one.is_log})
        for batch in door.batches(jobs):  # the logs of earlier tries
            earlier = rows.filter(job__in=batch, dataset_id__in=keys).order_by("pk")
            found.update({row.pk: row for row in earlier if row.pk not in found})
        self.by_job_file = {row.job_file: row for row in found.values() if row.job_file is not None}
        self.by_name = {(row.dataset_id, row.lfn): row for row in found.values()}
        self.before = {row.pk: weight_of(row) for row in found.values()}
        self.of_job: dict[int, list[DatasetFile]] = {}
        for row in found.values():
            if row.job is not None:
                self.of_job.setdefault(row.job, []).append(row)

    def forget(self, row: DatasetFile) -> None:
        """Give up the name of a row, and the job's file that it is of: it may have others in a moment."""
        if self.by_name.get((row.dataset_id, row.lfn)) is row:
            del self.by_name[row.dataset_id, row.lfn]
        if row.job_file is not None and self.by_job_file.get(row.job_file) is row:
            del self.by_job_file[row.job_file]

    def remember(self, row: DatasetFile) -> None:
        self.by_name[row.dataset_id, row.lfn] = row
        if row.job_file is not None:
            self.by_job_file[row.job_file] = row


def _settle(one: Told, dataset: Dataset, known: _Known) -> tuple[DatasetFile, Told] | None:
    """Answer the row of a file as it is from now on; nothing when that is how it is already."""
    row = known.by_job_file.get(one.file.pk)
    if row is not None and row.state in REGISTERED:
        return None
    named = known.by_name.get((dataset.pk, one.lfn))
    if row is not None and named is not None and named is not row:
        row = None  # its name changed with the attempt, to one that there is
    row = row or named
    if row is None:
        row = DatasetFile(dataset=dataset, lfn=one.lfn, state=FileState.EXPECTED.value)
    elif _says(row) == (one.file.pk, one.state, one.lfn) or not _takes_over(row, one):
        return None
    known.forget(row)
    _write(row, one)
    known.remember(row)
    return row, one


def _says(row: DatasetFile) -> tuple[int | None, str, str]:
    return row.job_file, row.state, row.lfn


def _takes_over(row: DatasetFile, one: Told) -> bool:
    """Say whether what is told of a file counts for a row of its name: what exists gives way to newer jobs only."""
    if row.state == FileState.AVAILABLE:
        return one.state is FileState.AVAILABLE and one.job > (row.job or 0)
    if row.job is not None and row.job > one.job:
        return one.state is FileState.AVAILABLE
    return row.state == one.state or (FileState(row.state), one.state) in FILE_MOVES


def _write(row: DatasetFile, one: Told) -> None:
    row.lfn, row.state = one.lfn, one.state.value
    row.job, row.job_file = one.job, one.file.pk
    if one.state is FileState.AVAILABLE:
        row.size, row.checksum = one.file.size, one.file.checksum or ""
        row.guid, row.events = one.file.guid, one.events


def _save(changed: Sequence[tuple[DatasetFile, Told]], known: _Known, now: datetime) -> None:
    """Write the rows, and the logs that were replaced, and count them."""
    rows = [row for row, _ in changed]
    new = [row for row in rows if row._state.adding]
    old = [row for row in rows if not row._state.adding]
    replaced = _older_logs(changed, known)
    for earlier in replaced:
        earlier.state = FileState.REPLACED.value
    _give_names_up(rows)
    with connection.cursor() as cursor:
        cursor.executemany(_UPDATE, [_columns(row) for row in (*old, *replaced)])
    DatasetFile.objects.bulk_create(new, batch_size=door.BATCH)
    nothing = weight_of(DatasetFile(state=FileState.REPLACED.value))
    # A log may have come and been replaced since the last time: it counts once, too.
    each = {id(row): row for row in (*rows, *replaced)}.values()
    count([(row.dataset_id, weight_of(row) - known.before.get(row.pk, nothing)) for row in each], now)


def _older_logs(changed: Sequence[tuple[DatasetFile, Told]], known: _Known) -> list[DatasetFile]:
    """Find the logs of earlier tries that are there, where a later one of the same job and dataset was stored."""
    stored = {(one.job, row.dataset_id): row for row, one in changed if one.is_log and one.state is FileState.AVAILABLE}
    found = [
        earlier
        for (job, dataset), row in stored.items()
        for earlier in known.of_job.get(job, [])
        if earlier.state == FileState.AVAILABLE and earlier.dataset_id == dataset and _is_before(earlier, row)
    ]
    logs: set[int] = set()
    for batch in door.batches([row.job_file for row in found]):
        logs.update(JobFile.objects.filter(pk__in=batch, role=Role.LOG.value).values_list("pk", flat=True))
    return [row for row in found if row.job_file in logs]


def _is_before(earlier: DatasetFile, row: DatasetFile) -> bool:
    return earlier is not row and earlier.job_file is not None and earlier.job_file < (row.job_file or 0)


def _give_names_up(rows: Collection[DatasetFile]) -> None:
    """Free the numbers of job files that go from one row to another, so that no number stands twice for a moment."""
    goes_to = {row.job_file: row.pk for row in rows}
    for batch in door.batches(list(goes_to)):
        there = DatasetFile.objects.filter(job_file__in=batch).values_list("pk", "job_file")
        former = [pk for pk, number in there if goes_to[number] != pk]
        DatasetFile.objects.filter(pk__in=former).update(job_file=None)


def _columns(row: DatasetFile) -> tuple[Any, ...]:
    return (row.lfn, row.state, row.size, row.checksum, row.guid, row.events, row.job, row.job_file, row.pk)


def _reopen(changed: Sequence[tuple[DatasetFile, Told]], datasets: Iterable[Dataset], now: datetime) -> None:
    """Open datasets again that were closed too early: what jobs write is not denied."""
    for dataset in datasets:
        if dataset.state == DatasetState.OPEN:
            continue
        writers = [
            one.job for row, one in changed if row.dataset_id == dataset.pk and one.state is not FileState.ABSENT
        ]
        if writers:
            words = f"job {writers[0]} writes into it"
            door.move_dataset(dataset, DatasetState.OPEN, by=SERVICE, now=now, words=words)


def _add_replicas(changed: Sequence[tuple[DatasetFile, Told]], now: datetime) -> None:
    stored = [(row, one) for row, one in changed if one.state is FileState.AVAILABLE and one.file.endpoint]
    if not stored:
        return
    places = Places()
    known: dict[tuple[int, str], int] = {
        (replica.file_id, replica.endpoint): replica.pk
        for batch in door.batches([row.pk for row, _ in stored])
        for replica in Replica.objects.filter(file_id__in=batch)
    }
    made, again = [], []
    for row, one in stored:
        fresh = _replica(row, one, places, now)
        key = known.get((row.pk, one.file.endpoint))
        if fresh is None:
            continue
        if key is None:
            made.append(fresh)
        else:
            again.append((fresh.url, fresh.path, key))
    Replica.objects.bulk_create(made, batch_size=door.BATCH)
    for url, path, key in again:  # somebody wrote the file anew
        Replica.objects.filter(pk=key).update(state=ReplicaState.AVAILABLE.value, url=url, path=path, seen=now)


def _replica(row: DatasetFile, one: Told, places: Places, now: datetime) -> Replica | None:
    endpoint = one.file.endpoint
    try:
        path = places.path(endpoint, lfn=one.lfn, scope=one.scope, dataset=one.dataset)
    except ContractError as wrong:
        log.warning("job %s: %s at %s is not registered: %s", one.job, one.lfn, endpoint, wrong)
        return None
    return Replica(file=row, endpoint=endpoint, path=path, url=one.file.url, seen=now)
