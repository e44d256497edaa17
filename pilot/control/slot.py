"""What the conductor keeps of one job besides the job itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Optional

from pilot.contract.job_wire import to_panda
from pilot.control.journal import Record, figures_of
from pilot.control.ledger import Amount, Waiting
from pilot.control.news import Answer, Site
from pilot.control.reports import Course
from pilot.job import Job, Phase, Problem


def _debugs(catchall: str) -> bool:
    """Say whether a queue has all its jobs in debug mode."""
    if "setdebugmode" not in catchall:
        return False
    from pilot.contract.catchall import words

    return "setdebugmode" in words(catchall)


@dataclass(eq=False, repr=False)  # each method is compiled at the start
class Slot:
    """Changed by the conductor only. ``started`` is seconds since 1970; ``since`` and ``heard`` are on its clock."""

    job: Job
    site: Site
    request_id: str
    started: float
    since: float
    heard: float = 0.0
    last_try: float = float("-inf")  # when a report was sent after none had been taken for too long
    spent: dict[Phase, float] = field(default_factory=dict)
    final: str = ""  # the final report, once it is written; the same each time it is sent
    refusals: int = 0
    refusal: Optional[Problem] = None
    unwritten: bool = False
    asking: float = 0.0  # seconds between the request for it and the answer
    debug: bool = False
    keep: bool = False  # its directory is to be left
    beat_at: float = 0.0  # when its next heartbeat is due
    looking: bool = False  # the last look for a heartbeat has brought nothing yet
    shown: dict[tuple[str, ...], float] = field(default_factory=dict)  # what was looked at lately, and when
    #: Taken over from a dead pilot: in its queue's name, without cores, and none of this pilot's own failures.
    adopted: bool = False
    queue: str = ""
    spec_text: str = ""
    node: str = ""  # on which its payload was to run
    tries: Sequence[Mapping[str, Any]] = ()  # to copy its files

    def __post_init__(self) -> None:
        self.heard = self.since
        self.debug = self.debug or self.job.spec.debug or _debugs(self.site.queue.catchall)
        self.spec_text = self.spec_text or json.dumps(to_panda(self.job.spec))

    def move(self, job: Job, now: float) -> None:
        """Take the job's next value; the time since the last change of phase belongs to the old phase."""
        if job.phase is not self.job.phase:
            self.spent[self.job.phase] = self.spent.get(self.job.phase, 0.0) + now - self.since
            self.since = now
        self.job = job

    def learn(self, answer: Answer) -> None:
        """Keep what an answer tells of a payload, and under which names its outputs are, where it says so.

        How a payload ended is worth telling even when it was stopped, and the answer is late.
        """
        if answer.outcome is not None or answer.metrics:
            self.job = self.job.evolve(outcome=answer.outcome, metrics=dict(answer.metrics or {}))
        if answer.outputs is not None:
            self.job = self.job.evolve(spec=replace(self.job.spec, outputs=answer.outputs))
            self.spec_text = json.dumps(to_panda(self.job.spec))

    def waiting(self) -> Waiting:
        """Answer what the job needs to begin."""
        spec = self.job.spec
        seconds = float(spec.max_walltime or self.site.queue.max_time or "inf")
        sizes = [file.size for file in spec.inputs]
        return Waiting(
            spec.key,
            Amount(spec.cores, spec.memory, spec.disk),
            seconds,
            self.since,
            None if None in sizes else sum(size or 0 for size in sizes),
            fetched=self.job.phase is not Phase.ACCEPTED,
        )

    def course(self, queue: str, now: float) -> Course:
        """Answer how the job has gone in time until now."""
        phase = self.job.phase
        spent = {**self.spent, phase: self.spent.get(phase, 0.0) + now - self.since}
        return Course(self.queue or queue, self.started, spent, self.asking)

    def record(self, server: str, queue: str) -> Record:
        """Answer what the journal is to know."""
        job = self.job
        return Record(
            id=job.spec.id,
            attempt=job.spec.attempt,
            server=server,
            queue=self.queue or queue,
            phase=job.phase.value,
            started=self.started,
            request_id=self.request_id,
            spec=self.spec_text,
            problem=job.problem,
            outcome=figures_of(job.outcome),
            usage=None if job.usage is None else asdict(job.usage),
            metrics=job.metrics,
            stored=job.stored,
            spent={phase.value: seconds for phase, seconds in self.spent.items()},
            final=self.final,
            node=self.node,
        )
