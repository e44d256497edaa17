"""Uploads appear whole or not at all, under names that are free, and go when their days are over."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.uploads import logic, queries
from server.uploads.logic import SMALL_LIMIT, forget_old, store
from server.uploads.models import Upload
from server.uploads.parts import UploadRefused

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NAME = "sources.8a4c2f1e-0000-4000-8000-123456789abc.tar.gz"
OTHER = "jobO.8a4c2f1e000040008000123456789abc.tar.gz"


#: A file that is packed as its name says.
BODY = gzip.compress(b"abc", mtime=0)


def keep(name=NAME, body=BODY, owner="alice", now=NOW):
    return store(name, [body[:2], body[2:]], owner=owner, now=now)


def test_a_file_is_kept_as_it_was_sent_and_nothing_beside_it(home):
    keep()
    assert [path.name for path in (home / "cache").iterdir()] == [NAME]
    assert (home / "cache" / NAME).read_bytes() == BODY
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


@pytest.mark.parametrize(("body", "owner"), [(gzip.compress(b"other"), "alice"), (BODY, "bob")], ids=["other", "bob's"])
def test_a_name_that_is_taken_is_refused_and_the_first_file_stays(home, body, owner):
    keep()
    with pytest.raises(UploadRefused, match="there is another file of this name"):
        keep(body=body, owner=owner)
    assert [path.read_bytes() for path in (home / "cache").iterdir()] == [BODY]


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
    whole = NAME.removesuffix(".gz")
    store(whole, [chunk] * 4, owner="alice", now=NOW)
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


@pytest.mark.parametrize("body", [b"", b"abc", BODY[:17], b"\x1f\x8b\x07" + BODY[3:]])
def test_a_file_that_is_not_packed_as_its_name_says_is_refused(home, body):
    with pytest.raises(UploadRefused, match="it is called as gzip files are"):
        keep(body=body)
    assert list((home / "cache").iterdir()) == []
    keep(name=NAME.removesuffix(".gz"), body=body)


def test_the_ends_of_a_file_count_wherever_it_was_cut(home):
    text = os.urandom(100)
    body = gzip.compress(text)
    found = store(NAME, [body[at : at + 1] for at in range(len(body))], owner="alice", now=NOW)
    assert (found.crc, found.size) == (zlib.crc32(text), len(body))


def limited(settings, **limits):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, **limits)


def test_a_user_is_told_its_quota_and_when_there_is_room_again(home, settings):
    limited(settings, upload_quota=len(BODY) * 2 + 1)
    keep()
    keep(OTHER)
    keep(OTHER)  # the same again takes no room
    with pytest.raises(UploadRefused) as refused:
        keep(NAME.replace("8a", "8b"))
    words = f"you have 2 files of {2 * len(BODY)} bytes here, and may have {2 * len(BODY) + 1} bytes"
    assert words in str(refused.value)
    assert "the oldest goes at 2026-11-29 12:00 UTC" in str(refused.value)
    keep(NAME.replace("8a", "8b"), owner="bob")
    assert len(list((home / "cache").iterdir())) == 3


def test_all_files_together_have_a_limit(home, settings):
    limited(settings, upload_total=len(BODY) * 2 + 1)
    keep()
    keep(OTHER, owner="bob")
    with pytest.raises(UploadRefused, match="the server has room for 1 bytes"):
        keep(NAME.replace("8a", "8b"), owner="carol")


def test_what_came_meanwhile_counts_before_a_file_is_kept(home, settings):
    limited(settings, upload_quota=len(BODY) * 2 - 1)
    with logic.begin(NAME, owner="alice") as part:
        part.write(BODY)
        keep(OTHER)
        with pytest.raises(UploadRefused, match="you have 1 files"):
            logic.keep(part, owner="alice", now=NOW)
    assert [path.name for path in (home / "cache").iterdir()] == [OTHER]


def test_a_disk_that_is_full_refuses_the_file(home):
    with logic.begin(NAME, owner="alice") as part:
        part._file.close()
        part._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 (closed by the part)
        with pytest.raises(UploadRefused, match="the server cannot write it: No space left on device"):
            part.write(BODY)
    assert list((home / "cache").iterdir()) == []


def test_a_disk_that_is_full_at_the_end_of_a_file_refuses_it_and_nothing_is_left(home):
    with logic.begin(NAME, owner="alice") as part:
        part._file.close()
        part._file = Path("/dev/full").open("wb")  # noqa: SIM115 (closed by the part)
        part.write(BODY)
        with pytest.raises(UploadRefused, match="the server cannot write it: No space left on device"):
            part.place(home / "cache" / NAME)
    assert list((home / "cache").iterdir()) == []


PROGRAM = """
import signal, sys
from pathlib import Path
from server.uploads.parts import Part
part = Part(Path(sys.argv[1]), "a", limit=9, room=9, no_room="")
part.write(b"abc")
print("begun", flush=True)
signal.pause()
"""


def test_what_a_killed_process_left_is_swept_at_once_and_what_a_living_one_writes_stays(home):
    with logic.begin(NAME, owner="alice") as part:
        writer = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(logic.folder())],
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
        )
        assert writer.stdout.readline() == b"begun\n"
        assert forget_old(now=datetime.now(UTC)) == 0
        assert len(list(logic.folder().iterdir())) == 2
        writer.kill()
        writer.wait(30)
        writer.stdout.close()
        assert forget_old(now=datetime.now(UTC)) == 1
        part.write(BODY)
        logic.keep(part, owner="alice", now=NOW)
    assert [path.name for path in logic.folder().iterdir()] == [NAME]
