"""Leases: taken, prolonged and given back by compare-and-set. Whoever calls brings the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import QuerySet

from server.services.models import Lease

#: Clocks of the server's machines may differ by this much. A lease taken later than that was taken by a clock that
#: has since been put back, and would not expire for as long.
CLOCK_SKEW = timedelta(seconds=60)


@dataclass(frozen=True)
class Grant:
    """What a holder shows to prolong its lease or to give it back."""

    name: str
    owner: str
    generation: int
    expires: datetime


class LeaseLost(Exception):
    """Somebody else holds the lease now; what its former holder has not yet written it must not write."""


def _never(owner: str) -> bool:
    return False


def acquire(
    name: str, owner: str, *, now: datetime, seconds: float, is_dead: Callable[[str], bool] = _never
) -> Grant | None:
    """Take a lease that is free, has expired, or whose owner is dead; answer nothing if somebody holds it.

    Args:
        name: What is to be done alone.
        owner: Who takes it; a holder does not get its own lease twice.
        now: The time, aware.
        seconds: How long it lasts unless it is prolonged.
        is_dead: Says whether an owner is certainly gone.
    """
    row = Lease.objects.filter(name=name).first()
    if row is None:
        free = Lease(name=name, owner="", generation=0, taken=now, expires=now)
        Lease.objects.bulk_create([free], ignore_conflicts=True)
        row = Lease.objects.get(name=name)
    if not _is_free(row, now) and not is_dead(row.owner):
        return None
    grant = Grant(name, owner, row.generation + 1, now + timedelta(seconds=seconds))
    # The expiry is compared as well: its holder may have prolonged it since.
    same = Lease.objects.filter(name=name, generation=row.generation, expires=row.expires)
    changed = same.update(owner=owner, generation=grant.generation, taken=now, expires=grant.expires)
    return grant if changed else None


def _is_free(row: Lease, now: datetime) -> bool:
    return not row.owner or row.expires <= now or row.taken > now + CLOCK_SKEW


def renew(grant: Grant, *, now: datetime, seconds: float) -> Grant:
    """Prolong a lease. One that has expired but that nobody has taken is still its holder's.

    Raises:
        LeaseLost: somebody else has taken it.
    """
    expires = now + timedelta(seconds=seconds)
    if not _held(grant).update(taken=now, expires=expires):
        raise LeaseLost(f"{grant.name}: taken over from {grant.owner}")
    return replace(grant, expires=expires)


def release(grant: Grant, *, now: datetime) -> bool:
    """Give a lease back; say whether it was still held."""
    return bool(_held(grant).update(owner="", taken=now, expires=now))


def _held(grant: Grant) -> QuerySet[Lease]:
    return Lease.objects.filter(name=grant.name, owner=grant.owner, generation=grant.generation)
