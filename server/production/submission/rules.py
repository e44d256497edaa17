"""The rules on one task: each takes the number of the rule before it, and answers its own with the reason. Pure."""

from __future__ import annotations

from collections.abc import Callable

from server.production.submission.facts import Bounds, QueueFacts, TaskFacts

Rule = Callable[[int, TaskFacts, QueueFacts, Bounds], tuple[int, str]]


def staged(number: int, task: TaskFacts, queue: QueueFacts, bounds: Bounds) -> tuple[int, str]:
    """As many as have their input."""
    waits = f"; {task.defined} wait for their input" if task.defined else ""
    return task.staged, f"{task.staged} chunks have their input and no job{waits}"


def per_cycle(number: int, task: TaskFacts, queue: QueueFacts, bounds: Bounds) -> tuple[int, str]:
    """Not more than the task may send in one cycle."""
    return min(number, task.most), f"at most {task.most} of a task in one cycle"


def probe(number: int, task: TaskFacts, queue: QueueFacts, bounds: Bounds) -> tuple[int, str]:
    """A few at a time until the first job of a task has finished."""
    if task.succeeded:
        return number, "a job of it has finished before"
    left = max(0, bounds.probe_jobs - task.in_flight)
    return min(number, left), (
        f"it is new: {bounds.probe_jobs} jobs at a time until one has finished, and {task.in_flight} are on their way"
    )


def failing(number: int, task: TaskFacts, queue: QueueFacts, bounds: Bounds) -> tuple[int, str]:
    """Very few at a time while the last jobs of a task have all failed."""
    if task.failed_since < bounds.failing_jobs:
        return number, f"{task.failed_since} jobs failed since the last one that finished"
    left = max(0, bounds.failing_probes - task.in_flight)
    return min(number, left), (
        f"its last {task.failed_since} jobs have all failed: {bounds.failing_probes} at a time until one finishes,"
        f" and {task.in_flight} are on their way"
    )


def failures(number: int, task: TaskFacts, queue: QueueFacts, bounds: Bounds) -> tuple[int, str]:
    """Fewer while many of a task's jobs fail: the part that finishes."""
    return _part(number, "its jobs", task.finished + task.failed, task.failed, bounds)


def site_failures(number: int, task: TaskFacts, queue: QueueFacts, bounds: Bounds) -> tuple[int, str]:
    """Fewer to a queue where many attempts fail by no fault of their payloads; a few go on, to see it mended."""
    return _part(number, "the queue's attempts", queue.ended, queue.failed, bounds)


def _part(number: int, whose: str, ended: int, failed: int, bounds: Bounds) -> tuple[int, str]:
    words = f"{failed} of the last {ended} of {whose} failed"
    if ended < bounds.results_needed or 100 * failed <= bounds.failure_percent * ended:
        return number, words
    least = min(number, bounds.failing_probes)
    return max(least, number * (ended - failed) // ended), f"{words}: that much less is sent"


#: What each task wants for itself, in this order.
RULES: tuple[Rule, ...] = (staged, per_cycle, probe, failing, failures, site_failures)


def room(task: TaskFacts, queue: QueueFacts, bounds: Bounds) -> tuple[int, str]:
    """Say how many more jobs of a task a queue takes: enough for its slots to stay busy, and no more than it may hold.

    What waits there with a lower priority is in nobody's way: pilots get the higher ones first.
    """
    busy = max(queue.running, queue.slots)
    wanted = max(bounds.queue_floor, bounds.queue_fill * busy)
    ahead = queue.queued if task.ahead is None else min(task.ahead, queue.queued)
    if queue.most - queue.queued <= wanted - ahead:
        full = "" if queue.queued < queue.most else "; some have to run first, or raise queued_per_queue of its site"
        return max(
            0, queue.most - queue.queued
        ), f"{queue.queued} jobs wait in the queue, which takes {queue.most}{full}"
    return max(0, wanted - ahead), _words(queue, ahead, wanted)


def _words(queue: QueueFacts, ahead: int, wanted: int) -> str:
    lower = f" and {queue.queued - ahead} of lower priority" if queue.queued > ahead else ""
    said = f"{ahead} jobs{lower} wait in the queue"
    if not queue.running and not queue.slots:
        return (
            f"{said}, where none runs and nobody says how many could: {wanted} may wait;"
            " look whether pilots come there, or raise queue_floor of its site"
        )
    slots = queue.slots or "an unknown number of"
    return f"{said}, where {queue.running} run in {slots} slots: {wanted} keep it busy"
