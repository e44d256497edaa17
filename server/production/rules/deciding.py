"""What becomes of a chunk or a merge whose job has failed: rules and limits are read when the first one is seen."""

from __future__ import annotations

from functools import cached_property

from server.production.chains import chain_of
from server.production.judging import JobView
from server.production.models import Chunk, MergeGroup
from server.production.reference.known import Known, read_known
from server.production.rules.known import read_rules
from server.production.rules.match import Decision, Failure, Rule, decide


class Deciding:
    """Decides about the failures of one cycle: three statements, and none where nothing has failed."""

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return read_rules()

    @cached_property
    def known(self) -> Known:
        return read_known()

    def decide(self, owner: Chunk | MergeGroup, view: JobView) -> Decision:
        """Say what becomes of a row whose job has ended badly."""
        return decide(self.rules, failure_of(owner, view, delay=self.known.limits_for(owner.task).retry_delay))


def failure_of(owner: Chunk | MergeGroup, view: JobView, *, delay: int) -> Failure:
    """Answer the failure of a job as rules see it; ``delay`` is the task's own, in seconds."""
    task, merge = owner.task, isinstance(owner, MergeGroup)
    return Failure(
        merge=owner.kind if isinstance(owner, MergeGroup) else "",
        payload_error=view.payload_error,
        pilot_error=view.pilot_error,
        words=view.said or view.words or f"its job {view.id} ended {view.state.value}",
        task_types=(task.type, task.kind),
        queue=view.queue,
        attempts=attempts_of(owner, view),
        most=task.max_attempts,
        delay=delay,
        raw=not merge and chain_of(task.type).raw,
        bound=is_bound(owner),
    )


def is_bound(owner: Chunk | MergeGroup) -> bool:
    """Say whether a row's task names the queue of its jobs."""
    return bool(owner.task.queue or (isinstance(owner, MergeGroup) and owner.task.merging_queue))


def attempts_of(owner: Chunk | MergeGroup, view: JobView) -> int:
    """Answer how many attempts a row has used, with those that the task buffer has made by itself."""
    return max(owner.attempts, view.attempt + owner.ahead)
