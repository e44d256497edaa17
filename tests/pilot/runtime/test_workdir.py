"""A job's directory."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.errors import JobFailed
from pilot.runtime import workdir

SPEC = JobSpec(id=7, attempt=2, transformation="true")


def test_a_directory_is_made_for_its_owner_alone(tmp_path):
    old = os.umask(0o777)
    try:
        made = workdir.create(tmp_path, SPEC)
    finally:
        os.umask(old)
    assert made.root == tmp_path / "PanDA_Pilot-7-2"
    assert made.root.stat().st_mode & 0o777 == 0o700
    assert (made.stdout, made.stderr) == (made.root / "payload.stdout", made.root / "payload.stderr")
    assert made.temporary.is_dir()
    assert workdir.of(tmp_path, SPEC) == made


def test_the_directory_above_is_made_too(tmp_path):
    assert workdir.create(tmp_path / "a" / "b", SPEC).root.is_dir()


def test_a_directory_that_is_there_already_is_not_taken(tmp_path):
    workdir.create(tmp_path, SPEC)
    with pytest.raises(JobFailed, match="PanDA_Pilot-7-2: File exists") as caught:
        workdir.create(tmp_path, SPEC)
    assert caught.value.code is ErrorCode.MKDIR


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "base").write_text("")
    with pytest.raises(JobFailed) as caught:
        workdir.create(tmp_path / "base", SPEC)
    assert caught.value.code is ErrorCode.MKDIR


def test_a_full_disk_is_told_as_such(small_disk):
    for name in "abcdefghijklmno":  # 15 files and the folder they are in
        (small_disk / name).touch()
    with pytest.raises(JobFailed, match="No space left on device") as caught:
        workdir.create(small_disk, SPEC)
    assert caught.value.code is ErrorCode.NO_LOCAL_SPACE


def test_everything_is_removed_and_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    made = workdir.create(tmp_path, SPEC)
    (made.root / "link").symlink_to(outside)
    (made.root / "deep" / "er").mkdir(parents=True)
    (made.root / "deep" / "er" / "file").write_text("")
    os.mkfifo(made.root / "pipe")
    workdir.remove(made)
    assert not made.root.exists()
    assert (outside / "kept").exists()
    workdir.remove(made)  # once more is no failure


REMOVE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from pilot.contract.job import JobSpec
from pilot.runtime import workdir
base = Path(sys.argv[2])
os.chown(base, 65534, 65534)
os.setgid(65534)
os.setuid(65534)
made = workdir.create(base, JobSpec(id=7, attempt=2, transformation="true"))
(made.root / "closed" / "inner").mkdir(parents=True)
(made.root / "closed" / "inner" / "file").touch()
(made.root / "closed" / "inner").chmod(0)
(made.root / "closed").chmod(0o500)
workdir.remove(made)
sys.exit(made.root.exists())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="not tested: only root can become somebody without rights")
def test_folders_that_the_payload_closed_are_removed_too(tmp_path_factory):
    root = Path(__file__).parents[3]
    base = Path("/dev/shm") / f"compass-test-{os.getpid()}"
    base.mkdir()
    try:
        packages = base / "packages"
        packages.mkdir()
        (packages / "pilot").symlink_to(root / "pilot")
        if not _readable_by_all(root):
            pytest.skip("not tested: this checkout is closed to other users")
        work = base / "work"
        work.mkdir()
        done = subprocess.run(
            [sys.executable, "-B", "-c", REMOVE, str(packages), str(work)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    finally:
        subprocess.run(["rm", "-rf", str(base)], check=True)


def _readable_by_all(path):
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in [path, *path.parents, Path(sys.prefix)])


def test_a_lock_keeps_others_out_and_says_who_holds_it(tmp_path):
    with (
        workdir.lock(tmp_path),
        pytest.raises(JobFailed, match=rf"in use by process {os.getpid()} on \S+ since \d{{4}}-") as caught,
        workdir.lock(tmp_path),
    ):
        pytest.fail("two hold it")
    assert caught.value.code is ErrorCode.JOB_ALREADY_RUNNING
    with workdir.lock(tmp_path):
        pass


def test_a_lock_is_held_against_other_threads_too(tmp_path):
    failures = []

    def other():
        try:
            with workdir.lock(tmp_path):
                failures.append(None)
        except JobFailed as failed:
            failures.append(failed.code)

    with workdir.lock(tmp_path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert failures == [ErrorCode.JOB_ALREADY_RUNNING]


def test_a_lock_ends_with_its_process(tmp_path):
    root = Path(__file__).parents[3]
    text = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1])\nfrom pathlib import Path\n"
        "from pilot.runtime import workdir\nwith workdir.lock(Path(sys.argv[2])):\n"
        "    print('held', flush=True)\n    signal.pause()"
    )
    argv = [sys.executable, "-c", text, str(root), str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(JobFailed, match=f"process {holder.pid} "), workdir.lock(tmp_path):
            pass
        holder.kill()
        holder.wait()
    with workdir.lock(tmp_path):
        pass


def test_a_lock_in_a_directory_that_is_gone_is_a_failure_with_a_code(tmp_path):
    with pytest.raises(JobFailed, match="No such file") as caught, workdir.lock(tmp_path / "gone"):
        pass
    assert caught.value.code is ErrorCode.MKDIR


def test_a_tree_that_is_deeper_than_python_goes_is_removed(tmp_path):
    place = workdir.create(tmp_path, SPEC)
    deepest = os.open(place.root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("ddd", dir_fd=deepest)
        below = os.open("ddd", os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = below
    os.close(deepest)
    workdir.remove(place)
    assert not place.root.exists()


def test_a_lock_is_not_written_through_a_link(tmp_path):
    (tmp_path / "treasure").write_text("mine")
    (tmp_path / workdir.LOCK_FILE).symlink_to(tmp_path / "treasure")
    with pytest.raises(JobFailed) as caught, workdir.lock(tmp_path):
        pass
    assert caught.value.code is ErrorCode.MKDIR
    assert (tmp_path / "treasure").read_text() == "mine"


def test_where_no_lock_can_be_had_nothing_is_left(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    words = "No locks available; the file system has to know flock"
    with pytest.raises(JobFailed, match=words), workdir.claimed(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_takes_the_place_of_what_a_payload_has_put_there(tmp_path):
    (tmp_path / "treasure").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "treasure")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder" / "in it").mkdir(parents=True)
    for name in ("link", "pipe", "folder", "nothing"):
        with workdir.write_new(tmp_path / name) as file:
            file.write(b"new")
        assert workdir.read_own(tmp_path / name, 3) == b"new"
    assert (tmp_path / "treasure").read_text() == "mine"


@pytest.mark.parametrize("name", ["link", "pipe", "long", "folder"])
def test_what_is_no_file_of_the_pilots_is_not_read(tmp_path, name):
    (tmp_path / "long").write_bytes(b"1234")
    (tmp_path / "link").symlink_to(tmp_path / "long")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises((OSError, ValueError)):
        workdir.read_own(tmp_path / name, 3)
