"""What is in a log archive, and what is not."""

from __future__ import annotations

import gzip
import os
import tarfile

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime import workdir
from pilot.runtime.log_archive import BLOCK, LEFT_OUT, pack


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "PanDA_Pilot-7-1"
    made.mkdir()
    (made / "payload.stdout").write_text("hello\n")
    return made


def packed(folder, leave_out=(), **options):
    return pack(folder, folder.parent / "log.tgz", leave_out, **options)


def names(path):
    with tarfile.open(path) as tar:
        return [member.name.partition("/")[2] for member in tar]


def content(path, name):
    with tarfile.open(path) as tar:
        return tar.extractfile(f"PanDA_Pilot-7-1/{name}").read()


def test_what_lies_higher_comes_first_and_then_in_the_order_of_names(folder):
    (folder / "b").mkdir()
    (folder / "b" / "z").write_text("")
    (folder / "a").write_text("")
    assert names(packed(folder)) == ["a", "b", "payload.stdout", "b/z"]


def test_inputs_outputs_and_redundant_files_are_left_out_without_a_word(folder):
    for name in ("mDST-1-2.root", "core.17", "in.raw"):
        (folder / name).write_text("")
    assert names(packed(folder, ["*.root", "core.*", "in.raw"])) == ["payload.stdout"]


def test_temporary_files_locks_proxies_and_half_files_are_never_kept(folder):
    (folder / "tmp").mkdir()
    (folder / "tmp" / "scratch").write_text("")
    for name in (".compass-lock", "x509up_u1000", "pilot.token", "out.root.part"):
        (folder / name).write_text("")
    assert names(packed(folder)) == ["payload.stdout"]


def test_the_same_content_makes_the_same_bytes(folder, tmp_path):
    first = pack(folder, tmp_path / "one.tgz", ()).read_bytes()
    (folder / "payload.stdout").touch()
    os.utime(folder / "payload.stdout", (1_000_000_000, 1_000_000_000))
    second = pack(folder, tmp_path / "two.tgz", ()).read_bytes()
    third = pack(folder, tmp_path / "three.tgz", ()).read_bytes()
    assert second == third
    assert first != second  # a file's own time belongs to its content


