"""Uploads are found by their content."""

from __future__ import annotations

import pytest

from server.uploads import queries
from tests.server.uploads.test_logic import BODY, NAME, keep


@pytest.mark.parametrize("checksum", ["", "x", "99999999999", "-1", "0" * 64])
def test_a_checksum_that_nothing_has_finds_nothing(home, checksum):
    keep()
    assert queries.same("alice", len(BODY), checksum) is None


def test_a_file_is_found_by_its_name(home):
    assert queries.by_name(NAME) is None
    assert queries.by_name(keep().name).owner == "alice"
