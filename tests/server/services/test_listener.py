from __future__ import annotations

import os

import pytest

from server.services.listener import Listener, Wishes, _open_pipe
from server.services.wake import pipe


def test_a_wish_is_followed_at_once():
    wishes = Wishes(gap=0.2)
    wishes.add(["a", "b", "a"])
    assert wishes.wait(5.0, 1.0) == 0.0
    assert wishes.take(5.0) == ["a", "b"]
    assert wishes.take(5.0) == []


def test_wishes_in_quick_succession_are_one_after_the_gap():
    wishes = Wishes(gap=0.2)
    wishes.add("a")
    wishes.take(5.0)
    for _ in range(100):
        wishes.add("a")
    assert wishes.take(5.1) == []
    assert wishes.wait(5.1, 1.0) == pytest.approx(0.1)
    assert wishes.take(5.2) == ["a"]
    assert wishes.take(9.0) == []


def test_without_wishes_the_wait_is_the_longest():
    assert Wishes().wait(5.0, 0.7) == 0.7
    assert Wishes().wait(5.0, -1.0) == 0.0


def test_what_was_sent_lately_is_known():
    wishes = Wishes()
    assert not wishes.sent_since("a", 0.0)
    wishes.add("a")
    wishes.take(5.0)
    assert wishes.sent_since("a", 5.0)
    assert not wishes.sent_since("a", 5.1)


def test_a_file_in_the_place_of_the_pipe_is_named(settings, tmp_path):
    settings.HOME = tmp_path
    pipe().touch()
    with pytest.raises(FileExistsError, match=r"services\.wake is not a pipe"):
        _open_pipe()


def test_a_listener_that_has_ended_by_itself_may_be_stopped(settings, tmp_path):
    settings.HOME = tmp_path
    os.mkfifo(pipe())
    Listener().stop()
