"""How many jobs of each task go now, each number with its reasons: one pure function of facts."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from server.production.submission.facts import Bounds, Decisions, QueueFacts, Step, TaskFacts
from server.production.submission.rules import RULES, room


def decide(
    tasks: Iterable[TaskFacts],
    queues: Mapping[str, QueueFacts],
    bounds: Bounds,
    own: Mapping[int | str, Bounds] | None = None,
) -> Decisions:
    """Say how many jobs of each task are submitted now.

    What a task wants follows from itself and its queue; what it gets, from the room there is. The tasks of the highest
    priority choose first. Those of one priority share evenly: the next job is of the task that has the fewest.
    A task without a queue is not bound here: brokerage sends its jobs to several.

    Args:
        tasks: The tasks that may have jobs.
        queues: The queues that they name.
        bounds: The numbers of the rules.
        own: Those that a task, by its number, or a queue, by its name, has instead.

    Returns:
        By task, what each rule made of the number, and why; the last number counts.
    """
    own_of: Mapping[int | str, Bounds] = own or {}
    wishes = {task: _wish(task, queues, own_of.get(task.task, bounds)) for task in tasks}
    decided: dict[int, tuple[Step, ...]] = {}
    for name, its_tasks in _by_queue(wishes).items():
        there = queues.get(name) if name else None
        if there is None:
            words = "brokerage chooses its queue" if not name else f"nothing is known of the queue {name}"
            decided |= {task.task: (*wishes[task], _last("room", wishes[task], words)) for task in its_tasks}
        else:
            decided |= _within(its_tasks, wishes, there, own_of.get(name, bounds))
    return decided


def _wish(task: TaskFacts, queues: Mapping[str, QueueFacts], bounds: Bounds) -> tuple[Step, ...]:
    number, steps, queue = 0, list[Step](), queues.get(task.queue) or QueueFacts(most=0)
    for rule in RULES:
        number, reason = rule(number, task, queue, bounds)
        steps.append(Step(rule.__name__, number, reason))
    return tuple(steps)


def _by_queue(tasks: Iterable[TaskFacts]) -> dict[str, list[TaskFacts]]:
    found: dict[str, list[TaskFacts]] = defaultdict(list)
    for task in tasks:
        found[task.queue].append(task)
    return found


def _last(rule: str, steps: Sequence[Step], reason: str) -> Step:
    return Step(rule, steps[-1].number, reason)


def _within(
    tasks: Sequence[TaskFacts], wishes: Mapping[TaskFacts, tuple[Step, ...]], queue: QueueFacts, bounds: Bounds
) -> dict[int, tuple[Step, ...]]:
    """Give the room of one queue to its tasks, those of the highest priority first."""
    decided, taken, wanting = {}, 0, sum(1 for task in tasks if wishes[task][-1].number)
    for peers in _by_priority(tasks):
        left, words = room(peers[0], queue, bounds)
        given = share(peers, {task: wishes[task][-1].number for task in peers}, left - taken)
        for task in peers:
            wish = wishes[task][-1].number
            steps = (*wishes[task], Step("room", min(wish, left), words))
            others = wanting - bool(wish)
            many = "1 other task wants" if others == 1 else f"{others} other tasks want"
            said = f"{many} the {left} places, too" if others else "no other task wants the places"
            decided[task.task] = (*steps, Step("share", given[task], said))
        taken += sum(given.values())
    return decided


def _by_priority(tasks: Iterable[TaskFacts]) -> Iterator[list[TaskFacts]]:
    ordered = sorted(tasks, key=lambda task: -task.priority)
    return (list(peers) for _, peers in groupby(ordered, key=lambda task: task.priority))


def share(tasks: Iterable[TaskFacts], wishes: Mapping[TaskFacts, int], places: int) -> dict[TaskFacts, int]:
    """Divide places among tasks of one priority, evenly; nobody gets more than it wants."""
    given, left = dict.fromkeys(tasks, 0), places
    heap = [(task.in_flight, task.task, task) for task in given if wishes[task] > 0]
    heapq.heapify(heap)
    while heap and left > 0:
        jobs, number, task = heapq.heappop(heap)
        given[task] += 1
        left -= 1
        if given[task] < wishes[task]:
            heapq.heappush(heap, (jobs + 1, number, task))
    return given
