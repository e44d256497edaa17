"""Which buckets a pilot may be given jobs from, in which order, and of every other one why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from server.brokerage.shares import Running, in_order

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
    def share(self) -> str: ...
    @property
    def working_group(self) -> str: ...
    @property
    def country(self) -> str: ...
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
    """What a pilot has. Sizes are bytes, times seconds; ``None`` means that it did not say, and is not tested.

    ``group`` is the only working group that it runs jobs of, "" for any; ``countries`` are those that it belongs to:
    their jobs come first, or are the only ones where it takes no ``other_countries``.
    """

    queue: str
    labels: frozenset[str]
    cores: int | None = None
    memory: float | None = None
    disk: float | None = None
    remaining_time: float | None = None
    group: str = ""
    countries: tuple[str, ...] = ()
    other_countries: bool = True


@dataclass(frozen=True)
class Standing:
    """How the shares stand, as far as somebody has read it.

    ``running`` are the cores that each share has now, ``targets`` the part of everything that each leaf is to have, and
    ``barred`` the shares of users who are given nothing, and why.
    """

    running: Running = field(default_factory=Running)
    targets: Mapping[str, float] = field(default_factory=dict)
    barred: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tier:
    """The buckets of one share that fit: what is queued in them is given out by priority, then by age."""

    share: str
    buckets: tuple[int, ...]


@dataclass(frozen=True)
class Ranking:
    """The buckets that fit, share by share, and for each that does not, why."""

    tiers: tuple[Tier, ...] = ()
    refused: dict[int, str] = field(default_factory=dict)

    @property
    def fitting(self) -> tuple[int, ...]:
        return tuple(bucket for tier in self.tiers for bucket in tier.buckets)


NOTHING_KNOWN = Standing()


def countries_of(text: str) -> tuple[str, ...]:
    """Read the countries that a pilot says it belongs to: names with commas or bars between them."""
    return tuple(name for name in text.replace("|", ",").replace(" ", ",").split(",") if name)


def order(buckets: Sequence[Bucket], offer: Offer, standing: Standing = NOTHING_KNOWN) -> Ranking:
    """Sort buckets into those that fit an offer and those that do not, with a reason for each of these."""
    found = tiers(buckets, offer, standing)
    fitting = {pk for tier in found for pk in tier.buckets}
    others = (bucket for bucket in buckets if bucket.pk not in fitting)
    refused = {bucket.pk: why_not(bucket, offer) or standing.barred[bucket.share] for bucket in others}
    return Ranking(found, refused)


def tiers(buckets: Iterable[Bucket], offer: Offer, standing: Standing = NOTHING_KNOWN) -> tuple[Tier, ...]:
    """Answer the buckets that fit an offer, share by share: this is asked for every pilot, and gives no reasons.

    The share that has least of what is its own comes first; within it the queue's own order decides: the highest
    priority first, then the oldest job. Where there is no tree of shares, nothing but that order decides. A pilot of a
    country has the jobs of its own before all others.
    """
    if offer.countries and offer.other_countries:
        own, others = list[Bucket](), list[Bucket]()
        for bucket in buckets:
            (own if bucket.country in offer.countries else others).append(bucket)
        return (*_tiers(own, offer, standing), *_tiers(others, offer, standing))
    return _tiers(buckets, offer, standing)


def _tiers(buckets: Iterable[Bucket], offer: Offer, standing: Standing) -> tuple[Tier, ...]:
    fitting: dict[str, list[int]] = {}
    for bucket in buckets:
        if fits(bucket, offer) and bucket.share not in standing.barred:
            fitting.setdefault(bucket.share if standing.targets else "", []).append(bucket.pk)
    shares = list(fitting) if len(fitting) < 2 else in_order(fitting, standing.running, standing.targets)
    return tuple(Tier(share, tuple(fitting[share])) for share in shares)


def fits(bucket: Bucket, offer: Offer) -> bool:
    """Say whether a pilot may have jobs of a bucket; `why_not` says why."""
    return (
        bucket.queue == offer.queue
        and bucket.label in offer.labels
        and (offer.cores is None or bucket.cores <= offer.cores)
        and (offer.memory is None or bucket.memory <= offer.memory)
        and (offer.disk is None or bucket.disk <= offer.disk)
        and (offer.remaining_time is None or bucket.walltime <= offer.remaining_time)
        and (not offer.group or bucket.working_group == offer.group)
        and (not offer.countries or offer.other_countries or bucket.country in offer.countries)
    )


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
    return _whose(bucket, offer)


def _whose(bucket: Bucket, offer: Offer) -> str:
    if offer.group and bucket.working_group != offer.group:
        group = bucket.working_group or "no working group"
        return f"working group: these jobs are of {group}, the pilot takes those of {offer.group} alone"
    if offer.countries and not offer.other_countries and bucket.country not in offer.countries:
        country = bucket.country or "no country"
        return f"country: these jobs are of {country}, the pilot takes those of {', '.join(offer.countries)} alone"
    return ""
