"""The number of jobs of each task follows from facts alone, rule by rule, each with its reason."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from server.production.submission.decide import decide, share
from server.production.submission.facts import Bounds, QueueFacts, TaskFacts
from server.production.submission.rules import RULES, room

BOUNDS = Bounds()
TASK = TaskFacts(1, "Q", 2000, most=50, staged=40, succeeded=True)
QUEUE = QueueFacts(most=10_000, queued=0, running=100, slots=100)


def numbers(task=TASK, queue=QUEUE, bounds=BOUNDS):
    (steps,) = decide([task], {"Q": queue}, bounds).values()
    return {step.rule: step.number for step in steps}


def reason(rule, task=TASK, queue=QUEUE):
    (steps,) = decide([task], {"Q": queue}, BOUNDS).values()
    return next(step.reason for step in steps if step.rule == rule)


def test_what_is_staged_goes_where_nothing_speaks_against_it():
    assert set(numbers().values()) == {40}
    assert list(numbers()) == [*(rule.__name__ for rule in RULES), "room", "share"]


def test_nothing_staged_is_nothing_sent_and_what_waits_is_told():
    assert numbers(replace(TASK, staged=0, defined=7))["share"] == 0
    assert reason("staged", replace(TASK, staged=0, defined=7)) == (
        "0 chunks have their input and no job; 7 wait for their input"
    )


def test_a_cycle_has_its_bound():
    assert numbers(replace(TASK, staged=400))["per_cycle"] == 50


@pytest.mark.parametrize(
    ("succeeded", "sent", "running", "expected"),
    [(False, 0, 0, 10), (False, 4, 3, 3), (False, 10, 0, 0), (False, 20, 5, 0), (True, 20, 5, 40)],
)
def test_a_new_task_begins_with_a_probe_and_then_opens(succeeded, sent, running, expected):
    task = replace(TASK, succeeded=succeeded, sent=sent, running=running)
    assert numbers(task)["share"] == expected
    assert ("it is new" in reason("probe", task)) is not succeeded


@pytest.mark.parametrize(
    ("failed_since", "in_flight", "expected"), [(4, 0, 40), (5, 0, 2), (500, 1, 1), (5, 2, 0), (5, 60, 0)]
)
def test_a_task_whose_last_jobs_all_failed_sends_probes_until_one_finishes(failed_since, in_flight, expected):
    task = replace(TASK, failed_since=failed_since, sent=in_flight)
    assert numbers(task)["share"] == expected
    if failed_since >= BOUNDS.failing_jobs:
        assert f"its last {failed_since} jobs have all failed: 2 at a time" in reason("failing", task)


@pytest.mark.parametrize(
    ("finished", "failed", "expected"),
    [(0, 0, 40), (1, 18, 40), (10, 10, 40), (9, 11, 18), (1, 99, 2), (0, 20, 2), (100, 0, 40)],
)
def test_many_failures_of_a_task_or_of_its_queue_let_the_part_go_that_finishes(finished, failed, expected):
    assert numbers(replace(TASK, finished=finished, failed=failed))["share"] == expected
    assert numbers(queue=replace(QUEUE, ended=finished + failed, failed=failed))["share"] == expected


def test_a_queue_that_fails_still_gets_a_few_to_see_when_it_is_mended():
    assert numbers(replace(TASK, staged=1), replace(QUEUE, ended=50, failed=50))["share"] == 1


@pytest.mark.parametrize(
    ("queued", "running", "slots", "most", "expected"),
    [
        (0, 0, 0, 10_000, 200),  # nobody knows its slots: the floor
        (150, 0, 0, 10_000, 50),
        (200, 10, 10, 10_000, 0),
        (0, 10, 500, 10_000, 1500),  # free slots count as if they ran
        (1400, 500, 0, 10_000, 100),
        (1600, 500, 0, 10_000, 0),
        (9_990, 12_000, 0, 10_000, 10),  # the cap is lower than what would keep it busy
        (10_001, 12_000, 0, 10_000, 0),
        (0, 0, 0, 5, 5),
    ],
)
def test_a_queue_has_room_for_what_keeps_it_busy_and_never_above_its_cap(queued, running, slots, most, expected):
    queue = QueueFacts(most, queued, running, slots)
    assert room(TASK, queue, BOUNDS)[0] == expected
    assert numbers(queue=queue)["room"] == min(40, expected)


def test_a_task_without_a_queue_is_for_brokerage_to_place():
    steps = decide([replace(TASK, queue="")], {}, BOUNDS)[1]
    assert (steps[-1].number, steps[-1].reason) == (40, "brokerage chooses its queue")


def test_a_queue_of_which_nothing_is_known_binds_nothing_and_says_so():
    assert "nothing is known of the queue Q" in decide([TASK], {}, BOUNDS)[1][-1].reason


def of(number, *, priority=2000, in_flight=0):
    return TaskFacts(number, "Q", priority, 50, staged=99, succeeded=True, sent=in_flight)


@pytest.mark.parametrize(
    ("tasks", "wishes", "places", "expected"),
    [
        ([of(1), of(2)], [10, 10], 10, [5, 5]),
        ([of(1), of(2)], [10, 10], 11, [6, 5]),
        ([of(1), of(2)], [2, 10], 10, [2, 8]),
        ([of(1, in_flight=8), of(2)], [10, 10], 10, [1, 9]),
        ([of(1, in_flight=90), of(2)], [10, 10], 10, [0, 10]),
        ([of(1), of(2), of(3)], [0, 0, 0], 5, [0, 0, 0]),
        ([of(1)], [10], 0, [0]),
    ],
)
def test_places_go_evenly_to_tasks_of_one_priority(tasks, wishes, places, expected):
    assert list(share(tasks, dict(zip(tasks, wishes, strict=True)), places).values()) == expected


@pytest.mark.parametrize(("floor", "expected"), [(120, [21, 99]), (50, [0, 50]), (400, [99, 99])])
def test_the_highest_priority_chooses_first(floor, expected):
    low, high = replace(of(1), most=99), replace(of(2, priority=5000), most=99)
    decided = decide([low, high], {"Q": QueueFacts(most=10_000)}, Bounds(queue_floor=floor))
    assert [decided[number][-1].number for number in (1, 2)] == expected


def test_what_waits_with_a_lower_priority_is_in_nobodys_way():
    queue = QueueFacts(most=10_000, queued=900)
    low, high = replace(of(1), ahead=900), replace(of(2, priority=5000), ahead=20)
    decided = decide([low, high], {"Q": queue}, BOUNDS)
    assert [decided[number][-1].number for number in (1, 2)] == [0, 50]
    assert "20 jobs and 880 of lower priority wait in the queue" in decided[2][-2].reason


def test_a_queue_where_nothing_runs_says_what_to_do():
    words = room(TASK, QueueFacts(most=10_000, queued=200), BOUNDS)[1]
    assert words.startswith("200 jobs wait in the queue, where none runs and nobody says how many could: 200 may wait;")
    assert "raise queue_floor of its site" in words


def test_a_full_queue_says_what_to_do():
    words = room(TASK, QueueFacts(most=100, queued=100, running=50, slots=50), BOUNDS)[1]
    assert words.startswith("100 jobs wait in the queue, which takes 100; some have to run first, or raise")


def test_a_task_and_a_queue_may_have_numbers_of_their_own():
    new = replace(TASK, succeeded=False)
    own = {new.task: Bounds(probe_jobs=30), "Q": Bounds(queue_floor=25, queue_fill=1)}
    decided = decide([new], {"Q": replace(QUEUE, running=0, slots=0)}, BOUNDS, own)[new.task]
    assert [step.number for step in decided if step.rule in ("probe", "room")] == [30, 25]


def anything(chance: Random) -> TaskFacts:
    counts = ("staged", "defined", "sent", "running", "finished", "failed", "failed_since")
    return TaskFacts(
        task=chance.randint(1, 10**6),
        queue=chance.choice(["", "Q", "R", "GONE"]),
        priority=chance.choice([1000, 2000]),
        most=chance.randint(1, 60),
        succeeded=chance.random() < 0.5,
        ahead=chance.choice([None, chance.randint(0, 300)]),
        **{name: chance.randint(0, 90) for name in counts},
    )


@pytest.mark.parametrize("seed", range(40))
def test_no_number_grows_no_queue_overflows_and_none_is_negative(seed):
    chance = Random(seed)
    tasks = [anything(chance) for _ in range(chance.randint(0, 8))]
    queues = {name: QueueFacts(*(chance.randint(0, 300) for _ in range(5))) for name in ("Q", "R")}
    decided = decide(tasks, queues, BOUNDS)
    assert set(decided) == {task.task for task in tasks}
    for steps in decided.values():
        found = [step.number for step in steps]
        assert found == sorted(found, reverse=True)
        assert found[-1] >= 0
        assert all(step.reason for step in steps)
    for name, queue in queues.items():
        sent = sum(decided[task.task][-1].number for task in tasks if task.queue == name)
        assert sent <= max(0, queue.most - queue.queued)
