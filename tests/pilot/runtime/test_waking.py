from __future__ import annotations

import os
import threading
import time

from pilot.runtime.waking import Waking


class Pipe:
    def __init__(self):
        self.read, self.write = os.pipe()

    def fileno(self):
        return self.read


def test_an_item_wakes_whoever_waits():
    waking = Waking()
    threading.Timer(0.05, waking.put, ["item"]).start()
    assert waking.wait([], 10) == []
    assert waking.get_nowait() == "item"
    waking.close()
    waking.put("late")  # nobody reads any more


def test_what_is_put_after_the_end_is_written_into_nobodys_file(tmp_path):
    waking = Waking()
    waking.close()
    with (tmp_path / "one").open("wb") as one, (tmp_path / "two").open("wb") as two:  # they take the numbers
        waking.put("late")
        waking.close()
        one.write(b"1")
        two.write(b"2")
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"1", b"2"]


def test_a_wait_of_years_is_no_error():
    waking = Waking()
    waking.put("item")
    assert waking.wait([], 1e12) == []
    waking.close()


def test_another_descriptor_wakes_too_and_is_named():
    waking, pipe = Waking(), Pipe()
    os.write(pipe.write, b"x")
    assert waking.wait([pipe], 10) == [pipe]
    os.close(pipe.read)
    os.close(pipe.write)
    waking.close()


def test_a_wait_ends_at_its_time():
    waking, began = Waking(), time.monotonic()
    assert waking.wait([], 0.05) == []
    assert 0.04 < time.monotonic() - began < 30
    waking.close()


def test_many_items_do_not_fill_what_wakes():
    waking = Waking()
    for number in range(100_000):
        waking.put(number)
    assert waking.wait([], 0) == []
    assert waking.qsize() == 100_000
    waking.close()
