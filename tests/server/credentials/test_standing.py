"""A word for how each credential stands."""

from __future__ import annotations

import pytest

from server.credentials.models import Credential
from server.credentials.standing import WELL, Standing, ends_soon, standing
from tests.server.credentials.making import HOUR, NOW

GOOD = {"sealed": b"x", "obtained_at": NOW - 12 * HOUR, "ends_at": NOW + 12 * HOUR, "renew_ahead": 3600}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, Standing.GOOD),
        ({"ends_at": None}, Standing.GOOD),
        ({"enabled": False, "sealed": None}, Standing.OFF),
        ({"sealed": None}, Standing.MISSING),
        ({"ends_at": NOW}, Standing.ENDED),
        ({"failures": 1}, Standing.FAILING),
        ({"ends_at": NOW + HOUR}, Standing.ENDS_SOON),
    ],
)
def test_the_worst_is_said_first(changes, word):
    assert standing(Credential(**{**GOOD, **changes}), NOW) is word
    assert (word in WELL) == (word in (Standing.GOOD, Standing.OFF))


def test_what_lives_shorter_than_the_time_ahead_is_renewed_at_half_of_its_life():
    row = Credential(renew_ahead=6 * 3600, obtained_at=NOW, ends_at=NOW + HOUR)
    assert not ends_soon(row, NOW + 0.4 * HOUR)
    assert ends_soon(row, NOW + 0.5 * HOUR)
