"""Keys of object storages: from which section, and of which file."""

from __future__ import annotations

import pytest

from pilot.copytool import s3_access
from pilot.copytool.base import CopyFailed, FailureKind

KEYS = """
[default]
aws_access_key_id = D
aws_secret_access_key = of-default

[host:9000]
aws_access_key_id = H
aws_secret_access_key = of-host%
aws_session_token = for-a-while

[half]
aws_access_key_id = only
"""


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.ini"
    path.write_text(KEYS)
    path.chmod(0o600)
    return path


def test_the_section_of_the_host_goes_before_the_default(keys):
    found = s3_access.keys_in(str(keys), ("host:9000", "bucket", "default"))
    assert found == {
        "aws_access_key_id": "H",
        "aws_secret_access_key": "of-host%",
        "aws_session_token": "for-a-while",
    }
    assert s3_access.keys_in(str(keys), ("", "half", "default"))["aws_access_key_id"] == "D"


def test_without_a_file_keys_are_left_to_the_librarys_own_ways():
    assert s3_access.keys_in("", ("default",)) == {}


def test_a_file_that_others_can_read_is_refused(keys):
    keys.chmod(0o644)
    with pytest.raises(CopyFailed, match="chmod 600") as caught:
        s3_access.keys_in(str(keys), ("default",))
    assert caught.value.kind is FailureKind.AUTHENTICATION


@pytest.mark.parametrize("content", ["", "no section\nsecret-word", "[other]\naws_access_key_id = secret-word\n"])
def test_a_file_without_the_keys_is_refused_and_none_of_it_is_told(keys, content):
    keys.write_text(content)
    with pytest.raises(CopyFailed, match=r"no keys in \[host\], \[default\]") as caught:
        s3_access.keys_in(str(keys), ("host", "", "default"))
    assert "secret-word" not in caught.value.words


def test_that_the_file_is_not_there_is_told_and_says_nothing_of_an_object(tmp_path):
    for look in (s3_access.keys_in, lambda path, _: s3_access.client_for({"credentials": path})):
        with pytest.raises(CopyFailed, match="gone .s3.credentials_file. could not be read") as caught:
            look(str(tmp_path / "gone"), ("default",))
        assert caught.value.kind is FailureKind.AUTHENTICATION
