"""A failed job is tried again as it was decided: as it is, in another queue, or with more memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import orjson
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.forms.models import model_to_dict
from django.utils import timezone

from pilot.contract.job import PANDA_MB
from server.lib.remembered import Remembered
from server.pandaconfig.queries import limits_of_queues
from server.taskbuffer import followers
from server.taskbuffer.hot import rows
from server.taskbuffer.models import Attempt, Bucket, JobParameters, RetryRule
from server.taskbuffer.obstacles import most_memory
from server.taskbuffer.resource_types import resource_type
from server.taskbuffer.retry_rules import Action, Decision, Rule, Rules
from server.taskbuffer.values import Standing


def read_rules(now: datetime | None = None) -> tuple[Rule, ...]:
    """Read the rules that are in force, in their order."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=now or timezone.now())
    return tuple(rule.as_rule() for rule in RetryRule.objects.filter(unexpired, enabled=True))


def _read(_: None) -> tuple[Rule, ...]:
    return read_rules()


#: A change of the rules counts after a second.
RULES = Remembered(_read, seconds=1.0)


def rules_for(cursor: CursorWrapper, job: Standing) -> Rules:
    """Answer the rules in force, with what they may ask of one job; asks nothing where there are none."""
    rules = RULES.of(None)
    if not rules:
        return Rules()
    cursor.execute("SELECT label, memory FROM taskbuffer_bucket WHERE id = %s", (job.bucket,))
    label, memory = cursor.fetchone()
    if all(rule.action is not Action.MEMORY for rule in rules):
        return Rules(rules, label, memory)
    queues = limits_of_queues()
    there = queues.get(job.queue)
    return Rules(rules, label, memory, there.memory if there else 0, most_memory(queues.values()))


def try_again(cursor: CursorWrapper, job: Standing, decision: Decision, at: datetime, by: str, words: str) -> None:
    """Queue a job for its next attempt, as it was decided; ``words`` say what had happened.

    Raises:
        LostRace: somebody else moved it meanwhile.
    """
    said = [words, decision.words]
    wanted = Bucket.objects.get(pk=job.bucket) if decision.elsewhere or decision.memory else None
    if wanted is not None and decision.memory:
        _order_memory(job, wanted, decision.memory)
    if wanted is not None and decision.elsewhere:
        other = _elsewhere(job, decision.queues)
        said.append(other or "no other queue fits")
        if not other and decision.memory:
            said.append(_with_what_there_is(job, wanted))
        wanted.queue = other or wanted.queue
    if wanted is not None:
        job = _moved(cursor, job, wanted)
    rows.again(cursor, job, at, by, "; ".join(filter(None, said)))


def _moved(cursor: CursorWrapper, job: Standing, wanted: Bucket) -> Standing:
    """Give a job another bucket."""
    kind = {name: value for name, value in model_to_dict(wanted).items() if name != "id"}
    bucket, _ = Bucket.objects.get_or_create(**kind)
    rows.write_job(cursor, job, {"bucket_id": bucket.pk, "queue": bucket.queue})
    return replace(job, bucket=bucket.pk)


def _elsewhere(job: Standing, allowed: Collection[str]) -> str:
    """Choose a queue in which a job has not been yet."""
    been = {job.queue, *Attempt.objects.filter(job=job.job_id).values_list("queue", flat=True)}
    return followers.choose(job.job_id, been, allowed)


def _with_what_there_is(job: Standing, wanted: Bucket) -> str:
    """Give a job that no other queue takes what its own has, if that is more than it had; the watchdog ends it else."""
    had = Bucket.objects.values_list("memory", flat=True).get(pk=job.bucket)
    queue = limits_of_queues().get(job.queue)
    if queue is None or queue.memory <= had:
        return ""
    _order_memory(job, wanted, queue.memory)
    return f"with {queue.memory // PANDA_MB} MB, which is what its queue has"


def _order_memory(job: Standing, wanted: Bucket, memory: int) -> None:
    """Order memory, and tell the next pilot of it; it is no part of what was signed."""
    wanted.memory = memory
    parameters = JobParameters.objects.get(pk=job.job_id)
    panda = orjson.loads(parameters.panda)
    panda["minRamCount"] = memory // PANDA_MB
    panda["resource_type"] = resource_type(str(panda.get("resource_type", "")), wanted.cores, memory)
    parameters.panda = orjson.dumps(panda).decode()
    parameters.save(update_fields=["panda"])
