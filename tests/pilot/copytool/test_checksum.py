"""Checksums of local files."""

from __future__ import annotations

import pytest

from pilot.copytool import checksum
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind


@pytest.mark.parametrize(
    ("content", "algorithm", "expected"),
    [
        (b"", "adler32", "adler32:00000001"),
        (b"a", "adler32", "adler32:00620062"),
        (b"Wikipedia", "adler32", "adler32:11e60398"),
        (b"", "md5", "md5:d41d8cd98f00b204e9800998ecf8427e"),
        (b"a", "md5", "md5:0cc175b9c0f1b6a831c399e269772661"),
    ],
)
def test_known_sums_come_out_with_their_leading_zeros(tmp_path, content, algorithm, expected):
    (tmp_path / "f").write_bytes(content)
    assert checksum.of_file(tmp_path / "f", algorithm, Deadline(30)) == expected


def test_a_file_of_several_blocks_is_summed_whole(tmp_path):
    content = bytes(range(256)) * (checksum.BLOCK // 100)
    (tmp_path / "f").write_bytes(content)
    at_once = checksum.Adler32()
    at_once.update(content)
    assert checksum.of_file(tmp_path / "f", "adler32", Deadline(30)) == f"adler32:{at_once.hexdigest()}"


def test_an_unknown_algorithm_is_named(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(CopyFailed, match="sha3 is not a checksum"):
        checksum.of_file(tmp_path / "f", "sha3", Deadline(30))


def test_it_is_given_up_between_two_blocks(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    cancel = Cancel()
    cancel.ask()
    with pytest.raises(CopyCancelled):
        checksum.of_file(tmp_path / "f", "adler32", Deadline(30), cancel)
    with pytest.raises(CopyFailed) as caught:
        checksum.of_file(tmp_path / "f", "adler32", Deadline(0))
    assert caught.value.kind is FailureKind.TIMEOUT
