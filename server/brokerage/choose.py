"""Which queue a job is sent to: every rule is asked of every queue, and the highest weight of those that pass wins.

Equal weights are told apart by the queues' names, so that the same facts always give the same answer.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from server.brokerage.policy import Policy
from server.brokerage.rules import RULES, Case, Finding, inputs_fit
from server.brokerage.snapshot import JobNeeds, Load, QueueFacts, Snapshot
from server.brokerage.weights import Factor, bytes_here, data_value, drain, factors_of, located, standing_weight


@dataclass(frozen=True)
class Verdict:
    """What all rules say of one queue for one job, and its weight; a queue that is refused has no factors."""

    queue: str
    findings: tuple[Finding, ...]
    factors: tuple[Factor, ...] = ()

    @property
    def refused(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.passed)

    @property
    def passed(self) -> bool:
        return not self.refused

    @property
    def weight(self) -> float:
        """The product of the factors; 0 for a queue that is refused."""
        product = 1.0 if self.factors else 0.0
        for factor in self.factors:
            product *= factor.value
        return product


@dataclass(frozen=True)
class Choice:
    """The queue that a job is sent to; "" when there is none, and then ``words`` say why and what can be done.

    ``lasting``: no queue will ever take the job as it is and as the queues are described. ``tags``: how many queues
    were refused by each tag.
    """

    queue: str
    words: str = ""
    lasting: bool = False
    tags: tuple[tuple[str, int], ...] = ()


def judge(job: JobNeeds, queue: QueueFacts, snapshot: Snapshot, policy: Policy) -> Verdict:
    """Ask every rule about one job and one queue."""
    case = Case(job, queue, snapshot, policy)
    findings = tuple(rule(case) for rule in RULES)
    passed = all(finding.passed for finding in findings)
    return Verdict(queue.name, findings, factors_of(case) if passed else ())


def judge_all(job: JobNeeds, snapshot: Snapshot, policy: Policy) -> list[Verdict]:
    """Ask every rule about one job and all queues; the best queue comes first, those that are refused last."""
    verdicts = [judge(job, queue, snapshot, policy) for queue in snapshot.queues.facts.values()]
    return sorted(verdicts, key=lambda verdict: (len(verdict.refused), -verdict.weight, verdict.queue))


def explain_choice(verdicts: Sequence[Verdict]) -> Choice:
    """Answer the choice among verdicts that are sorted, best first."""
    if not verdicts:
        return Choice("", "there are no queues; the admin's page Queues defines them", lasting=True)
    if verdicts[0].passed:
        return Choice(verdicts[0].queue)
    tags = Counter(finding.tag for verdict in verdicts for finding in verdict.refused)
    nearest = verdicts[0]
    remedies = "; ".join(finding.words for finding in nearest.refused)
    counted = ", ".join(f"{n} {tag}" for tag, n in sorted(tags.items()))
    words = f"no queue of {len(verdicts)} takes the job ({counted}); nearest is {nearest.queue}: {remedies}"
    never = all(any(finding.lasting for finding in verdict.refused) for verdict in verdicts)
    return Choice("", words, never, tuple(sorted(tags.items())))


class _Offer(NamedTuple):
    """A queue that passes for jobs of one kind. Offers are sorted by the first two fields; the best comes first."""

    weight: float  # negative
    queue: str
    standing: float  # the part of the weight that does not change while jobs are placed
    load: Load
    placed: int  # at the queue, when the weight was computed


#: Kinds of jobs that are remembered while many are placed.
MOST_KINDS = 5000


class Placement:
    """Places many jobs, one after the other, on one snapshot: each that is placed makes its queue longer.

    Jobs that ask for the same share one judgement, so that the next costs a look at the best queue. Of a job with
    inputs these alone are judged anew.
    """

    def __init__(self, snapshot: Snapshot, policy: Policy) -> None:
        self._snapshot = snapshot
        self._policy = policy
        self._known: dict[JobNeeds, tuple[Choice, list[_Offer]]] = {}
        self._by_queue: Counter[str] = Counter()
        self._by_user: Counter[str] = Counter()

    @property
    def placed(self) -> dict[str, int]:
        """How many jobs each queue was sent."""
        return dict(self._by_queue)

    def place(self, job: JobNeeds) -> Choice:
        """Choose a queue for the next job, and count it there."""
        choice, offers = self._known.get(job) or self._judged(job)
        if not offers:
            return choice
        if refused := self._over_quota(job.user):
            return refused
        name = self._best(offers)
        self._by_queue[name] += 1
        self._by_user[job.user] += 1
        return Choice(name)

    def _best(self, offers: list[_Offer]) -> str:
        """Answer the best queue of a heap. Weights only sink while jobs are placed, so what is behind needs no look."""
        while (best := offers[0]).placed != (placed := self._by_queue[best.queue]):
            weight = -best.standing * drain(best.load, placed)
            heapq.heapreplace(offers, best._replace(weight=weight, placed=placed))
        return best.queue

    def _over_quota(self, user: str) -> Choice | None:
        facts = self._snapshot.users.facts.get(user)
        if facts is None or not facts.max_queued or facts.queued + self._by_user[user] < facts.max_queued:
            return None
        words = f"user {user} may have {facts.max_queued} jobs queued, and has them; submit when some have run"
        return Choice("", words, tags=(("-quota", len(self._snapshot.queues.facts)),))

    def _judged(self, job: JobNeeds) -> tuple[Choice, list[_Offer]]:
        """Answer the queues that take a job, as a heap; or why there are none."""
        found = self._with_inputs(job) if job.inputs else self._kind(job)
        heapq.heapify(found[1])
        if len(self._known) >= MOST_KINDS:
            self._known.clear()
        self._known[job] = found
        return found

    def _kind(self, job: JobNeeds) -> tuple[Choice, list[_Offer]]:
        verdicts = judge_all(job, self._snapshot, self._policy)
        cases = [self._case(job, verdict.queue) for verdict in verdicts if verdict.passed]
        offers = [self._offer(case.queue.name, case.load, standing_weight(case)) for case in cases]
        return explain_choice(verdicts), offers

    def _with_inputs(self, job: JobNeeds) -> tuple[Choice, list[_Offer]]:
        """Judge the inputs alone, at the queues that take such jobs without any."""
        kind = replace(job, inputs=())
        _, alike = self._known.get(kind) or self._judged(kind)
        queues, policy = self._snapshot.queues.facts, self._policy
        files, needed = located(job, self._snapshot, policy), job.input_size
        total = sum(size for size, _ in files)
        offers = []
        for offer in alike:
            queue = queues[offer.queue]
            if inputs_fit(job, needed, queue):
                value = data_value(bytes_here(files, queue.storages), total, policy)
                offers.append(self._offer(offer.queue, offer.load, offer.standing * value))
        if offers:
            return Choice(""), offers
        return explain_choice(judge_all(job, self._snapshot, self._policy)), []

    def _case(self, job: JobNeeds, queue: str) -> Case:
        return Case(job, self._snapshot.queues.facts[queue], self._snapshot, self._policy)

    def _offer(self, queue: str, load: Load, standing: float) -> _Offer:
        placed = self._by_queue[queue]
        return _Offer(-standing * drain(load, placed), queue, standing, load, placed)
