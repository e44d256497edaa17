"""The clean-up is a service of the server."""

from __future__ import annotations

from datetime import timedelta

from server.services.registry import Turn, declared
from tests.server.uploads.test_logic import NOW, keep


def test_the_clean_up_says_how_many_it_removed(home):
    keep(now=NOW - timedelta(days=30))
    turn = Turn("uploads.forget", NOW, lambda: None)
    assert declared()["uploads.forget"](turn) == {"removed": 1}
