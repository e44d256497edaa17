"""Things that are written a moment later, by a thread of their own."""

from __future__ import annotations

import os
import threading

import pytest

from server.lib.afterwards import Afterwards


class Shelf:
    """Where things are written; while it is closed, nothing is."""

    def __init__(self):
        self.batches, self.is_open, self.tried = [], True, threading.Event()

    def write(self, things):
        self.tried.set()
        if not self.is_open:
            raise OSError("closed")
        self.batches.append(list(things))

    @property
    def things(self):
        return [thing for batch in self.batches for thing in batch]


@pytest.fixture
def shelf():
    return Shelf()


def test_what_is_put_before_the_start_is_written_after_it(shelf):
    later = Afterwards("test", shelf.write, every=0.0)
    later.put("early")
    assert shelf.batches == []
    later.start()
    assert later.flush(10)
    assert shelf.things == ["early"]


def test_things_are_written_in_order_by_another_thread(shelf):
    writers = set()

    def write(things):
        writers.add(threading.current_thread().name)
        shelf.write(things)

    later = Afterwards("writes", write, every=60.0)
    later.start()
    for number in range(100):
        later.put(number)
    assert later.flush(10)
    assert shelf.things == list(range(100))
    assert writers == {"writes"}


def test_what_cannot_be_written_is_written_when_it_can_be(shelf):
    later = Afterwards("test", shelf.write, every=0.0)
    later.start()
    shelf.is_open = False
    later.put(1)
    assert shelf.tried.wait(10)
    assert not later.flush(10)
    later.put(2)
    shelf.is_open = True
    assert later.flush(10)
    assert shelf.things == [1, 2]


def test_of_too_many_things_the_last_are_kept_and_the_others_counted(shelf):
    later = Afterwards("test", shelf.write, most=3)
    for number in range(5):
        later.put(number)
    assert later.lost == 2
    assert later.flush()
    assert shelf.things == [2, 3, 4]


def test_things_that_are_alike_take_one_place(shelf):
    later = Afterwards("test", shelf.write, most=2, fold=lambda things: sorted(set(things)))
    shelf.is_open = False
    for word in ("a", "b", "b", "a"):
        later.put(word)
        later.flush()
    shelf.is_open = True
    assert later.flush()
    assert (shelf.things, later.lost) == (["a", "b"], 0)


def test_a_child_of_a_fork_writes_its_own_things_and_not_its_parents(tmp_path):
    file = tmp_path / "said"

    def write(things):
        with file.open("a") as out:
            out.write("".join(f"{thing}\n" for thing in things))

    later = Afterwards("test", write, every=60.0)
    later.start()
    later.put("parent")
    child = os.fork()
    if child == 0:
        later.put("child")
        os._exit(0 if later.flush(10) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert file.read_text() == "child\n"
    assert later.flush(10)
    assert file.read_text() == "child\nparent\n"


def test_in_a_storm_nobody_waits_for_more_and_what_is_alike_is_not_lost(shelf):
    written = threading.Event()

    def write(things):
        shelf.write(things)
        written.set()

    later = Afterwards("test", write, most=10, every=60.0, fold=lambda things: sorted(set(things)))
    later.start()
    for _ in range(5):
        later.put("storm")
    assert written.wait(10)  # long before the minute is over
    assert (shelf.things, later.lost) == (["storm"], 0)


def test_while_nothing_can_be_written_what_is_alike_still_takes_one_place(shelf):
    later = Afterwards("test", shelf.write, most=4, every=0.0, fold=lambda things: sorted(set(things)))
    later.start()
    shelf.is_open = False
    for _ in range(50):
        later.put("storm")
        assert not later.flush(10)
    shelf.is_open = True
    assert later.flush(10)
    assert (shelf.things, later.lost) == (["storm"], 0)
