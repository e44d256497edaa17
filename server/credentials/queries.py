"""What is known of credentials, for who hands them out, and for pages and figures."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from server.credentials.models import Credential, JobSecrets, UserSecret
from server.credentials.standing import WELL, Standing, standing

__all__ = [
    "WELL",
    "asked_as",
    "jobs_with_secrets",
    "names_of",
    "proxies",
    "sealed_secrets",
    "standings",
]


def proxies(role: str, person: str) -> list[Credential]:
    """Answer the proxies for a role: this person's own first, then those that are nobody's."""
    found = [one for one in asked_as("proxy", role) if one.person in {"", person}]
    return sorted(found, key=lambda one: not one.person)


def asked_as(kind: str, words: str) -> list[Credential]:
    """Answer the credentials of a kind that are asked for by these words."""
    return list(Credential.objects.filter(kind=kind, asked_as=words, enabled=True))


def standings(now: datetime) -> dict[str, tuple[Standing, float | None]]:
    """Answer, by name, how each credential stands and how many seconds it has left, if it ends at all."""
    return {one.name: (standing(one, now), _left(one, now)) for one in Credential.objects.all()}


def _left(credential: Credential, now: datetime) -> float | None:
    return None if credential.ends_at is None else (credential.ends_at - now).total_seconds()


def names_of(owner: str) -> list[str]:
    """Answer the names of the secrets that a user has given."""
    return list(UserSecret.objects.filter(owner=owner).values_list("name", flat=True))


def jobs_with_secrets(after: int, *, limit: int) -> list[int]:
    """Answer the next jobs, after one, with which secrets came."""
    return list(JobSecrets.objects.filter(job__gt=after).order_by("job").values_list("job", flat=True)[:limit])


def sealed_secrets(owners: Collection[str], jobs: Iterable[int]) -> tuple[list[UserSecret], list[JobSecrets]]:
    """Answer what these users, and whoever submitted these jobs, have given; sealed."""
    return list(UserSecret.objects.filter(owner__in=owners)), list(JobSecrets.objects.filter(job__in=list(jobs)))
