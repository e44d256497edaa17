"""A job is moved between folders, on one file system and between two, and its mover dies at every step."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from pilot.contract.naming import SECRETS_FILE
from pilot.control import moving
from pilot.control.journal import JOURNAL, Journal, JournalUnusable, Record
from pilot.control.moving import complete, drop_arriving, move_all, move_job, places
from pilot.runtime.workdir import ALLOCATED, FOLDER
from tests.pilot.killing import watch

RECORD = Record(7, 1, "server", "Q", "staging-out", 1e9)
PLACE = "PanDA_Pilot-7-1"


class Death(BaseException):
    """The mover dies here."""


class Fate:
    """Lets the one who is watched die before its n-th effect. The hook of a process stays, so it is made once."""

    def __init__(self):
        self.left = 0
        watch("/", self.met)

    def met(self, words):
        self.left -= 1
        if self.left == 0:
            raise Death(words)


@pytest.fixture(scope="module")
def fate():
    return Fate()


@pytest.fixture(params=["one file system", "two"])
def folders(request, tmp_path):
    """Two pilots' folders, with a job in the first."""
    other = tmp_path
    if request.param == "two":
        shared = Path("/dev/shm")
        if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("not tested: there is no second file system here")
        other = Path(tempfile.mkdtemp(dir=shared))
    yield tmp_path / f"{FOLDER}source", other / f"{FOLDER}target"
    if other != tmp_path:
        shutil.rmtree(other)


def prepare(source, target):
    for folder in (source, target):
        shutil.rmtree(folder, ignore_errors=True)
        (folder / JOURNAL).mkdir(parents=True)
    Journal(source / JOURNAL).write(RECORD)
    (source / PLACE / "sub").mkdir(parents=True)
    (source / PLACE / "out.txt").write_text("out")
    (source / PLACE / "sub" / "link").symlink_to("../out.txt")


def has_job(folder):
    """Say whether a folder has the job, whole."""
    if list(Journal(folder / JOURNAL).records()) != [RECORD]:
        return False
    assert (folder / PLACE / "sub" / "link").read_text() == "out"
    return True


def test_a_job_is_moved_with_the_log_of_its_pilot_and_nothing_stays(folders):
    source, target = folders
    prepare(source, target)
    (source / "pilotlog.txt").write_text("its last words")
    os.mkfifo(source / PLACE / "pipe")
    move_job(source, target, RECORD.key)
    assert has_job(target)
    assert (target / PLACE / "pilotlog-source.txt").read_text() == "its last words"
    assert list(places(source)) == []
    assert list((source / JOURNAL).iterdir()) == []
    assert [path.name for path in (target / JOURNAL).iterdir()] == ["7-1.json"]
    assert not list((target / PLACE).glob(".compass-*"))


def test_wherever_a_mover_dies_one_folder_has_the_job_and_only_one(folders, fate):
    source, target = folders
    for step in range(1, 200):
        prepare(source, target)
        fate.left = step
        try:
            move_job(source, target, RECORD.key)
        except Death:
            fate.left = 0
            assert complete(source)
            complete(target)
            assert has_job(source) + has_job(target) == 1, step
        else:
            break
        finally:
            fate.left = 0
    assert step > 4
    assert has_job(target)


def test_what_arrives_from_a_disk_that_is_not_there_is_left_alone_until_it_is_old(tmp_path):
    target = tmp_path / f"{FOLDER}target"
    (target / JOURNAL).mkdir(parents=True)
    arriving = target / JOURNAL / "7-1.json.arriving"
    arriving.write_text("{}")
    os.utime(arriving, (1e9, 1e9))
    assert not complete(target)
    drop_arriving(target, before=1e9 - 1)
    assert not complete(target)
    drop_arriving(target, before=1e9 + 1)
    assert complete(target)


