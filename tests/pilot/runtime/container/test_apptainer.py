"""Payloads in a real Apptainer, under a real keeper."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.runtime.container.choice import choose
from pilot.runtime.container.values import Bind, Container, Runtime
from pilot.settings import sections
from tests.pilot.runtime.container.conftest import Room
from tests.services import registry

pytestmark = pytest.mark.one_python

#: Processes of a payload that will not end by themselves, one of them in a session of its own.
FAMILY = "setsid sleep 600 & sleep 600 & echo > up; exec sleep 600"
DEAF = (
    "trap '' TERM; setsid sh -c \"trap '' TERM; while :; do sleep 600; done\" & echo > up; while :; do sleep 600; done"
)


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path / "job")


@pytest.fixture
def folder(apptainer):
    return Container(Runtime.APPTAINER, str(apptainer.image), str(apptainer.program))


@pytest.fixture
def file(apptainer, folder):
    return replace(folder, image=str(apptainer.file))


@pytest.mark.parametrize("kind", ["folder", "file"])
@pytest.mark.parametrize("userns", [False, True])
def test_a_payload_runs_in_an_image_and_writes_into_its_directory(room, request, kind, userns, nothing_is_left):
    container = replace(request.getfixturevalue(kind), userns=userns)
    outcome, said = room.run(container, "cat /etc/image-name; pwd; echo $HOME; echo done > made; exit 17")
    assert (outcome.status, said) == (17, ["busybox", str(room.folder), str(room.folder)]), outcome.stderr.read_text()
    assert (room.folder / "made").read_text() == "done\n"
    assert outcome.stderr.read_text() == ""


def test_an_images_path_may_hold_a_colon_as_those_on_cvmfs_do(room, folder, tmp_path):
    (tmp_path / "el:9").symlink_to(folder.image)
    outcome, said = room.run(replace(folder, image=str(tmp_path / "el:9")), "cat /etc/image-name")
    assert (outcome.status, said) == (0, ["busybox"]), outcome.stderr.read_text()
    shutil.copytree(folder.image, tmp_path / "el:10", symlinks=True)
    outcome, said = room.run(replace(folder, image=str(tmp_path / "el:10")), "cat /etc/image-name")
    assert (outcome.status, said) == (0, ["busybox"]), outcome.stderr.read_text()


def test_variables_arrive_as_they_are_and_nothing_else_does(room, folder):
    value = "$(id) `id` \"two\" 'one' \\ back\nsecond line = x"
    room.own["LEAK"] = "secret"
    outcome, _ = room.run(folder, 'printf "%s" "$VALUE"; printf "%s" "$LEAK" >&2; env > env', VALUE=value)
    assert outcome.stdout.read_text() == value
    assert outcome.stderr.read_text() == ""
    assert room.own["PATH"] not in (room.folder / "env").read_text().splitlines()
    assert f"HOME={room.own['HOME']}" not in (room.folder / "env").read_text()


def test_singularitys_name_and_words_will_do(room, apptainer, folder):
    container = replace(folder, runtime=Runtime.SINGULARITY, program=str(apptainer.program.with_name("singularity")))
    outcome, said = room.run(container, 'echo "$GIVEN"; exit 4', GIVEN="$(id)")
    assert (outcome.status, said, outcome.stderr.read_text()) == (4, ["$(id)"], "")


def test_arguments_arrive_as_they_are(room, folder):
    outcome, _ = room.run(folder, "printf '%s' \"$0 \\$HOME \\`id\\`\"")
    assert outcome.stdout.read_text() == "/bin/sh $HOME `id`"


def test_cvmfs_and_binds_are_seen_and_what_is_read_only_cannot_be_written(room, folder, tmp_path):
    cvmfs, data = tmp_path / "cvmfs", tmp_path / "data"
    (cvmfs / "compass.cern.ch").mkdir(parents=True)
    (cvmfs / "compass.cern.ch" / "version").write_text("release-1\n")
    data.mkdir()
    container = replace(folder, cvmfs=str(cvmfs), also_at="/srv", binds=(Bind(str(data), "/data"),))
    script = "cat /cvmfs/compass.cern.ch/version; touch /cvmfs/x 2>/dev/null || echo refused; touch /data/x /srv/here"
    outcome, said = room.run(container, script)
    assert (outcome.status, said) == (0, ["release-1", "refused"])
    assert (data / "x").exists()
    assert (room.folder / "here").exists()


def test_the_nodes_files_and_processes_are_not_seen(room, folder, tmp_path):
    (tmp_path / "private").touch()
    _, said = room.run(folder, f"ls {tmp_path}; ls /proc | grep -c '^[0-9]' ; echo > /tmp/mine; ls /proc/{os.getpid()}")
    assert said[0] == "job"
    assert int(said[1]) < 10
    assert [path.name for path in (room.folder / "tmp").rglob("mine")] == ["mine"]


def test_an_image_is_fetched_from_its_address(room, apptainer, folder, tmp_path):
    room.own["APPTAINER_CACHEDIR"] = str(tmp_path / "cache")
    with registry.serving(apptainer.image) as host:
        container = replace(folder, image=f"docker://{host}/{registry.NAME}:1", options=("--no-https",))
        outcome, said = room.run(container, "cat /etc/image-name")
        assert (outcome.status, said) == (0, ["busybox"]), outcome.stderr.read_text()
        outcome, _ = room.run(replace(container, image=f"docker://{host}/{registry.NAME}:2"), "true")
        assert room.explain(container, outcome) is ErrorCode.IMAGE_NOT_FOUND, outcome.stderr.read_text()
    outcome, _ = room.run(replace(container, image=f"docker://{host}/{registry.NAME}:3"), "true")
    assert room.explain(container, outcome) is ErrorCode.APPTAINER_GENERAL, outcome.stderr.read_text()


def test_what_goes_wrong_has_its_code(room, folder, apptainer, tmp_path):
    broken = tmp_path / "broken.sif"
    broken.write_bytes(apptainer.file.read_bytes()[:200_000])
    bare = tmp_path / "bare"
    for name in ("dev", "proc", "sys", "tmp", "etc", "var/tmp", "root"):
        (bare / name).mkdir(parents=True)
    for container, script, code in [
        (replace(folder, image=str(broken)), "true", ErrorCode.APPTAINER_MOUNT),
        (replace(folder, image=str(tmp_path)), "true", ErrorCode.APPTAINER_MOUNT),
        (replace(folder, image=str(bare)), "true", ErrorCode.PAYLOAD_NOT_STARTED),
        (replace(folder, binds=(Bind(str(broken), "/etc"),)), "true", ErrorCode.APPTAINER_BIND),
        (folder, "exit 255", None),
        (folder, "exit 3", None),
    ]:
        outcome, _ = room.run(container, script)
        assert room.explain(container, outcome) is code, outcome.stderr.read_text()


@pytest.mark.programs("unshare")
@pytest.mark.parametrize(
    ("what", "code"), [("user", ErrorCode.NO_USER_NAMESPACES), ("mnt", ErrorCode.APPTAINER_GENERAL)]
)
def test_a_node_that_gives_no_namespaces_is_told(room, folder, what, code):
    none = ["unshare", "--user", "--map-root-user"]
    none += ["/bin/sh", "-c", f'echo 0 > /proc/sys/user/max_{what}_namespaces; exec "$@"', "sh"]
    container = replace(folder, userns=True)
    outcome, _ = room.run(container, "true", none)
    assert room.explain(container, outcome) is code, outcome.stderr.read_text()


@pytest.fixture
def ordinary():
    """Words that run a command as a user without rights, and a room that this user may enter."""
    if os.geteuid():
        pytest.skip("this user is an ordinary one, as in all other tests")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        room = Room(Path(name) / "job", {"HOME": f"{name}/job"})
        for folder in (room.folder, room.temporary):
            os.chown(folder, 65534, 65534)
        yield room, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.mark.programs("setpriv")
def test_an_ordinary_user_runs_folders_and_is_told_what_files_need(ordinary, folder, file):
    room, as_user = ordinary
    if subprocess.run([*as_user, "test", "-x", folder.program]).returncode:
        pytest.skip(f"not tested: other users cannot enter {folder.program}")
    outcome, said = room.run(folder, "id -u; touch made", as_user)
    assert (outcome.status, said) == (0, ["65534"]), outcome.stderr.read_text()
    assert (room.folder / "made").stat().st_uid == 65534
    outcome, _ = room.run(replace(file, options=("--unsquash",)), "id -u", as_user)
    assert outcome.well, outcome.stderr.read_text()
    outcome, _ = room.run(file, "true", as_user)
    fuse = subprocess.run([*as_user, "test", "-w", "/dev/fuse"]).returncode == 0
    assert room.explain(file, outcome) is (None if fuse else ErrorCode.APPTAINER_MOUNT)


@pytest.mark.parametrize("kind", ["folder", "file"])
@pytest.mark.parametrize("isolation", ["all", "contain"])
def test_a_payload_that_is_stopped_leaves_nothing(room, request, kind, isolation, nothing_is_left):
    # With a user namespace an image file is mounted by a process of its own, which has to end too.
    container = replace(request.getfixturevalue(kind), isolation=isolation, userns=kind == "file")
    with room.running(container, FAMILY) as (payload, family):
        assert any("squashfuse" in one.name() for one in family) == (kind == "file")
        payload.stop(90.0)
        began = time.monotonic()
        outcome = payload.wait()
    assert time.monotonic() - began < 60
    assert not outcome.well
    assert [one for one in family if one.is_running()] == []


def test_a_payload_that_does_not_listen_is_killed_when_the_grace_is_over(room, file, nothing_is_left):
    with room.running(replace(file, userns=True), DEAF) as (payload, family):
        payload.stop(0.2)
        payload.wait()
    assert [one for one in family if one.is_running()] == []


def test_a_keeper_that_loses_its_pilot_ends_the_container(room, file, nothing_is_left):
    with room.running(replace(file, userns=True), DEAF) as (payload, family):
        payload._keeper.stdin.close()  # what the kernel does when a pilot is killed
        payload._keeper.wait(10)
        payload._keeper.stdout.close()
    assert [one for one in family if one.is_running()] == []


def test_a_keeper_that_is_killed_takes_the_container_with_it(room, file, nothing_is_left):
    with room.running(replace(file, userns=True), FAMILY) as (payload, family):
        os.kill(payload._keeper.pid, signal.SIGKILL)
        with pytest.raises(JobFailed, match="keeper"):
            payload.wait()
        psutil.wait_procs(family, 10)
    assert [one for one in family if one.is_running()] == []


def test_what_a_job_asks_for_is_what_its_container_has(room, folder, tmp_path, nothing_is_left):
    (tmp_path / "lent").mkdir()
    (tmp_path / "lent" / "note").write_text("from the node\n")
    site = sections.Container(program=folder.program, job_binds=(str(tmp_path / "lent"),))
    words = ("--contain", "--bind", f"{tmp_path}/lent:/seen", "--env", "WISH=a $b 'c'", "--writable-tmpfs")
    spec = JobSpec(id=7, attempt=1, transformation="true", container=folder.image, container_options=words)
    chosen = choose(spec, QueueData("Q", container_type="apptainer:pilot"), site)
    outcome, said = room.run(chosen, 'cat /seen/note; echo "$WISH"; touch /made /seen/made; ls / | grep made')
    assert said == ["from the node", "a $b 'c'", "made"], outcome.stderr.read_text()
    assert "Read-only file system" in outcome.stderr.read_text()
    assert not (tmp_path / "lent" / "made").exists()
