from __future__ import annotations

import pytest

from server.lib.texts import storable


@pytest.mark.parametrize(
    ("said", "held"),
    [("full", "full"), ("a\0b\udcffc", "a\ufffdb\ufffdc"), ("é \U0001f600\n", "é \U0001f600\n"), ("", "")],
)
def test_what_no_database_holds_is_replaced_and_nothing_else(said, held):
    assert storable(said) == held
