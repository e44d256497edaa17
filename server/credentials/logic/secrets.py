"""Secrets that users give for their jobs: kept sealed, handed to the pilot that has claimed a job, and removed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import transaction

from server.credentials import queries
from server.credentials.keyring import KeysMissing, SealBroken, keyring
from server.credentials.models import HandOut, JobSecrets, UserSecret
from server.lib import metrics

log = logging.getLogger(__name__)

#: Secrets that a user may have, characters of a name and bytes of all that comes with one job.
MOST, LONGEST_NAME, LARGEST = 100, 60, 2**18

#: What a job's dictionary says when it wants secrets, and where these are put into it.
WANTED, GIVEN = "useSecrets", "secrets"


class SecretRefused(ValueError):
    """A secret is not taken; the words say why, and do not repeat it."""


def set_secret(owner: str, name: str, value: str, *, now: datetime) -> None:
    """Keep a secret of a user, in place of what had the name before.

    Raises:
        SecretRefused: it is too large, has no good name, or there are too many.
        KeysMissing: the server has no keys to seal it with.
    """
    check({name: value})
    sealed = keyring().seal(value, place_of_user(owner, name))
    with transaction.atomic():
        UserSecret.objects.update_or_create(owner=owner, name=name, defaults={"sealed": sealed, "changed_at": now})
        if UserSecret.objects.filter(owner=owner).count() > MOST:
            raise SecretRefused(f"{owner} has {MOST} secrets, and may not have more; remove some")


def remove_secrets(owner: str, name: str = "") -> int:
    """Remove a secret of a user, or all of them; answer how many there were."""
    found = UserSecret.objects.filter(owner=owner)
    return (found.filter(name=name) if name else found).delete()[0]


def keep_for_jobs(secrets: Mapping[int, Mapping[str, str]]) -> None:
    """Keep what came with jobs, by their numbers; raises ``KeysMissing``. They were checked before."""
    if secrets:
        keys = keyring()
        rows = [
            JobSecrets(job=job, sealed=keys.seal(orjson.dumps(dict(said)).decode(), place_of_job(job)))
            for job, said in secrets.items()
        ]
        JobSecrets.objects.bulk_create(rows)


def check(secrets: Mapping[str, str]) -> None:
    """Refuse what cannot be kept.

    Raises:
        SecretRefused: it is too large, or a name is no good.
    """
    for name, value in secrets.items():
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise SecretRefused(f"{name[:LONGEST_NAME]!r} is not a name of 1 to {LONGEST_NAME} printable characters")
        if not isinstance(value, str):
            raise SecretRefused(f"{name}: a secret is text")
    if sum(len(value.encode()) for value in secrets.values()) > LARGEST:
        raise SecretRefused(f"secrets: more than {LARGEST} bytes; give them as a file of the job's instead")


def add_to(jobs: Sequence[dict[str, Any]], *, to: str, queue: str, now: datetime) -> None:
    """Put into the dictionaries of jobs that a pilot has just claimed the secrets that they want.

    A job whose secrets cannot be opened gets none: its payload finds no file, and the log here says why.
    """
    wanting = [job for job in jobs if WANTED in job]
    if not wanting:
        return
    try:
        found = _opened(wanting)
    except (KeysMissing, SealBroken) as broken:
        log.error("secrets of jobs cannot be opened: %s", broken)
        return
    given = [job for job in wanting if found[job["PandaID"]]]
    for job in given:
        # Text within the dictionary, as PanDA's pilots write it into the payload's file.
        job[GIVEN] = orjson.dumps(found[job["PandaID"]]).decode()
        metrics.handed_out(GIVEN)
    HandOut.objects.bulk_create([_hand_out(job, to, queue, now) for job in given])


def _hand_out(job: Mapping[str, Any], to: str, queue: str, now: datetime) -> HandOut:
    what = f"secrets of {_owner(job) or job['PandaID']}"[:80]
    return HandOut(
        at=now, what=what, kind=GIVEN, to=to[:80], queues=queue, job=job["PandaID"], attempt=job["attemptNr"]
    )


def _owner(job: Mapping[str, Any]) -> str:
    said = job.get("prodUserID") or ""
    return "" if said == "NULL" else str(said)


def _opened(jobs: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, str]]:
    """Answer the secrets of jobs, by number: their users', and over these what came with them."""
    users, own = queries.sealed_secrets({_owner(job) for job in jobs} - {""}, [job["PandaID"] for job in jobs])
    keys = keyring()
    by_owner: dict[str, dict[str, str]] = {}
    for one in users:
        opened = keys.open(one.sealed, place_of_user(one.owner, one.name))
        by_owner.setdefault(one.owner, {})[one.name] = opened
    by_job = {one.job: orjson.loads(keys.open(one.sealed, place_of_job(one.job))) for one in own}
    return {job["PandaID"]: {**by_owner.get(_owner(job), {}), **by_job.get(job["PandaID"], {})} for job in jobs}


def place_of_user(owner: str, name: str) -> str:
    """Name the place that a user's secret is sealed for."""
    return f"user/{len(owner)}/{owner}/{name}"


def place_of_job(job: int) -> str:
    """Name the place that a job's secrets are sealed for."""
    return f"job/{job}"
