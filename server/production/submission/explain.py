"""Why so many, or no, jobs of a task are being sent: what was decided last, what would be decided now, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from server.production.archive.queries import waits as tape_waits
from server.production.models import Task
from server.production.reference.known import read_known
from server.production.staging.explain import staging_waits
from server.production.states import ACTIVE, TaskState, values
from server.production.steering_models import SubmitDecision
from server.production.submission.decide import decide
from server.production.submission.facts import Bounds, QueueFacts, Step, TaskFacts
from server.production.submission.gather import active_tasks, look
from server.production.submission.record import decisions_of
from server.production.submission.waits import failure_waits, merge_waits


@dataclass(frozen=True)
class Explanation:
    """What is known of a task's submission; ``answer`` is the one sentence."""

    task: Task
    answer: str
    steps: Sequence[Step] = ()
    facts: TaskFacts | None = None
    queue: QueueFacts | None = None
    waits: Sequence[str] = ()
    decisions: Sequence[SubmitDecision] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        return {
            "task": self.task.name,
            "status": self.task.state,
            "answer": self.answer,
            "waits": list(self.waits),
            "steps": [step.as_json() for step in self.steps],
            "facts": {
                "task": asdict(self.facts) if self.facts else None,
                "queue": asdict(self.queue) if self.queue else None,
            },
            "decisions": [decision_json(one) for one in self.decisions],
        }


def decision_json(one: SubmitDecision) -> dict[str, Any]:
    return {
        "began": one.began.isoformat(),
        "latest": one.latest.isoformat(),
        "times": one.times,
        "number": one.number,
        "sent": one.sent,
        "words": one.words,
        "trace": one.trace,
    }


def explain(task: Task, now: datetime) -> Explanation:
    """Explain the submission of a task; a number of statements that does not depend on anything."""
    decisions, known = decisions_of(task), read_known()
    waits = [
        *failure_waits(task, now),
        *merge_waits(task, known),
        *staging_waits(task, now),
        *tape_waits(task, now),
    ]
    if task.state not in values(ACTIVE):
        return Explanation(task, _not_active(task), waits=waits, decisions=decisions)
    view = look(active_tasks(), known, now)
    if task.pk not in view.facts:
        return Explanation(task, "it was moved a moment ago; look again", waits=waits, decisions=decisions)
    steps = decide(view.facts.values(), view.queues, Bounds(), view.bounds)[task.pk]
    facts = view.facts[task.pk]
    answer = _answer(facts, steps, decisions[0] if decisions else None)
    return Explanation(task, answer, steps, facts, view.queues.get(task.queue), waits, decisions)


def _not_active(task: Task) -> str:
    """Say what would have to happen; the task's state stands before it, wherever it is shown."""
    told = {
        TaskState.DRAFT: "nothing of it is sent until you start it",
        TaskState.READY: "its jobs are being defined",
        TaskState.JOBS_READY: "its jobs are defined: start it",
        TaskState.PAUSED: "nothing of it is sent: move it to running to go on",
        TaskState.FINISHING: "nothing more is started: it is over when what runs has ended",
    }
    return told.get(TaskState(task.state), "nothing of it is sent any more")


def _answer(facts: TaskFacts, steps: Sequence[Step], last: SubmitDecision | None) -> str:
    if last is not None and last.words and not last.sent:
        return f"nothing could be sent: {last.words}"
    if not facts.staged:
        if facts.defined:
            return f"nothing is sent: all {facts.defined} chunks without a job wait for their input"
        return "nothing is left to send: every chunk has its job"
    if steps[-1].number:
        return f"{steps[-1].number} of {facts.staged} go in the next cycle: {binding(steps).reason}"
    return f"nothing is sent, though {facts.staged} chunks are staged: {binding(steps).reason}"


def binding(steps: Sequence[Step]) -> Step:
    """Answer the last step that has changed the number: the reason why it is not more."""
    found = steps[0]
    for before, step in pairwise(steps):
        if step.number != before.number:
            found = step
    return found
