"""Reading the production: progress of tasks, the run × step matrix, evidence and outputs. A fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from server.production.archive.queries import tape_json
from server.production.causes import read_cause
from server.production.models import Task
from server.production.queries.events import event_json, iso, recent_events, what_moved
from server.production.queries.evidence import Evidence, evidence_of, find_run
from server.production.queries.groups import GROUP_KINDS, GROUP_STATES, GroupPage, group_page
from server.production.queries.matrix import SHOWS, SORTS, Matrix, RunLine, check_json, matrix_of, run_lines
from server.production.queries.outputs import output_json, outputs_of
from server.production.queries.overview import Productions, productions
from server.production.queries.progress import LABELS, STEPS, Progress, steps_of
from server.production.queries.runs import CHUNK_STATES, RunPage, run_page
from server.production.queries.task_list import (
    TASK_SHOWS,
    TASK_STATES,
    TASK_TYPES,
    Filters,
    ListedTask,
    TaskPage,
    task_page,
)
from server.production.queries.tasks import (
    TaskLine,
    children_of,
    find_task,
    find_task_by_number,
    owners_of_user_tasks,
    recent_tasks,
    task_lines,
)
from server.production.reference.known import read_known
from server.production.submission.explain import Explanation, explain
from server.production.task_limits import TaskLimit, limits_of
from server.production.totals import summary
from server.taskbuffer import queries as taskbuffer

__all__ = [
    "CHUNK_STATES",
    "GROUP_KINDS",
    "GROUP_STATES",
    "LABELS",
    "SHOWS",
    "SORTS",
    "STEPS",
    "TASK_SHOWS",
    "TASK_STATES",
    "TASK_TYPES",
    "Evidence",
    "Filters",
    "GroupPage",
    "ListedTask",
    "Matrix",
    "Productions",
    "Progress",
    "RunLine",
    "RunPage",
    "TaskLine",
    "TaskPage",
    "caps_of",
    "check_json",
    "children_of",
    "event_json",
    "evidence_of",
    "explanation",
    "find_run",
    "find_task",
    "find_task_by_number",
    "group_page",
    "iso",
    "limit_lines",
    "matrix_of",
    "output_json",
    "outputs_of",
    "owners_of_user_tasks",
    "productions",
    "read_cause",
    "recent_events",
    "recent_tasks",
    "run_lines",
    "run_page",
    "steps_of",
    "summary",
    "task_json",
    "task_lines",
    "task_page",
    "what_moved",
]


def task_json(task: Task) -> dict[str, Any]:
    """Answer everything about a task: progress, matrix, cross-checks, outputs, latest moves."""
    (line,) = task_lines([task])
    runs = run_lines(task)
    return {
        **line.as_json(),
        "jobs": taskbuffer.counts_of_task(task.pk),
        "matrix": [run.as_json() for run in runs],
        "checks": [check_json(check) for run in runs for check in run.checks],
        "outputs": [output_json(output) for output in outputs_of(task)],
        "events_log": [event_json(event) for event in recent_events(task)],
        "children": children_of(task),
        "limits": [limit.as_json() for limit in limit_lines(task)],
        "tape": tape_json(task, timezone.now()),
    }


def limit_lines(task: Task) -> list[TaskLimit]:
    """Answer what limits a task, each value with where it comes from."""
    return limits_of(task)


def caps_of(queues: Iterable[str]) -> dict[str, int]:
    """Answer how many jobs productions let wait in each of these queues at most."""
    known = read_known()
    return {queue: known.limits_at(queue).queued_per_queue for queue in queues}


def explanation(task: Task) -> Explanation:
    """Answer why so many, or no, jobs of a task are being sent."""
    return explain(task, timezone.now())
