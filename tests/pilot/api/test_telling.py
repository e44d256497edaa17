from __future__ import annotations

import threading

from pilot.api.telling import Teller


def test_calls_are_made_one_at_a_time_in_order_and_to_the_end():
    told, here = [], set()

    def note(word):
        here.add(threading.current_thread())
        told.append(word)

    teller = Teller(nobody=False)
    for word in range(100):
        teller.tell(note, word)
    teller.close()
    assert teller.wait(30)
    assert told == list(range(100))
    assert len(here) == 1
    assert threading.current_thread() not in here


def test_the_first_that_a_callback_raises_is_kept_and_the_others_are_called():
    told = []

    def fail(word):
        told.append(word)
        raise KeyError(word)

    teller = Teller(nobody=False)
    thread = [thread for thread in threading.enumerate() if thread.name == "stage-told"][-1]
    for word in "ab":
        teller.tell(fail, word)
    assert teller.wait(30)
    teller.close()
    thread.join(30)
    assert teller.wrong.args == ("a",)
    assert told == ["a", "b"]


def test_what_cannot_be_called_is_told_as_what_it_raises():
    teller = Teller(nobody=False)
    teller.tell(5, "a")
    assert teller.wait(30)
    teller.close()
    assert isinstance(teller.wrong, TypeError)


def test_to_wait_too_short_is_told():
    gate, teller = threading.Event(), Teller(nobody=False)
    teller.tell(gate.wait, 30)
    teller.close()
    assert not teller.wait(0.01)
    gate.set()
    assert teller.wait(30)


def test_where_nobody_is_to_be_told_there_is_no_thread():
    before = threading.active_count()
    teller = Teller(nobody=True)
    assert threading.active_count() == before
    assert teller.wait(0)
