"""The lane that has the conductor give signs of life."""

from __future__ import annotations

import os
import queue
import threading
from types import SimpleNamespace

from pilot.control.component import END, Budget
from pilot.control.news import Sign
from pilot.control.side_lanes import SIGN_OF_LIFE, sign_lanes
from pilot.control.signs import SignLane
from pilot.settings import load


def test_the_conductor_is_asked_at_once_and_again_until_the_end(tmp_path):
    told = queue.Queue()
    lane = SignLane(tmp_path / "sign", Budget(3), told.put, period=0.001)
    thread = threading.Thread(target=lane.run, daemon=True)
    thread.start()
    assert [told.get(timeout=60) for _ in range(3)] == [Sign(tmp_path / "sign")] * 3
    lane.inbox.put(END)
    thread.join(60)
    assert not thread.is_alive()


def test_a_sign_is_that_the_file_is_touched(tmp_path):
    sign = Sign(tmp_path / "sign")
    sign.give()
    os.utime(sign.path, (1, 1))
    sign.give()
    assert sign.path.stat().st_mtime > 1


def test_a_sign_that_cannot_be_given_harms_nobody(tmp_path):
    Sign(tmp_path / "gone" / "sign").give()
    assert list(tmp_path.iterdir()) == []


def test_signs_are_given_where_whoever_started_the_pilot_names_a_file(tmp_path):
    parts = SimpleNamespace(settings=load([]).settings, environment={})
    assert sign_lanes(parts, print) == []
    parts.environment = {SIGN_OF_LIFE: str(tmp_path / "sign")}
    (lane,) = sign_lanes(parts, print)
    assert lane.take() == Sign(tmp_path / "sign")
