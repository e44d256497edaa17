"""What the conductor keeps of one job besides the job itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from pilot.control.journal import Record
from pilot.control.ledger import Amount, Waiting
from pilot.control.news import Site
from pilot.control.reports import Course
from pilot.job import Job, Phase, Problem


@dataclass
class Slot:
    """Changed by the conductor only. ``started`` is seconds since 1970; ``since`` and ``heard`` are on its clock."""

    job: Job
    site: Site
    request_id: str
    started: float
    since: float
    heard: float = 0.0
    spent: dict[Phase, float] = field(default_factory=dict)
    final: str = ""  # the final report, once it is written; the same each time it is sent
    refusals: int = 0
    refusal: Optional[Problem] = None
    unwritten: bool = False

    def __post_init__(self) -> None:
        self.heard = self.since

    def move(self, job: Job, now: float) -> None:
        """Take the job's next value; the time since the last change of phase belongs to the old phase."""
        if job.phase is not self.job.phase:
            self.spent[self.job.phase] = self.spent.get(self.job.phase, 0.0) + now - self.since
            self.since = now
        self.job = job

    def waiting(self) -> Waiting:
        """Answer what the job needs to begin."""
        spec = self.job.spec
        seconds = float(spec.max_walltime or self.site.queue.max_time or "inf")
        return Waiting(spec.key, Amount(spec.cores, spec.memory, spec.disk), seconds, self.since)

    def course(self, queue: str) -> Course:
        """Answer how the job has gone in time."""
        return Course(queue, self.started, dict(self.spent))

    def record(self, server: str, queue: str) -> Record:
        """Answer what the journal is to know."""
        problem = self.job.problem
        return Record(
            id=self.job.spec.id,
            attempt=self.job.spec.attempt,
            server=server,
            queue=queue,
            phase=self.job.phase.value,
            started=self.started,
            request_id=self.request_id,
            problem=f"{problem.code.name}: {problem.detail}" if problem else "",
            stored=self.job.stored,
            final=self.final,
        )
