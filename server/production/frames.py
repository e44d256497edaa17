"""A task's rows as the pure modules take them: names, the frame of its jobs, file specs of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson

from pilot.contract.job import FileSpec, JobOrder, Role
from pilot.contract.queue import ONLINE
from server.pandaconfig.queries import UnknownQueue, queue, queue_status
from server.production.definition import NO_TAPE
from server.production.files import SCOPE, Names
from server.production.models import Output, RawFile, Task, UserTask
from server.production.orders import Frame
from server.production.programs import programs_of
from server.production.reference.known import Known
from server.production.user_definition import read_parameters
from server.production.user_orders import InputFile, UserFrame, files_of, order_of

#: What the name of a site's queue for merges ends in, as the experiment's do.
MERGING_SUFFIX = "_MERGING"


def tape_of(task: Task, known: Known | None = None) -> str:
    """Answer the storage whose tapes take a task's files: its own, or its site's; "" when there is none.

    Args:
        task: The task; whoever asks for many selects their ``site`` with them.
        known: What is known of sites, if it was read.
    """
    if task.tape or task.site_id is None:
        return "" if task.tape == NO_TAPE else task.tape
    site = known.sites.get(task.site_id) if known else task.site
    return site.tape if site else ""


class NoStorage(Exception):
    """A queue is unknown, or none of its storages takes outputs; the message says which and what to do."""


def names_of(task: Task) -> Names:
    return Names(task.type, task.production, task.year, task.period, task.soft, task.slot, task.phast, task.rich)


def frame_of(task: Task) -> Frame:
    """Answer what all jobs of a task have in common.

    Raises:
        NoStorage: its queue is not there, or no storage of it takes outputs.
    """
    endpoint, log_endpoint = endpoints_of(task.queue)
    return Frame(
        task_id=task.pk,
        names=names_of(task),
        queue=task.queue,
        endpoint=endpoint,
        log_endpoint=log_endpoint,
        user=task.owner,
        working_group=task.working_group,
        priority=task.priority,
        merging_priority=task.merging_priority,
        max_attempts=task.max_attempts,
        programs=programs_of(task.program),
        software=f"{task.home}{task.path}",
        template=task.template,
    )


def merging_frame_of(task: Task) -> Frame:
    """Answer the same for the jobs that merge, which may have a queue of their own.

    Raises:
        NoStorage: that queue is not there, or no storage of it takes outputs.
    """
    name = merging_queue_of(task)
    endpoint, log_endpoint = endpoints_of(name)
    return replace(frame_of(task), queue=name, endpoint=endpoint, log_endpoint=log_endpoint)


def merging_queue_of(task: Task) -> str:
    """Answer where a task's merges go: to the queue that it names, to its site's own for merges, or where all goes.

    A supercomputer's compute nodes merge nothing: beside its queue ``X`` there is one called ``X_MERGING``.
    """
    if task.merging_queue:
        return task.merging_queue
    usual = f"{task.queue}{MERGING_SUFFIX}"
    try:
        return usual if queue_status(usual) in ONLINE else task.queue
    except UnknownQueue:
        return task.queue


def user_orders_of(task: Task, numbers: Sequence[int]) -> list[JobOrder]:
    """Order the jobs of these numbers, of 1 to n, of a user's task.

    Raises:
        NoStorage: its queue is not there any more, or no storage of it takes outputs.
        ContractError: what was submitted cannot be a job any more.
    """
    submitted = UserTask.objects.get(pk=task.pk)
    definition = read_parameters(orjson.loads(submitted.parameters))
    # What was changed on its way holds, not what was submitted.
    definition = replace(definition, queue=task.queue, max_attempts=task.max_attempts)
    files = [InputFile(*entry) for entry in orjson.loads(submitted.files)]
    endpoint, log_endpoint = endpoints_of(task.queue) if task.queue else ("", "")
    frame = UserFrame(task.pk, task.owner, submitted.label, task.priority, endpoint, log_endpoint)
    return [order_of(definition, frame, number, files_of(definition, number, files)) for number in numbers]


def endpoints_of(name: str) -> tuple[str, str]:
    """Answer the storages that a queue's pilots write outputs and logs to.

    Raises:
        NoStorage: the queue is not there, or no storage of it takes outputs.
    """
    try:
        found = queue(name)
    except UnknownQueue as unknown:
        raise NoStorage(str(unknown)) from unknown
    outputs = found.storages_for("pw", "write_lan")
    if not outputs:
        raise NoStorage(f"queue {name!r} has no storage for outputs; add one under astorages.pw")
    logs = found.storages_for("pl", "pw", "write_lan")
    return outputs[0], logs[0]


def inputs_endpoint_of(name: str) -> str:
    """Answer the storage that a queue's pilots read their inputs from.

    Raises:
        NoStorage: the queue is not there, or no storage of it is read.
    """
    try:
        found = queue(name).storages_for("pr", "read_lan")
    except UnknownQueue as unknown:
        raise NoStorage(str(unknown)) from unknown
    if not found:
        raise NoStorage(f"queue {name!r} has no storage for inputs; add one under astorages.pr, or give files_endpoint")
    return found[0]


def input_of(file: Output | RawFile) -> FileSpec:
    """Make an input file of what another job has stored, or of the detector's file that a chunk of data is."""
    return FileSpec(
        lfn=file.lfn,
        role=Role.INPUT,
        scope=SCOPE,
        dataset=file.dataset,
        size=file.size,
        checksum=file.checksum or None,
        endpoint=file.endpoint,
    )
