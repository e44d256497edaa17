from __future__ import annotations

import os
import tarfile
import zlib

import pytest

from pilot.eventservice.outputs import NoOutput, Output, archive_name, drop, facts, find, pack


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "job"
    (made / "deep").mkdir(parents=True)
    (made / "out").write_text("output")
    (made / "deep" / "out").write_text("other")
    return made


def test_an_output_is_a_file_of_the_jobs_directory_or_below(folder):
    assert find(str(folder / "out"), folder) == folder / "out"
    assert find(f"{folder}/deep/../deep/out", folder) == folder / "deep" / "out"


def test_an_output_may_be_named_as_its_container_shows_it(folder):
    assert find("/srv/out", folder, ["/srv"]) == folder / "out"
    with pytest.raises(NoOutput, match="not in the job's directory"):
        find("/srv2/out", folder, ["/srv"])


def test_a_jobs_directory_may_itself_lie_behind_a_link(folder, tmp_path):
    (tmp_path / "base").symlink_to(folder)
    assert find(str(tmp_path / "base" / "out"), tmp_path / "base") == tmp_path / "base" / "out"


def test_what_may_not_be_stored_is_refused_in_words(folder):
    (folder / "link").symlink_to(folder / "out")
    (folder / "away").symlink_to("/etc")
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")
    for name, words in {
        "/etc/hostname": "not in the job's directory",
        f"{folder}/../x": "not in the job's directory",
        str(folder): "not in the job's directory",
        f"{folder}/link": "symbolic link",
        f"{folder}/away/hostname": "symbolic link",
        f"{folder}/none": "No such file",
        f"{folder}/deep": "is no file",
        f"{folder}/pipe": "is no file",
        f"{folder}/empty": "is empty",
        f"{folder}/payload.stdout": "the pilot's own",
        f"{folder}/.compass-events.jsonl": "the pilot's own",
    }.items():
        with pytest.raises(NoOutput, match=words):
            find(name, folder)


def test_an_archive_holds_outputs_under_their_names_and_no_two_under_one(folder):
    path = folder / archive_name("a")
    given = [Output("a", str(folder / "out")), Output("b", str(folder / "deep" / "out"))]
    assert pack(path, given) == (["a", "b"], {})
    with tarfile.open(path) as tar:
        assert {name: tar.extractfile(name).read() for name in tar.getnames()} == {"out": b"output", "b.out": b"other"}
    assert facts(path) == (path.stat().st_size, f"adler32:{zlib.adler32(path.read_bytes()):08x}")


def test_what_was_replaced_after_it_was_taken_is_left_out_and_not_followed(folder):
    (folder / "gone").symlink_to("/etc/hostname")
    os.mkfifo(folder / "pipe")
    given = [Output(name, str(folder / name)) for name in ("gone", "pipe", "none", "out")]
    packed, without = pack(folder / "x.tar", given)
    assert packed == ["out"]
    assert set(without) == {"gone", "pipe", "none"}


def test_nothing_is_left_of_an_archive_that_cannot_be_written(small_disk):
    (small_disk / "out").write_bytes(b"x" * 40000)
    with pytest.raises(OSError, match="space"):
        pack(small_disk / "x.tar", [Output("a", str(small_disk / "out"))])
    assert [path.name for path in small_disk.iterdir()] == ["out"]


def test_what_was_stored_is_removed_and_what_is_gone_does_not_matter(folder):
    drop([str(folder / "out"), str(folder / "none")], folder)
    assert not (folder / "out").exists()


def test_a_folder_that_became_a_link_leads_neither_to_the_pilots_files_nor_to_their_end(folder, tmp_path):
    secret = tmp_path / "secrets" / "out"
    secret.parent.mkdir()
    secret.write_text("token")
    (folder / "deep").rename(folder / "before")
    (folder / "deep").symlink_to(secret.parent)
    packed, without = pack(folder / "x.tar", [Output("a", str(folder / "deep" / "out"))])
    assert packed == []
    assert "Not a directory" in without["a"]
    drop([str(folder / "deep" / "out"), str(folder / "before" / "out")], folder)
    assert secret.read_text() == "token"
    assert list((folder / "before").iterdir()) == []
