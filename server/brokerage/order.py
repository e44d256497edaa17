"""Which buckets a pilot may be given jobs from, and of every other one why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

_GB = 10**9


class Bucket(Protocol):
    """What a kind of job asks for; sizes are bytes, times seconds, 0 means that nobody said."""

    @property
    def pk(self) -> int: ...
    @property
    def queue(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def cores(self) -> int: ...
    @property
    def memory(self) -> int: ...
    @property
    def walltime(self) -> int: ...
    @property
    def disk(self) -> int: ...


@dataclass(frozen=True)
class Offer:
    """What a pilot has. Sizes are bytes, times seconds; ``None`` means that it did not say, and is not tested."""

    queue: str
    labels: frozenset[str]
    cores: int | None = None
    memory: float | None = None
    disk: float | None = None
    remaining_time: float | None = None


@dataclass(frozen=True)
class Ranking:
    """The buckets that fit, and for each that does not, why."""

    fitting: tuple[int, ...] = ()
    refused: dict[int, str] = field(default_factory=dict)


def order(buckets: Iterable[Bucket], offer: Offer) -> Ranking:
    """Sort buckets into those that fit an offer and those that do not.

    Among fitting ones the queue's own order decides: the highest priority first, then the oldest job.
    """
    fitting, refused = [], {}
    for bucket in buckets:
        reason = why_not(bucket, offer)
        if reason:
            refused[bucket.pk] = reason
        else:
            fitting.append(bucket.pk)
    return Ranking(tuple(fitting), refused)


def why_not(bucket: Bucket, offer: Offer) -> str:
    """Say why a pilot may not have jobs of a bucket; nothing when it may."""
    if bucket.queue != offer.queue:
        return f"queue: these jobs are for {bucket.queue}, the pilot is of {offer.queue}"
    if bucket.label not in offer.labels:
        return f"label: these jobs are {bucket.label}, the pilot takes {', '.join(sorted(offer.labels))}"
    needs: tuple[tuple[str, float, float | None, float, str], ...] = (
        ("cores", bucket.cores, offer.cores, 1, ""),
        ("memory", bucket.memory, offer.memory, _GB, " GB"),
        ("disk", bucket.disk, offer.disk, _GB, " GB"),
        ("walltime", bucket.walltime, offer.remaining_time, 1, " s"),
    )
    for name, needed, offered, unit, sign in needs:
        if offered is not None and needed > offered:
            return f"{name}: {needed / unit:.4g}{sign} needed, {offered / unit:.4g}{sign} offered"
    return ""
