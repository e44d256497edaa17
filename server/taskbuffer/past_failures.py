"""What rules would have done with failures that are past: nothing is changed, each is judged as if it came now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import orjson

from pilot.contract.states import JobState
from server.pandaconfig.queries import QueueLimits, limits_of_queues
from server.taskbuffer.models import Attempt, JobReport
from server.taskbuffer.obstacles import most_memory
from server.taskbuffer.retry_rules import Action, Failure, Rule, decide
from server.taskbuffer.verdict import KB

#: Attempts of one statement.
BATCH = 500
#: Most attempts that are looked at: a page waits for the answer.
MOST = 20_000
#: Jobs that are named for each line.
EXAMPLES = 5


@dataclass(frozen=True)
class Past:
    """One failed attempt; ``again``: another one followed it, by the server itself or because somebody asked."""

    job_id: int
    failure: Failure
    again: bool


@dataclass
class Line:
    """What one rule would have done, or the server without any, and to how many failures."""

    rule: int | None
    words: str
    again: bool
    failures: int = 0
    were_tried_again: int = 0
    jobs: list[int] = field(default_factory=list)

    def add(self, past: Past) -> None:
        self.failures += 1
        self.were_tried_again += past.again
        if len(self.jobs) < EXAMPLES:
            self.jobs.append(past.job_id)


@dataclass(frozen=True)
class Preview:
    """The answer: its lines, those of rules first. ``complete`` is false where there was more than is looked at."""

    since: datetime
    lines: Sequence[Line]
    complete: bool


def preview(rules: Sequence[Rule], *, since: datetime, most: int = MOST) -> Preview:
    """Judge the failed attempts that began after a time, the latest first, by these rules."""
    about_memory = any(rule.action is Action.MEMORY for rule in rules)
    queues = limits_of_queues() if about_memory else {}
    seen = 0
    pasts: list[Iterable[Past]] = []
    for attempts in _attempts_since(since):
        pasts.append(_failed(attempts, queues, about_memory=about_memory))
        seen += len(attempts)
        if seen >= most:
            break
    return Preview(since, judged(chain.from_iterable(pasts), rules), complete=seen < most)


def judged(pasts: Iterable[Past], rules: Sequence[Rule]) -> list[Line]:
    """Sum up what rules would have done."""
    lines: dict[tuple[int | None, str, bool], Line] = {}
    for past in pasts:
        decision = decide(past.failure, rules)
        words = decision.words or ("no rule: another attempt" if decision.again else "no rule: no further attempt")
        key = (decision.rule, words, decision.again)
        lines.setdefault(key, Line(*key)).add(past)
    return sorted(lines.values(), key=lambda line: (line.rule is None, line.rule or 0, line.words))


def _attempts_since(since: datetime) -> Iterator[Sequence[Attempt]]:
    """Read attempts, the latest first; their numbers rise with the times at which they began."""
    before: int | None = None
    while True:
        rows = Attempt.objects.select_related("job__bucket").order_by("-pk")
        found = list((rows if before is None else rows.filter(pk__lt=before))[:BATCH])
        young = [attempt for attempt in found if attempt.sent_at >= since]
        if young:
            yield young
        if len(young) < BATCH:
            return
        before = found[-1].pk


def _failed(attempts: Sequence[Attempt], queues: Mapping[str, QueueLimits], *, about_memory: bool) -> Iterator[Past]:
    failed = [attempt for attempt in attempts if attempt.state == JobState.FAILED.value]
    seen = _memory_seen([attempt.pk for attempt in failed]) if about_memory else {}
    most = most_memory(queues.values())
    for attempt in failed:
        job = attempt.job
        failure = Failure(
            attempt=attempt.number,
            max_attempts=job.max_attempts,
            pilot_error=attempt.pilot_error,
            pilot_words=attempt.pilot_error_words,
            payload_error=attempt.payload_error,
            payload_words=attempt.payload_error_words,
            exit_status=attempt.exit_status or 0,
            dispatcher_error=attempt.dispatcher_error,
            data_error=attempt.data_error,
            server_words=attempt.server_error_words,
            label=job.label,
            memory=job.bucket.memory,
            max_rss=seen.get(attempt.pk, 0),
            queue_memory=queues[attempt.queue].memory if attempt.queue in queues else 0,
            most_memory=most,
        )
        yield Past(job.pk, failure, again=job.attempt > attempt.number)


def _memory_seen(attempts: Sequence[int]) -> Mapping[int, int]:
    """Answer the most memory in bytes that each attempt's report tells of."""
    reports = JobReport.objects.filter(attempt__in=attempts).values_list("attempt_id", "report")
    said = {attempt: orjson.loads(report).get("max_rss") for attempt, report in reports}
    return {attempt: value * KB for attempt, value in said.items() if isinstance(value, int)}