def test_a_link_to_inside_stays_a_link_and_one_that_leads_out_is_named(folder, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (folder / "in").symlink_to("payload.stdout")
    (folder / "out").symlink_to("../secret")
    (folder / "far").symlink_to("/etc/passwd")
    (folder / "folder").symlink_to(tmp_path)
    archive = packed(folder)
    with tarfile.open(archive) as tar:
        assert tar.getmember("PanDA_Pilot-7-1/in").linkname == "payload.stdout"
    assert names(archive) == ["in", "payload.stdout", "LEFT-OUT.txt"]
    said = content(archive, "LEFT-OUT.txt").decode()
    assert "out: a link that leads out, to ../secret\n" in said
    assert "far: a link that leads out, to /etc/passwd\n" in said
    assert b"secret\n" not in gzip.decompress(archive.read_bytes()).replace(b"../secret\n", b"")


def test_what_is_not_a_file_is_named(folder):
    os.mkfifo(folder / "pipe")
    archive = packed(folder)
    assert content(archive, "LEFT-OUT.txt") == b"pipe: not a file\n"


def test_a_long_file_keeps_its_beginning_and_its_end(folder):
    (folder / "long").write_bytes(b"a" * 1000 + b"b" * 100_000 + b"c" * 3000)
    archive = packed(folder, size_limit=4000)
    assert content(archive, "long") == b"a" * 1000 + b"\n[... 100000 bytes are left out here ...]\n" + b"c" * 3000
    assert content(archive, "LEFT-OUT.txt") == b"long: 100000 of 104000 bytes in its middle\n"


def test_secrets_are_starred_out_wherever_they_stand(folder):
    token = "eyJ-secret"
    text = token.encode() + b"x" * (BLOCK - 5 - len(token)) + token.encode() + b"middle" + token.encode()
    (folder / "large").write_bytes(text)
    assert content(packed(folder, secrets=[token, ""]), "large") == text.replace(token.encode(), b"*" * len(token))


def test_a_file_shorter_than_a_secret_is_kept_as_it_is(folder):
    (folder / "short").write_bytes(b"ab\n")
    assert content(packed(folder, secrets=["a long token"]), "short") == b"ab\n"


def test_an_archive_may_lie_in_the_directory_that_it_is_made_of(folder):
    archive = pack(folder, folder / "job.log.tgz", ())
    again = pack(folder, folder / "job.log.tgz", ())
    assert archive == again
    assert names(again) == ["payload.stdout"]


def test_names_of_any_kind_are_kept(folder):
    (folder / "ü b\n").write_text("")
    (folder / os.fsdecode(b"\xff")).write_text("")
    assert len(names(packed(folder))) == 3


def test_a_large_directory_tree_is_packed_whole(folder):
    (folder / "big").write_bytes(os.urandom(3 * BLOCK + 17))
    assert content(packed(folder), "big") == (folder / "big").read_bytes()


def test_an_archive_that_cannot_be_written_leaves_nothing(folder, small_disk):
    (folder / "noise").write_bytes(os.urandom(200_000))
    with pytest.raises(JobFailed, match="No space left") as caught:
        pack(folder, small_disk / "log.tgz", ())
    assert caught.value.code is ErrorCode.LOG_CREATION_FAILED
    assert list(small_disk.iterdir()) == []


def test_a_directory_that_is_gone_makes_an_archive_that_says_so(tmp_path):
    archive = pack(tmp_path / "PanDA_Pilot-7-1", tmp_path / "log.tgz", ())
    assert content(archive, "LEFT-OUT.txt") == b"PanDA_Pilot-7-1/: No such file or directory\n"


def test_the_longest_files_are_left_out_when_all_together_are_too_long(folder):
    for name, size in (("a.long", 900), ("b.longer", 1000), ("c.short", 100)):
        (folder / name).write_bytes(b"x" * size)
    archive = packed(folder, total_limit=1100)
    assert names(archive) == ["a.long", "c.short", "payload.stdout", "LEFT-OUT.txt"]
    assert content(archive, "LEFT-OUT.txt") == b"b.longer: 1000 bytes, the log may have 1100 in all\n"


def test_a_file_counts_as_long_as_what_is_kept_of_it(folder):
    (folder / "a.long").write_bytes(b"x" * 10_000)
    assert "a.long" in names(packed(folder, size_limit=1000, total_limit=1100))


def test_notes_of_the_pilot_itself_are_never_kept(folder):
    (folder / ".compass-command.json").write_text("{}")
    assert names(packed(folder)) == ["payload.stdout"]


def test_a_tree_that_is_deeper_than_a_path_may_be_long_is_packed_as_far_as_that(folder):
    deepest = os.open(folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("dddd", dir_fd=deepest)
        below = os.open("dddd", os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = below
    os.close(deepest)
    archive = packed(folder)
    found = names(archive)
    workdir.remove(workdir.Workdir(folder))
    assert "payload.stdout" in found
    assert len(found) > 500
    assert "File name too long" in content(archive, LEFT_OUT).decode()


def test_of_very_many_files_the_highest_ones_are_kept(folder, monkeypatch):
    monkeypatch.setattr("pilot.runtime.log_archive.MOST_ENTRIES", 5)
    for top in ("a", "b"):
        (folder / top).mkdir()
        for number in range(4):
            (folder / top / str(number)).write_text("")
    archive = packed(folder)
    assert names(archive) == ["a", "b", "payload.stdout", "a/0", "a/1", LEFT_OUT]
    assert content(archive, LEFT_OUT).startswith(b"more: there are more than 5 files and folders")


def test_an_archive_is_not_written_through_a_link_that_the_payload_has_made(folder, tmp_path):
    (tmp_path / "treasure").write_text("mine")
    (folder / "job.log.tgz.part").symlink_to(tmp_path / "treasure")
    assert "payload.stdout" in names(pack(folder, folder / "job.log.tgz", ()))
    assert (tmp_path / "treasure").read_text() == "mine"
