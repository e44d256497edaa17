from __future__ import annotations

import math
import random

import pytest

from pilot.control.ledger import PATIENCE, UNCOUNTED, Ahead, Amount, Ledger, Waiting
from pilot.control.news import Opening

GB = 10**9


def job(number, cores=1, seconds=math.inf, since=0.0, **more):
    return Waiting((number, 1), Amount(cores, **more), seconds, since)


def begun(ledger, *waiting, now=0.0):
    return [number for number, _ in ledger.begin(waiting, now)]


def test_one_place_is_for_one_job():
    ledger = Ledger(1)
    assert ledger.opening((), 0.0) == Opening(1)
    assert begun(ledger, job(1, 8), job(2)) == [1]
    assert ledger.opening((), 0.0) is None


def test_cores_are_given_out_until_there_are_none_and_come_back():
    ledger = Ledger(3, Amount(cores=8))
    assert begun(ledger, job(1, 6), job(2, 4), job(3, 2)) == [1, 3]
    assert ledger.opening((), 0.0) is None
    ledger.give_back((1, 1))
    assert begun(ledger, job(2, 4)) == [2]


@pytest.mark.parametrize("part", ["memory", "disk"])
def test_memory_and_disk_are_given_out_too(part):
    ledger = Ledger(3, Amount(cores=8, **{part: 4 * GB}))
    assert begun(ledger, job(1, **{part: 3 * GB}), job(2, **{part: 2 * GB}), job(3, **{part: GB})) == [1, 3]


def test_a_job_that_does_not_say_how_much_memory_it_wants_has_what_goes_with_its_cores():
    ledger = Ledger(8, Amount(cores=8, memory=16 * GB))
    assert begun(ledger, job(1, cores=4)) == [1]
    assert ledger.opening((), 0.0).memory == 8 * GB
    uncounted = Ledger(4, Amount(memory=16 * GB))
    begun(uncounted, job(1, cores=9))
    assert uncounted.opening((), 0.0).memory == 12 * GB


def test_what_is_free_is_what_is_asked_for_one_job_at_a_time():
    ledger = Ledger(4, Amount(8, 16 * GB, 100 * GB))
    begun(ledger, job(1, cores=3, memory=GB, disk=10 * GB))
    assert ledger.opening((), 0.0) == Opening(1, 5, 15 * GB, 90 * GB)


def test_a_job_that_waits_has_a_place_already():
    ledger = Ledger(2, Amount(cores=8))
    begun(ledger, job(1, cores=4))
    assert ledger.opening((job(2, cores=8),), 0.0) is None


def test_a_job_that_wants_more_than_there_is_runs_alone():
    ledger = Ledger(2, Amount(cores=4))
    assert begun(ledger, job(1, 16)) == [1]
    assert begun(ledger, job(2, 1)) == []


def test_a_large_job_is_overtaken_for_a_while_and_then_no_more():
    ledger = Ledger(9, Amount(cores=8))
    begun(ledger, job(1, cores=4))
    assert begun(ledger, job(2, cores=8), job(3, cores=2), now=PATIENCE - 1) == [3]
    assert begun(ledger, job(2, cores=8), job(4, cores=2), now=PATIENCE) == []
    for gone in (1, 3):
        ledger.give_back((gone, 1))
    assert begun(ledger, job(2, cores=8), job(4, cores=2), now=PATIENCE) == [2]


def test_small_jobs_without_end_cannot_starve_a_large_one():
    ledger, now, started = Ledger(8, Amount(cores=8)), 0.0, None
    begun(ledger, *(job(number) for number in range(8)))
    large = job(100, cores=8, since=0.0)
    for number in range(8, 200):  # every 100 s a small job ends, and another one is there
        now += 100
        ledger.give_back((number - 8, 1))
        if 100 in begun(ledger, large, job(number), now=now):
            started = now
            break
    assert started is not None
    assert started <= PATIENCE + 8 * 100


def test_a_job_that_ends_before_the_large_one_can_begin_uses_the_cores_meanwhile():
    ledger = Ledger(9, Amount(cores=8))
    begun(ledger, job(1, cores=4, seconds=5000))
    large = job(2, cores=8)
    assert begun(ledger, large, job(3, seconds=4500), now=PATIENCE) == []
    assert begun(ledger, large, job(4, seconds=4000), now=PATIENCE) == [4]
    assert ledger.opening((large,), PATIENCE) == Opening(1, cores=3, seconds=5000 - PATIENCE)


def test_nothing_is_asked_for_that_could_not_end_before_the_large_job_begins():
    ledger = Ledger(9, Amount(cores=8))
    begun(ledger, job(1, cores=4, seconds=PATIENCE + 10))
    assert ledger.opening((job(2, cores=8),), PATIENCE) is None


