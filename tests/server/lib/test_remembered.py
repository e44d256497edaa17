"""What a worker remembers."""

from __future__ import annotations

import pytest

from server.lib.remembered import Remembered


def test_an_answer_is_believed_until_its_time_is_over():
    asked = []
    memory = Remembered(lambda key: asked.append(key) or len(asked), seconds=60.0)
    assert [memory.of("a"), memory.of("a"), memory.of("b")] == [1, 1, 2]
    memory.forget()
    assert memory.of("a") == 3


def test_nothing_is_believed_for_no_time():
    asked = []
    memory = Remembered(asked.append, seconds=0.0)
    memory.of("a")
    memory.of("a")
    assert asked == ["a", "a"]


def test_what_was_refused_is_asked_again():
    def refuse(key):
        raise LookupError(key)

    memory = Remembered(refuse, seconds=60.0)
    for _ in range(2):
        with pytest.raises(LookupError):
            memory.of("a")


def test_memory_is_bounded():
    memory = Remembered(lambda key: key, seconds=60.0, most=10)
    for key in range(1000):
        memory.of(key)
    assert len(memory._known) <= 10
