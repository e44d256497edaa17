"""Uploads appear whole or not at all, under names that are free, and go when their days are over."""

from __future__ import annotations

import gzip
import os
import zlib
from datetime import UTC, datetime, timedelta

import pytest

from server.uploads import logic, queries
from server.uploads.logic import SMALL_LIMIT, UploadRefused, forget_old, store
from server.uploads.models import Upload

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NAME = "sources.8a4c2f1e-0000-4000-8000-123456789abc.tar.gz"
OTHER = "jobO.8a4c2f1e000040008000123456789abc.tar.gz"


def keep(name=NAME, body=b"abc", owner="alice", now=NOW):
    return store(name, [body[:2], body[2:]], owner=owner, now=now)


def test_a_file_is_kept_as_it_was_sent_and_nothing_beside_it(home):
    keep()
    assert [path.name for path in (home / "cache").iterdir()] == [NAME]
    assert (home / "cache" / NAME).read_bytes() == b"abc"
    assert (home / "cache").stat().st_mode & 0o077 == 0


def test_a_packed_file_is_known_by_its_own_checksum(home):
    text = os.urandom(1000)
    body = gzip.compress(text)
    found = keep(body=body)
    assert (found.size, found.crc) == (len(body), zlib.crc32(text))
    assert queries.same("alice", len(body), str(zlib.crc32(text))) == found
    assert queries.same("alice", len(body), found.sha256.upper()) == found
    assert queries.same("bob", len(body), found.sha256) is None
    assert queries.same("alice", len(body) + 1, found.sha256) is None


def test_the_same_file_again_is_no_mistake(home):
    assert keep() == keep()
    assert Upload.objects.count() == 1


@pytest.mark.parametrize(("body", "owner"), [(b"other", "alice"), (b"abc", "bob")])
def test_a_name_that_is_taken_is_refused_and_the_first_file_stays(home, body, owner):
    keep()
    with pytest.raises(UploadRefused, match="there is another file of this name"):
        keep(body=body, owner=owner)
    assert [path.read_bytes() for path in (home / "cache").iterdir()] == [b"abc"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "is not a name of"),
        ("../x", "is not a name of"),
        (".hidden", "is not a name of"),
        ("a b", "is not a name of"),
        ("x" * 201, "is not a name of"),
        ("sources.tar.gz", "have a random UUID in it"),
    ],
)
def test_a_name_that_is_no_good_is_refused(home, name, words):
    with pytest.raises(UploadRefused, match=words):
        keep(name=name)
    assert not Upload.objects.exists()


def test_too_large_a_file_is_refused_and_leaves_nothing(home):
    assert logic.limit_of(OTHER) == SMALL_LIMIT
    chunk = bytes(2**18)
    store(NAME, [chunk] * 4, owner="alice", now=NOW)
    with pytest.raises(UploadRefused, match="more than 1048576 bytes"):
        store(NAME.replace("8a", "8b"), [chunk] * 5, owner="alice", now=NOW)
    assert len(list((home / "cache").iterdir())) == 1


def test_old_files_go_and_what_was_never_wholly_received(home):
    keep(now=NOW - timedelta(days=8))
    keep(OTHER)
    part = home / "cache" / ".part-1"
    part.write_bytes(b"a")
    young = home / "cache" / ".part-2"
    young.write_bytes(b"a")
    stamp = NOW.timestamp()
    os.utime(part, (stamp - 90000, stamp - 90000))
    os.utime(young, (stamp - 100, stamp - 100))
    (home / "cache" / ".part-3").symlink_to("gone while it was looked at")
    assert forget_old(now=NOW) == 2
    assert {path.name for path in (home / "cache").iterdir()} == {OTHER, ".part-2", ".part-3"}
    assert [upload.name for upload in Upload.objects.all()] == [OTHER]
    assert forget_old(now=NOW) == 0


def test_a_file_that_is_called_as_parts_once_were_stays(home):
    keep(f"part-{NAME}")
    stamp = NOW.timestamp() - 90000
    os.utime(home / "cache" / f"part-{NAME}", (stamp, stamp))
    assert forget_old(now=NOW) == 0


def test_nothing_is_forgotten_where_nothing_ever_came(home):
    assert forget_old(now=NOW) == 0
