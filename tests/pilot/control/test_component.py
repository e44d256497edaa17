from __future__ import annotations

import queue
import re
import time
from pathlib import Path

import pytest

import pilot
from pilot.control.component import END, HOUR, Budget, Component
from pilot.control.supervisor import Supervisor


class Fragile(Component):
    def __init__(self, *items, budget=2):
        super().__init__("fragile", queue.Queue(), Budget(budget))
        self.seen, self.told = [], []
        for item in items:
            self.inbox.put(item)

    def handle(self, item):
        self.seen.append(item)
        if item < 0:
            raise RuntimeError(item)

    def broke(self, item, error):
        self.told.append((item, str(error)))
        if item < -100:
            raise RuntimeError("telling breaks too")


def test_an_item_that_breaks_is_answered_for_and_the_next_one_is_handled():
    fragile = Fragile(1, -2, 3, END)
    assert fragile.run()
    assert (fragile.seen, fragile.told) == ([1, -2, 3], [(-2, "-2")])


def test_a_component_that_keeps_breaking_gives_up_and_has_answered_for_each_item():
    fragile = Fragile(-1, -2, -3, 4)
    assert not fragile.run()
    assert fragile.seen == [-1, -2, -3]
    assert [item for item, _ in fragile.told] == [-1, -2, -3]


def test_what_breaks_while_it_is_told_is_not_told_again():
    fragile = Fragile(-101, 2, END)
    assert fragile.run()
    assert fragile.told == [(-101, "-101")]
    assert fragile.seen == [-101, 2]


def test_an_item_whose_handling_wants_to_end_the_program_is_answered_for_as_well():
    class Leaving(Fragile):
        def handle(self, item):
            raise SystemExit(item)

    leaving = Leaving(3, END)
    assert leaving.run()
    assert leaving.told == [(3, "sys.exit(3) was called")]


def test_a_wait_that_breaks_counts_too():
    class Deaf(Fragile):
        def take(self):
            raise OSError("no wait")

    deaf = Deaf()
    assert not deaf.run()
    assert deaf.told == []


def test_a_budget_is_for_an_hour():
    now = [0.0]
    budget = Budget(2, lambda: now[0])
    assert [budget.spend() for _ in range(3)] == [True, True, False]
    now[0] = HOUR + 1
    assert budget.spend()


@pytest.fixture
def supervised():
    def make(*components):
        gave_up = queue.Queue()
        supervisor = Supervisor(components, gave_up.put)
        supervisor.start()
        return supervisor, gave_up

    return make


def test_what_was_queued_before_the_end_is_handled(supervised):
    steady = Fragile(*range(1000))
    supervisor, _ = supervised(steady)
    assert supervisor.close(within=10) == []
    assert steady.seen == list(range(1000))


def test_a_component_that_gives_up_is_named(supervised):
    _, gave_up = supervised(Fragile(-1, -2, -3))
    assert gave_up.get(timeout=60) == "fragile"


def test_a_thread_that_hangs_is_named_and_not_waited_for(supervised):
    released = queue.Queue()

    class Hanging(Fragile):
        def handle(self, item):
            released.get()

    supervisor, _ = supervised(Hanging(1))
    before = time.monotonic()
    assert supervisor.close(within=0.1) == ["fragile"]
    assert time.monotonic() - before < 30
    released.put(None)
    assert supervisor.close(within=5) == []


def test_an_idle_component_uses_no_processor_time(supervised):
    supervisor, gave_up = supervised(Fragile())
    before = time.process_time()
    with pytest.raises(queue.Empty):
        gave_up.get(timeout=0.3)
    assert time.process_time() - before < 0.05
    supervisor.close(within=5)


def test_nothing_in_the_pilot_sleeps_or_looks_again_and_again():
    """Stock pilots sleep between looks: half a second to ten seconds, in each of twenty threads."""
    sources = Path(pilot.__file__).parent.rglob("*.py")
    assert [str(path) for path in sources if re.search(r"\bsleep\(", path.read_text())] == []
