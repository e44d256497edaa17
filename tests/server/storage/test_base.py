"""What storages and those who copy among them hand to each other."""

from __future__ import annotations

import pytest

from server.storage.base import Copy


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("adler32:0a1b2c3d", "adler32:0a1b2c3d"),
        ("ADLER32:0A1B2C3D", "adler32:0a1b2c3d"),
        ("ad:a1b2c3d", "adler32:0a1b2c3d"),
        ("0A1B2C3D", "adler32:0a1b2c3d"),
        ("", None),
        (None, None),
        ("sha256:00", "sha256:00"),  # which nobody compares with: the copy says so
    ],
)
def test_a_checksum_is_kept_as_storages_tell_theirs(given, kept):
    assert Copy("root://a//f", "root://b//f", 1, given).checksum == kept
