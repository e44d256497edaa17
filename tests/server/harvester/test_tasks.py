"""The clean-up is a service of the server."""

from __future__ import annotations

from server.services.registry import Turn, declared
from tests.server.harvester.test_logic import NOW


def test_the_clean_up_says_how_many_it_deleted(db):
    assert declared()["harvester.prune"](Turn("harvester.prune", NOW, lambda: None)) == {"deleted": 0}