def test_what_the_large_job_leaves_is_used_beside_it():
    ledger = Ledger(9, Amount(cores=8))
    begun(ledger, job(1, cores=4))
    large = job(2, cores=6)
    assert ledger.opening((large,), PATIENCE) == Opening(1, cores=2)
    assert begun(ledger, large, job(3, cores=2), job(4, cores=1), now=PATIENCE) == [3]
    assert ledger.opening((large,), PATIENCE) is None


def test_what_nobody_holds_can_be_given_back():
    ledger = Ledger(1)
    ledger.give_back((1, 1))
    assert ledger.opening((), 0.0) == Opening(1)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_nothing_is_given_twice_and_every_job_begins(seed):
    luck, total = random.Random(seed), Amount(8, 16 * GB, 100 * GB)
    ledger, now, coming = Ledger(6, total), 0.0, 40
    waiting, running, begun_at = [], {}, {}
    while coming or waiting or running:
        now += 50
        for key in [key for key, (until, _) in running.items() if until <= now]:
            ledger.give_back(key)
            del running[key]
        if coming and len(waiting) < 3:
            seconds = luck.choice((300.0, 3000.0, math.inf))
            amount = Amount(luck.choice((1, 1, 1, 2, 4, 8, 16)), luck.choice((0, 3 * GB)), 10 * GB)
            waiting.append(Waiting((coming, 1), amount, seconds, now))
            coming -= 1
        for key in ledger.begin(waiting, now):
            one = next(one for one in waiting if one.key == key)
            waiting.remove(one)
            running[key] = (now + min(one.seconds, luck.choice((100, 2000))), one.amount)
            begun_at[key] = now - one.since
        held = [amount for _, amount in running.values()]
        assert len(held) <= 6
        assert len(held) <= 1 or all(sum(amount[part] for amount in held) <= total[part] for part in range(3))
    assert len(begun_at) == 40
    assert max(begun_at.values()) < 20_000


# What may be brought ahead.


def ahead(jobs=1, inputs=100, *, places=1, total=UNCOUNTED):
    ledger = Ledger(places, total, Ahead(jobs, inputs))
    begun(ledger, job(1, cores=4, seconds=500.0, disk=7))
    return ledger


def wants(number, inputs=10, **more):
    return job(number, 4)._replace(inputs=inputs, **more)


def fetched(ledger, *waiting, free=10**6):
    return [number for number, _ in ledger.fetch(waiting, lambda: free)]


def test_work_is_asked_for_ahead_as_long_as_too_few_jobs_wait():
    assert ahead().opening((), 100.0) == Opening(1, after=400.0)
    assert ahead(2).opening((wants(2),), 0.0) == Opening(1, after=500.0)
    assert ahead().opening((wants(2),), 0.0) is None
    assert ahead(0).opening((), 0.0) is None


def test_ahead_is_asked_for_what_is_free_when_the_first_job_has_ended():
    ledger = ahead(places=2, total=Amount(cores=4, memory=GB))
    assert ledger.opening((), 0.0) == Opening(1, cores=4, memory=GB, after=500.0)


def test_nobody_knows_when_a_job_ends_that_asks_for_no_time():
    ledger = Ledger(1, Amount(), Ahead(1, 1))
    begun(ledger, job(1))
    assert ledger.opening((), 0.0) == Opening(1)


def test_inputs_come_ahead_in_the_order_of_the_jobs_and_within_their_room():
    assert fetched(ahead(3), wants(2, 60), wants(3, 50), wants(4, 40)) == [2, 4]
    assert fetched(ahead(3), wants(2, 60, fetched=True), wants(3, 50), wants(4, 40)) == [4]
    assert fetched(ahead(1), wants(2), wants(3)) == [2]
    assert fetched(ahead(1), wants(2, fetched=True), wants(3)) == []
    assert fetched(ahead(1), wants(2, None)) == []


def test_inputs_leave_to_the_jobs_that_run_what_these_have_asked_for():
    assert fetched(ahead(), wants(2, 60), free=66) == []
    assert fetched(ahead(), wants(2, 60), free=67) == [2]


def test_a_job_that_would_find_too_little_disk_now_waits_for_its_turn():
    larger = wants(2, 10)._replace(amount=Amount(4, disk=200))
    assert fetched(ahead(), larger, free=199) == []
    assert fetched(ahead(), larger, free=200) == [2]
    assert fetched(ahead(2), wants(3, 10), larger, free=209) == [3]


def test_the_disk_is_not_looked_at_when_nothing_is_to_be_brought():
    assert ahead(0).fetch((wants(2),), lambda: 1 // 0) == []
    assert ahead(1).fetch((), lambda: 1 // 0) == []


def test_who_has_begun_holds_what_it_needs():
    ledger = ahead()
    assert ledger.holds((1, 1))
    assert not ledger.holds((2, 1))
