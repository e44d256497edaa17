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
from server.taskbuffer.hot import rows
from server.taskbuffer.models import Attempt, Bucket, JobParameters, RetryRule
from server.taskbuffer.obstacles import obstacle
from server.taskbuffer.retry_rules import Decision, Rule, Rules
from server.taskbuffer.values import Standing

ONLINE = "online"


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
    return Rules(rules, label, memory)


def try_again(cursor: CursorWrapper, job: Standing, decision: Decision, at: datetime, by: str, words: str) -> None:
    """Queue a job for its next attempt, as it was decided; ``words`` say what had happened.

    Raises:
        LostRace: somebody else moved it meanwhile.
    """
    said = [words, decision.words]
    wanted = Bucket.objects.get(pk=job.bucket) if decision.elsewhere or decision.memory else None
    if wanted is not None and decision.elsewhere:
        other = _elsewhere(job, wanted, decision.queues)
        said.append(other or "no other queue fits")
        wanted.queue = other or wanted.queue
    if wanted is not None and decision.memory:
        wanted.memory = decision.memory
        _order_memory(job, decision.memory)
    if wanted is not None:
        job = _moved(cursor, job, wanted)
    rows.again(cursor, job, at, by, "; ".join(filter(None, said)))


def _moved(cursor: CursorWrapper, job: Standing, wanted: Bucket) -> Standing:
    """Give a job another bucket."""
    kind = {name: value for name, value in model_to_dict(wanted).items() if name != "id"}
    bucket, _ = Bucket.objects.get_or_create(**kind)
    rows.write_job(cursor, job, {"bucket_id": bucket.pk, "queue": bucket.queue})
    return replace(job, bucket=bucket.pk)


def _elsewhere(job: Standing, wanted: Bucket, allowed: Collection[str]) -> str:
    """Choose a queue in which a job has not been yet; jobs are spread over those that fit."""
    been = {wanted.queue, *Attempt.objects.filter(job=job.job_id).values_list("queue", flat=True)}
    fitting = [
        name
        for name, queue in sorted(limits_of_queues().items())
        if queue.status == ONLINE
        and name not in been
        and (not allowed or name in allowed)
        and not obstacle(Bucket(**{**model_to_dict(wanted, exclude=["id"]), "queue": name}), queue)
    ]
    return fitting[job.job_id % len(fitting)] if fitting else ""


def _order_memory(job: Standing, memory: int) -> None:
    """Tell the next pilot of the memory; it is no part of what was signed."""
    parameters = JobParameters.objects.get(pk=job.job_id)
    panda = orjson.loads(parameters.panda)
    panda["minRamCount"] = memory // PANDA_MB
    parameters.panda = orjson.dumps(panda).decode()
    parameters.save(update_fields=["panda"])
