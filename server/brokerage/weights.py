"""How well a queue that may have a job suits it: a product of factors, each of which can be told.

The load factor changes with every job that is placed; the others belong to the snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.brokerage.policy import GB, Policy
from server.brokerage.rules import Case, over_pledged, waiting_transfers
from server.brokerage.snapshot import FailureRate, JobNeeds, Load, Snapshot


@dataclass(frozen=True)
class Factor:
    """One factor of a weight, and why it is what it is."""

    name: str
    value: float
    words: str


def drain(load: Load, placed: int = 0) -> float:
    """Answer how soon a further job would start: what runs and what is free, against what is queued.

    Args:
        load: The queue's load.
        placed: Jobs that were sent there since it was read.
    """
    free = max(0, load.slots - load.running)
    return (load.running + free + 1) / (load.queued + placed + 1)


def load_factor(case: Case) -> Factor:
    """Free and busy slots against the length of the queue."""
    if not case.believed(case.snapshot.loads.taken):
        return Factor("load", 1.0, "what is known is too old: nothing is taken for free or queued")
    load = case.load
    free = max(0, load.slots - load.running)
    return Factor("load", drain(load), f"{load.running} running, {free} slots free, {load.queued} queued")


def data_factor(case: Case) -> Factor:
    """Inputs that lie at the queue's storages already, against bytes that would have to be moved."""
    if not case.job.inputs:
        return Factor("data", 1.0, "no inputs")
    files = located(case.job, case.snapshot, case.policy)
    here, total = bytes_here(files, case.queue.storages), sum(size for size, _ in files)
    far = total - here
    old = "" if case.believed(case.snapshot.replicas.taken) else "; where files lie was read too long ago"
    words = f"{here / GB:.4g} of {total / GB:.4g} GB are here, {far / GB:.4g} GB to move{old}"
    return Factor("data", data_value(here, total, case.policy), words)


def located(job: JobNeeds, snapshot: Snapshot, policy: Policy) -> list[tuple[int, frozenset[str]]]:
    """Answer the bytes of each input of a job, and the storages where it lies; old facts of these are not believed."""
    believed = snapshot.now - snapshot.replicas.taken <= policy.oldest_facts
    known = snapshot.replicas.facts if believed else {}
    return [
        (policy.unknown_size if file.size is None else file.size, frozenset((*known.get(file.key, ()), file.endpoint)))
        for file in job.inputs
    ]


def bytes_here(files: Sequence[tuple[int, frozenset[str]]], storages: Sequence[str]) -> int:
    """Answer the bytes of those inputs that lie at one of these storages."""
    here = 0
    for size, places in files:
        if not places.isdisjoint(storages):
            here += size
    return here


def data_value(here: int, total: int, policy: Policy) -> float:
    """Answer the data factor of a queue that has so many bytes of all inputs."""
    return (1 + here / total) / 2 / (1 + (total - here) / max(1, policy.far_bytes)) if total else 1.0


def backlog_factor(case: Case) -> Factor:
    """Transfers that the queue's storages have before them."""
    if not case.believed(case.snapshot.backlogs.taken):
        return Factor("transfers", 0.5, "what is known is too old: half")
    waiting = case.load.transferring + waiting_transfers(case)
    limit = max(1, case.queue.transferring_limit or case.policy.transferring_limit)
    return Factor("transfers", 1 / (1 + waiting / limit), f"{waiting} transfers before the next")


def success_factor(case: Case) -> Factor:
    """The chance that an attempt does not fail by the queue's fault; ten good ones are assumed of everybody."""
    if not case.believed(case.snapshot.failures.taken):
        return Factor("success", 0.5, "what is known is too old: half")
    rate = case.snapshot.failures.facts.get(case.queue.name, FailureRate())
    known = max(1, case.policy.failures_known)
    value = (rate.ended - rate.failed + known) / (rate.ended + known)
    return Factor("success", value * value, f"{rate.failed} of {rate.ended} attempts failed lately")


def pledge_factor(case: Case) -> Factor:
    """Cores that cannot be taken back come first."""
    if over_pledged(case):
        words = f"{case.load.running_cores} cores run, {case.queue.pledged} are pledged: the next are borrowed"
        return Factor("pledge", case.policy.borrowed, words)
    borrowed = case.queue.pledged < 0
    return Factor("pledge", case.policy.borrowed if borrowed else 1.0, "borrowed cores" if borrowed else "own cores")


def country_factor(case: Case) -> Factor:
    """A country's queue suits its own jobs twice as well."""
    home = case.user.country
    own = bool(home) and home in case.queue.countries
    return Factor("country", 2.0 if own else 1.0, f"of {home}" if own else "no country's own job")


#: Those that belong to the snapshot and not to single inputs, in the order in which they are told, before the others.
STANDING = (backlog_factor, success_factor, pledge_factor, country_factor)


def factors_of(case: Case) -> tuple[Factor, ...]:
    """Answer all factors of a queue's weight for a job; each is above 0."""
    return (*(factor(case) for factor in STANDING), data_factor(case), load_factor(case))


def standing_weight(case: Case) -> float:
    """Answer the product of the factors that neither single inputs nor jobs that are placed change."""
    product = 1.0
    for factor in STANDING:
        product *= factor(case).value
    return product
