"""Users submit tasks of their own: jobs from one template, each with its number, under the number of the task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django.db import IntegrityError, transaction

from pilot.contract.codec import ContractError, shown
from server.brokerage import queries as brokerage
from server.dataservice import queries as dataservice
from server.dataservice.logic import claim_datasets
from server.dataservice.models import DatasetFile
from server.dataservice.states import ReplicaState
from server.production.defining import slip_of_queue
from server.production.door import BATCH, note
from server.production.frames import user_orders_of
from server.production.jobs import queued
from server.production.limits import Limits
from server.production.models import Chunk, Run, Task, UserTask
from server.production.reference.known import Known, read_known
from server.production.states import ChunkState, TaskState, TaskType
from server.production.steps.submit import submit_task as submit_jobs
from server.production.user_definition import PLACEHOLDER, Source, UserDefinition

#: The run of a user's task, which has only one.
RUN = 1


@transaction.atomic
def submit_task(
    definition: UserDefinition, parameters: Mapping[str, Any], *, by: str, owner: str, label: str, priority: int
) -> Task:
    """Take a user's task, and submit its first jobs; the others follow as the queues take them.

    Args:
        definition: The task.
        parameters: What it was read from, by PanDA's names.
        by: Who submits it.
        owner: Whose it is.
        label: What its jobs are called.
        priority: Of its jobs.

    Raises:
        ContractError: it cannot be taken; the text names the parameter, its value and the remedy. Nothing was taken.
    """
    known = read_known()
    bounds = _bounds(definition, known)
    files = _inputs(definition.source, definition.files, bounds.user_task_files) if definition.source else []
    jobs = definition.jobs_for(len(files))
    _check_number(definition, jobs, bounds.user_task_jobs)
    task = _create(definition, by=by, owner=owner, priority=priority)
    written = {"parameters": orjson.dumps(parameters).decode(), "files": orjson.dumps(files).decode()}
    UserTask.objects.create(task=task, label=label, **written)
    run = Run.objects.create(task=task, number=RUN)
    numbers = range(1, jobs + 1)
    chunks = [Chunk(task=task, run=run, number=number, state=ChunkState.STAGED) for number in numbers]
    Chunk.objects.bulk_create(chunks, batch_size=BATCH)
    # What is wrong with the template is told now, to whoever has written it.
    told = numbers if _names_datasets_by_job(definition) else sorted({1, jobs})
    orders = user_orders_of(task, told)
    brokerage.prepare([orders[0], orders[-1]])
    claim_datasets(orders, by=by, name="dataset")
    submit_jobs(task, known, queued())
    task.refresh_from_db()
    return task


def _bounds(definition: UserDefinition, known: Known) -> Limits:
    """Answer the limits of a user's task, if there may be one and its place can take it."""
    kind = known.kinds[TaskType.USER_ANALYSIS]
    if not kind.enabled:
        words = f"taskType: {kind.label} is switched off here; ask the system's administrators when it is taken again"
        raise ContractError(words, field_name="taskType")
    if definition.queue and (slip := slip_of_queue(definition.queue)):
        raise ContractError(f"site: {slip}", field_name="site")
    return known.limits_of_new(kind, known.site_at(definition.queue))


def _check_number(definition: UserDefinition, jobs: int, most: int) -> None:
    if not 1 <= jobs <= most:
        words = f"nFilesPerJob or nEventsPerJob: {jobs} jobs would be made; 1 to {most} are possible in a task"
        raise ContractError(words, field_name="nFilesPerJob")
    templates = [*definition.outputs, *([definition.log] if definition.log else [])]
    for template in templates:
        if jobs > 1 and "${SN}" not in template.lfn and "${SN/P}" not in template.lfn:
            words = (
                f"jobParameters: {shown(template.lfn)}: {jobs} jobs would write this file; put ${{SN}} into its name"
            )
            raise ContractError(words, field_name="jobParameters")


def _names_datasets_by_job(definition: UserDefinition) -> bool:
    templates = [*definition.outputs, *([definition.log] if definition.log else [])]
    return any(PLACEHOLDER.search(template.dataset) for template in templates)


def _create(definition: UserDefinition, *, by: str, owner: str, priority: int) -> Task:
    taken = f"taskName: {definition.name!r} is another task's; give a name that is free"
    try:
        with transaction.atomic():
            task = Task.objects.create(
                name=definition.name,
                type=TaskType.USER_ANALYSIS.value,
                kind=TaskType.USER_ANALYSIS.value,
                year=0,
                queue=definition.queue,
                working_group=definition.working_group,
                priority=priority,
                merging_priority=priority,
                max_attempts=definition.max_attempts,
                state=TaskState.SEND,
                owner=owner[:250],
            )
    except IntegrityError as known:
        raise ContractError(taken, field_name="taskName") from known
    note(task, "", TaskState.SEND.value, by=by, words="submitted")
    return task


def _inputs(source: Source, most_files: int, most: int) -> list[list[Any]]:
    """Answer the files that a task reads, as they are now: `server.production.user_orders.InputFile` of each.

    Raises:
        ContractError: there is no such dataset, none of its files is wanted, too many are, or one is not on disk.
    """
    scope, _, name = source.dataset.rpartition(":")
    dataset = dataservice.dataset_named(name, scope) if scope else dataservice.newest_dataset(name)
    if dataset is None:
        words = f"dataset: {source.dataset!r} is not known here; the page Data lists those that are"
        raise ContractError(words, field_name="dataset")
    without = ".log.tgz" if source.without_logs else ""
    if source.lfns:
        named = [row for row in dataservice.files_named(dataset, source.lfns) if not without or without not in row.lfn]
        rows = named[source.skipped :][: most_files or None]
    else:
        wanted = min(most_files or most + 1, most + 1)
        rows = dataservice.files_of(dataset, most=wanted, skipped=source.skipped, without=without)
    if missing := sorted(set(source.lfns) - {row.lfn for row in rows}):
        words = f"files: {missing[0]!r} is not in the dataset {source.dataset}, or is passed over by offset or nFiles"
        raise ContractError(words, field_name="files")
    if not 1 <= len(rows) <= most:
        words = f"dataset: {len(rows)} files of {source.dataset} are meant; 1 to {most} are possible in a task"
        raise ContractError(words, field_name="dataset")
    return [[row.lfn, dataset.scope, row.size, row.checksum, row.guid, _where(row, source.dataset)] for row in rows]


def _where(row: DatasetFile, said: str) -> str:
    """Choose the storage that a file is read from."""
    found = sorted(one.endpoint for one in row.replicas.all() if one.state == ReplicaState.AVAILABLE)
    if not found:
        words = f"dataset: {row.lfn} of {said} is on no disk now; have it brought there, or name others in files"
        raise ContractError(words, field_name="dataset")
    return str(found[0])