def test_a_move_to_a_folder_that_is_not_there_now_waits(tmp_path):
    source = tmp_path / f"{FOLDER}source"
    (source / JOURNAL).mkdir(parents=True)
    note = source / JOURNAL / "7-1.json.moving"
    note.write_text('{"target": "/no/such/folder/compass-pilot-x"}')
    assert not complete(source)
    assert note.exists()


def test_a_job_that_has_no_directory_yet_is_moved_too(folders):
    source, target = folders
    prepare(source, target)
    shutil.rmtree(source / PLACE)
    move_job(source, target, RECORD.key)
    assert list(Journal(target / JOURNAL).records()) == [RECORD]


def test_a_job_that_cannot_be_moved_stays_whole(folders):
    source, target = folders
    prepare(source, target)
    (target / PLACE).mkdir()
    (target / PLACE / "somebody else's").write_text("")
    with pytest.raises(JournalUnusable, match=r"job 7\.1 cannot be moved"):
        move_job(source, target, RECORD.key)
    complete(source)
    assert has_job(source)


def test_all_jobs_of_a_pilot_go_to_one_new_folder(folders):
    source, target = folders
    prepare(source, target)
    assert move_all(source, target.parent / "base") == 1
    (made,) = (target.parent / "base").iterdir()
    assert made.name.startswith(FOLDER)
    assert has_job(made)


@pytest.mark.parametrize("allocated", [True, False])
def test_what_a_payload_alone_was_to_know_is_moved_only_where_that_may_still_run(folders, allocated):
    source, target = folders
    prepare(source, target)
    (source / PLACE / SECRETS_FILE).write_text("{}")
    if allocated:
        (source / PLACE / ALLOCATED).write_text("{}")
    assert move_all(source, target) == 1
    (moved,) = target.glob(f"{FOLDER}*/{PLACE}")
    assert (moved / SECRETS_FILE).exists() is allocated


def test_the_directory_of_a_job_is_known_by_its_name():
    assert PLACE.startswith(moving.PLACE)


def test_a_link_that_a_payload_has_made_is_not_written_through(folders):
    source, target = folders
    prepare(source, target)
    (source / "pilotlog.txt").write_text("its last words")
    treasure = source.parent / "treasure"
    treasure.write_text("mine")
    (source / PLACE / "pilotlog-source.txt").symlink_to(treasure)
    move_job(source, target, RECORD.key)
    assert treasure.read_text() == "mine"
    assert (target / PLACE / "pilotlog-source.txt").read_text() == "its last words"


def test_a_job_that_does_not_fit_stays_whole_and_leaves_nothing_that_fills_the_disk(tmp_path, small_disk):
    source, target = tmp_path / f"{FOLDER}source", small_disk / f"{FOLDER}target"
    prepare(source, target)
    (source / PLACE / "big").write_bytes(b"x" * 2**24)
    with pytest.raises(JournalUnusable, match="No space left"):
        move_job(source, target, RECORD.key)
    assert has_job(source)
    assert [path.name for path in target.rglob("*")] == [JOURNAL]
    (source / PLACE / "big").unlink()
    move_job(source, target, RECORD.key)
    assert has_job(target)


def test_one_job_that_does_not_fit_keeps_no_other_from_being_moved(tmp_path, small_disk):
    source = tmp_path / f"{FOLDER}source"
    prepare(source, tmp_path / f"{FOLDER}target")
    Journal(source / JOURNAL).write(replace(RECORD, id=1))
    (source / "PanDA_Pilot-1-1").mkdir()
    (source / "PanDA_Pilot-1-1" / "big").write_bytes(b"x" * 2**24)
    with pytest.raises(JournalUnusable, match="job 1.1"):
        move_all(source, small_disk)
    (found,) = small_disk.glob(f"{FOLDER}*")
    assert has_job(found)
    with pytest.raises(JournalUnusable, match="job 1.1"):
        move_all(source, small_disk)
    assert list(small_disk.glob(f"{FOLDER}*")) == [found]
