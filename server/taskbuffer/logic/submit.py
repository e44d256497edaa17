"""Jobs come in: all of a call or none of it, in one transaction and a number of statements that grows slowly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from pilot.contract import signature
from pilot.contract.codec import ContractError
from pilot.contract.job import FileSpec, JobOrder, Role
from pilot.contract.job_wire import from_panda, to_panda
from pilot.contract.states import JobState
from server.lib import ed25519
from server.lib.transactions import whole
from server.pandaconfig.queries import unknown_queues
from server.taskbuffer import waits
from server.taskbuffer.hot import bulk, rows
from server.taskbuffer.models import Bucket, Job
from server.taskbuffer.states import HIGHEST_PRIORITY, FileState, rank


class Key(NamedTuple):
    """What a bucket is told from others by."""

    queue: str
    label: str
    share: str
    working_group: str
    country: str
    cores: int
    memory: int
    walltime: int
    disk: int


def submit(orders: Iterable[JobOrder], *, by: str, now: datetime | None = None) -> list[int]:
    """Take jobs, and answer their PandaIDs in the same order.

    A job is born activated, or defined if it ``waits``.

    Raises:
        ContractError: a queue is unknown, a text is too long or a priority too high; nothing was taken.
    """
    wanted, at = list(orders), now or timezone.now()
    for order in wanted:
        _check(order)
    if unknown := unknown_queues({order.queue for order in wanted}):
        text = f"computingSite: queue {unknown[0]!r} is not known here; the admin's page Queues lists them all"
        raise ContractError(text, field_name="computingSite")
    return _write(wanted, at, by)


@whole
def _write(wanted: Sequence[JobOrder], at: datetime, by: str) -> list[int]:
    with connection.cursor() as cursor:
        buckets = _buckets(cursor, {bucket_key(order) for order in wanted})
        jobs, unwritten = bulk.number_jobs(cursor, [_job(order, buckets[bucket_key(order)], at) for order in wanted])
        pairs, born = list(zip(wanted, jobs, strict=True)), rows.stamp(at)
        ready = [(job.pk, job.bucket_id, rank(job.priority, job.pk)) for order, job in pairs if not order.waits]
        files = [_file(job.pk, file, order) for order, job in pairs for file in order.spec.files]
        tables = (
            unwritten,
            bulk.Rows(*rows.PARAMETERS, [(job.pk, _written(order, job)) for order, job in pairs]),
            bulk.Rows(*rows.FILES, files),
            bulk.Rows(*rows.READY, ready),
            bulk.Rows(*rows.EVENTS, [(job.pk, job.attempt, "", job.state, born, by, "") for job in jobs]),
        )
        bulk.add_tables(cursor, tables)
        rows.look_at(ready)
        waits.enter([(job.pk, job.bucket_id) for order, job in pairs if order.waits], JobState.DEFINED, at)
    return [job.pk for job in jobs]


def _written(order: JobOrder, job: Job) -> str:
    panda = {**to_panda(order.spec), "PandaID": job.pk, "attemptNr": job.attempt}
    if not order.spec.name:
        panda["jobName"] = f"job.{job.pk}"
    if settings.SIGNING_KEY is not None:
        # Over what a pilot will read, which may differ in form from what was submitted.
        signed = ed25519.sign(signature.signed_text(from_panda(panda)), settings.SIGNING_KEY)
        panda["compassSignature"] = signature.write(signed)
    return orjson.dumps(panda).decode()


def bucket_key(order: JobOrder) -> Key:
    spec = order.spec
    whose = (order.queue, spec.label, order.share, spec.working_group, order.country)
    return Key(*whose, spec.cores, spec.memory, spec.max_walltime, spec.disk)


_FIND = f"SELECT id FROM taskbuffer_bucket WHERE {' AND '.join(f'{name} = %s' for name in Key._fields)}"  # noqa: S608


def _buckets(cursor: CursorWrapper, keys: set[Key]) -> dict[Key, int]:
    """Answer the buckets of these keys, and make those that are new."""
    found = {}
    for key in sorted(keys):
        cursor.execute(_FIND, key)
        known = cursor.fetchone()
        found[key] = known[0] if known else Bucket.objects.get_or_create(**key._asdict())[0].pk
    return found


def _job(order: JobOrder, bucket: int, at: datetime) -> Job:
    spec = order.spec
    return Job(
        attempt=order.first_attempt,
        max_attempts=order.max_attempts,
        state=(JobState.DEFINED if order.waits else JobState.ACTIVATED).value,
        bucket_id=bucket,
        queue=order.queue,
        label=spec.label,
        priority=spec.priority,
        task_id=spec.task_id,
        name=spec.name,
        user=spec.user,
        transformation=spec.transformation,
        created_at=at,
        activated_at=None if order.waits else at,
    )


def _file(job_id: int, file: FileSpec, order: JobOrder) -> rows.Row:
    there = FileState.PENDING if order.waits else FileState.READY
    state = there if file.role is Role.INPUT else FileState.UNKNOWN
    may_be_missing = file.lfn in order.spec.allow_no_output
    return (
        job_id, file.lfn, file.role.value, state.value, file.scope, file.dataset,
        file.size, file.checksum, file.endpoint, file.guid, may_be_missing, "",
    )  # fmt: skip


def _check(order: JobOrder) -> None:
    """Refuse what the columns could not hold."""
    spec = order.spec
    if abs(spec.priority) > HIGHEST_PRIORITY:
        text = f"currentPriority: {spec.priority} is not between -{HIGHEST_PRIORITY} and {HIGHEST_PRIORITY}"
        raise ContractError(text, field_name="currentPriority")
    for name, value, at_most in _texts(order):
        if len(value) > at_most:
            text = f"{name}: {value[:60]!r}... has {len(value)} characters; at most {at_most} are possible"
            raise ContractError(text, field_name=name)


def _texts(order: JobOrder) -> Iterable[tuple[str, str, int]]:
    spec = order.spec
    yield "computingSite", order.queue, 60
    yield "prodSourceLabel", spec.label, 20
    yield "gshare", order.share, 32
    yield "workingGroup", spec.working_group, 60
    yield "countryGroup", order.country, 20
    yield "jobName", spec.name, 256
    yield "prodUserName", spec.user, 250
    yield "transformation", spec.transformation, 250
    for at, file in enumerate(spec.files):
        yield f"files[{at}].lfn", file.lfn, 4000
        yield f"files[{at}].scope", file.scope, 30
        yield f"files[{at}].dataset", file.dataset, 255
        yield f"files[{at}].endpoint", file.endpoint, 250
        yield f"files[{at}].GUID", file.guid, 64
