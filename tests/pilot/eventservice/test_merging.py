from __future__ import annotations

import io
import tarfile

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.eventservice.merging import unpack, write_lists
from pilot.eventservice.outputs import Output, pack


def archive(folder, name, **members):
    for member, text in members.items():
        (folder / member).write_text(text)
    pack(folder / name, [Output(member, str(folder / member)) for member in members])
    for member in members:
        (folder / member).unlink()


def test_members_of_archives_are_laid_beside_them_and_other_inputs_are_left_alone(tmp_path):
    archive(tmp_path, "one.tar", a="1", b="2")
    archive(tmp_path, "two.tar", c="3")
    (tmp_path / "plain.root").write_text("no archive")
    assert unpack(tmp_path, ["one.tar", "plain.root", "two.tar"]) == ["a", "b", "c"]
    assert [(tmp_path / name).read_text() for name in "abc"] == ["1", "2", "3"]


def odd(folder, info, content=b""):
    info.size = len(content)
    with tarfile.open(folder / "odd.tar", "w") as tar:
        tar.addfile(info, io.BytesIO(content))


def link():
    info = tarfile.TarInfo("link")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (tarfile.TarInfo("../out"), "another folder"),
        (tarfile.TarInfo("/etc/x"), "another folder"),
        (tarfile.TarInfo("deep/x"), "another folder"),
        (link(), "no plain file"),
        (tarfile.TarInfo("payload.stdout"), "there already"),
        (tarfile.TarInfo("there"), "there already"),
    ],
)
def test_an_archive_with_anything_but_plain_new_files_is_refused(tmp_path, info, words):
    (tmp_path / "there").write_text("mine")
    odd(tmp_path, info)
    with pytest.raises(JobFailed, match=words) as caught:
        unpack(tmp_path, ["odd.tar"])
    assert caught.value.code is ErrorCode.FILE_HANDLING
    assert (tmp_path / "there").read_text() == "mine"


def test_what_is_no_archive_is_said_so(tmp_path):
    (tmp_path / "x.tar").write_text("text")
    with pytest.raises(JobFailed, match="x.tar: cannot be unpacked"):
        unpack(tmp_path, ["x.tar"])


def test_a_list_becomes_a_file_that_begins_with_its_option(tmp_path):
    argv = ["merge", "--in=@inputFor_a", "--out=x", "@inputFor_b"]
    assert write_lists(tmp_path, {"inputFor_a": ["1", "2"], "inputFor_b": ["3"]}, argv) == (
        "merge",
        "@inputFor_a.txt",
        "--out=x",
        "@inputFor_b.txt",
    )
    assert (tmp_path / "inputFor_a.txt").read_text() == "--in\n1\n2\n"
    assert (tmp_path / "inputFor_b.txt").read_text() == "3\n"


def test_a_list_that_no_argument_asks_for_is_a_slip(tmp_path):
    with pytest.raises(JobFailed, match="writeToFile: no argument") as caught:
        write_lists(tmp_path, {"inputFor_a": ["1"]}, ["merge"])
    assert caught.value.code is ErrorCode.BAD_JOB_DEFINITION


def test_a_list_that_cannot_be_written_fails_the_job(tmp_path):
    with pytest.raises(JobFailed) as caught:
        write_lists(tmp_path / "none", {"a": ["1"]}, ["--in=@a"])
    assert caught.value.code is ErrorCode.FILE_HANDLING
