"""The limits of the watchdog."""

from __future__ import annotations

from pilot.contract.states import FINAL, JobState
from server.settings.environment import Environment
from server.taskbuffer.limits import SILENCES, STAYS, WAITS, Limits, limits


def test_every_live_state_has_a_limit():
    assert set(WAITS) | set(SILENCES) == set(JobState) - FINAL
    assert not set(WAITS) & set(SILENCES)
    assert set(STAYS) < set(SILENCES)


def test_every_limit_is_a_setting_with_the_same_default():
    assert limits() == Limits()
    for setting in {*WAITS.values(), *SILENCES.values(), *STAYS.values()}:
        assert Limits().of(setting) == getattr(Environment(), setting)
