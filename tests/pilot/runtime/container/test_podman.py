"""Payloads in a real podman with runc, under a real keeper."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.runtime.container.choice import choose
from pilot.runtime.container.podman import Kept, Owner, Podman, began, orphans
from pilot.runtime.container.values import Bind, Container, Runtime
from pilot.settings import sections
from tests.pilot.runtime.container.conftest import Room
from tests.services import registry

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parents[4]
FAMILY = "setsid sleep 600 & sleep 600 & echo > up; sleep 600; sleep 600"


@pytest.fixture
def room(podman, tmp_path):
    return Room(tmp_path / "job", dict(podman.environment))


@pytest.fixture
def storage(tmp_path):
    """Books of a test's own: others run podman at the same time, and tidy up."""
    return (f"--root={tmp_path / 'root'}", "--storage-driver=vfs")


@pytest.fixture
def folder(podman, storage):
    return Container(Runtime.PODMAN, str(podman.image), str(podman.program), options=storage)


def kept(podman, folder):
    """Answer the labels of the containers that podman still knows."""
    argv = [str(podman.program), *folder.options, "ps", "--all", "--format", "{{.Labels}}"]
    said = subprocess.run(argv, env={**os.environ, **podman.environment}, capture_output=True, text=True, check=True)
    return said.stdout


def test_a_payload_runs_in_an_image_and_writes_into_its_directory(room, folder, podman, nothing_is_left):
    before = sorted(path.name for path in podman.image.rglob("*"))
    outcome, said = room.run(folder, "cat /etc/image-name; pwd; echo $HOME; echo done > made; touch /x; exit 17")
    assert (outcome.status, said) == (17, ["busybox", str(room.folder), str(room.folder)]), outcome.stderr.read_text()
    assert (room.folder / "made").read_text() == "done\n"
    assert sorted(path.name for path in podman.image.rglob("*")) == before
    assert kept(podman, folder) == ""


def test_an_images_path_may_hold_a_colon_as_those_on_cvmfs_do(room, folder, tmp_path):
    (tmp_path / "el:9").symlink_to(folder.image)
    outcome, said = room.run(replace(folder, image=str(tmp_path / "el:9")), "cat /etc/image-name")
    assert (outcome.status, said) == (0, ["busybox"]), outcome.stderr.read_text()
    shutil.copytree(folder.image, tmp_path / "el:10", symlinks=True)
    outcome, said = room.run(replace(folder, image=str(tmp_path / "el:10")), "cat /etc/image-name")
    assert (outcome.status, said) == (0, ["busybox"]), outcome.stderr.read_text()


def test_variables_arrive_as_they_are_and_nothing_else_does(room, folder):
    value = "$(id) `id` \"two\" 'one' \\ back\nsecond line = x"
    room.own.update(LEAK="secret", http_proxy="http://proxy:1")
    script = 'printf "%s" "$VALUE"; printf "%s" "$LEAK$http_proxy" >&2; echo $TMPDIR > given'
    outcome, _ = room.run(folder, script, VALUE=value, TMPDIR="/srv/t")
    assert outcome.stdout.read_text() == value
    assert outcome.stderr.read_text() == ""
    assert (room.folder / "given").read_text() == "/srv/t\n"


def test_cvmfs_and_binds_are_seen_and_what_is_read_only_cannot_be_written(room, folder, tmp_path):
    cvmfs = tmp_path / "cvmfs"
    cvmfs.mkdir()
    (cvmfs / "version").write_text("release-1\n")
    container = replace(folder, cvmfs=str(cvmfs), also_at="/srv", binds=(Bind(str(tmp_path), "/data"),))
    script = "cat /cvmfs/version; touch /cvmfs/x 2>/dev/null || echo refused; touch /data/x /srv/here"
    outcome, said = room.run(container, script)
    assert (outcome.status, said) == (0, ["release-1", "refused"])
    assert (room.folder / "here").exists()


def test_an_image_is_fetched_from_its_address(room, podman, folder, tmp_path):
    home = tmp_path / "home"
    (home / ".config/containers").mkdir(parents=True)
    (home / ".config/containers/policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    with registry.serving(podman.image) as host:
        trusted = tmp_path / "registries.conf"
        trusted.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
        room.own |= {"HOME": str(home), "CONTAINERS_REGISTRIES_CONF": str(trusted)}
        container = replace(folder, image=f"docker://{host}/{registry.NAME}:1")
        outcome, said = room.run(container, "cat /etc/image-name; pwd")
        assert (outcome.status, said) == (0, ["busybox", str(room.folder)]), outcome.stderr.read_text()
        outcome, _ = room.run(replace(container, image=f"docker://{host}/{registry.NAME}:2"), "true")
        assert room.explain(container, outcome) is ErrorCode.IMAGE_NOT_FOUND, outcome.stderr.read_text()


def test_what_goes_wrong_has_its_code(room, folder, tmp_path):
    bare = tmp_path / "bare"
    (bare / "etc").mkdir(parents=True)
    for container, script, code in [
        (replace(folder, image=str(bare)), "true", ErrorCode.PAYLOAD_NOT_STARTED),
        (
            replace(folder, options=(*folder.options, "--pull=never"), image="docker://localhost/none"),
            "true",
            ErrorCode.IMAGE_NOT_FOUND,
        ),
        (folder, "exit 125", None),
        (folder, "exit 3", None),
    ]:
        outcome, _ = room.run(container, script)
        assert room.explain(container, outcome) is code, outcome.stderr.read_text()


def test_a_payload_that_is_stopped_leaves_nothing(room, folder, podman, nothing_is_left):
    with room.running(folder, FAMILY) as (payload, family):
        assert {"conmon", "podman"} <= {one.name() for one in family}
        payload.stop(0.5)
        with room.containers.leaving_nothing(folder, room.temporary):
            payload.wait()
    assert [one for one in family if one.is_running()] == []
    assert kept(podman, folder) == ""


def test_a_pilot_that_is_killed_takes_its_container_with_it_and_the_next_one_tidies_podmans_books(
    room, folder, podman, tmp_path, nothing_is_left
):
    os.mkfifo(tmp_path / "up")
    script = "import sys; from pilot.api.container import *; "
    script += "run(['/bin/sh', '-c', sys.argv[3]], "
    script += "container=Container(Runtime.PODMAN, sys.argv[1], sys.argv[2], options=tuple(sys.argv[4:])))"
    argv = [sys.executable, "-c", script, folder.image, folder.program, FAMILY, *folder.options]
    environment = {**os.environ, **podman.environment, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    pilot = subprocess.Popen(argv, cwd=tmp_path, env=environment)
    try:
        (tmp_path / "up").read_text()
        family = psutil.Process(pilot.pid).children(recursive=True)
        assert {"conmon", "podman"} <= {one.name() for one in family}
    finally:
        pilot.kill()
        pilot.wait(10)
    psutil.wait_procs(family, 10)
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert f"/{pilot.pid}/" in kept(podman, folder)
    room.run(folder, "true")
    assert kept(podman, folder) == ""


def test_a_keeper_that_is_killed_takes_the_container_with_it(room, folder, nothing_is_left):
    with room.running(folder, FAMILY) as (payload, family):
        os.kill(payload._keeper.pid, signal.SIGKILL)
        with pytest.raises(JobFailed, match="keeper"), room.containers.leaving_nothing(folder, room.temporary):
            payload.wait()
        psutil.wait_procs(family, 10)
    assert [one for one in family if one.is_running()] == []


def test_only_what_a_dead_process_of_this_machine_has_started_is_an_orphan():
    here = Owner("boot", "4026531836", 7, "100")
    books = [
        Kept("mine", here),
        Kept("a neighbour's", replace(here, pid=8, began="200")),
        Kept("left by a dead one", replace(here, pid=9)),
        Kept("left by one whose number another has", replace(here, pid=8, began="150")),
        Kept("of another namespace", replace(here, namespace="1", pid=9)),
        Kept("of another machine", replace(here, boot="x", pid=9)),
        Kept("of nobody", None),
    ]
    living = {7: "100", 8: "200"}
    assert orphans(books, here, lambda pid: living.get(pid, "")) == [
        "left by a dead one",
        "left by one whose number another has",
    ]


def test_an_owner_is_written_and_read():
    here = Owner.this()
    assert Owner.read(str(here)) == here
    assert began(here.pid) == here.began
    assert Owner.read("") is Owner.read("a/b/c/d") is None


def test_a_podman_that_says_nothing_that_can_be_read_has_nothing_removed(tmp_path):
    program, asked = tmp_path / "podman", tmp_path / "asked"
    for answer in ("", "not JSON", '[{"Names": []}]', '{"a": 1}'):
        program.write_text(f"#!/bin/sh\necho $1 >> {asked}\necho '{answer}'\n")
        program.chmod(0o755)
        Podman(str(program), {"PATH": "/bin"}).remove_orphans()
    assert asked.read_text().split() == ["ps"] * 4
    Podman("/no/such/podman", {}).remove_of(tmp_path)


def test_a_podman_that_fails_is_called_again(tmp_path):
    program, asked = tmp_path / "podman", tmp_path / "asked"
    program.write_text(f"#!/bin/sh\necho $1 >> {asked}\n[ $(wc -l < {asked}) -gt 1 ] && echo '[]'\n")
    program.chmod(0o755)
    Podman(str(program), {"PATH": "/usr/bin:/bin"}).remove_orphans()
    assert asked.read_text().split() == ["ps", "ps"]


def test_what_a_job_asks_for_is_what_its_container_has(room, folder, storage, podman, tmp_path, nothing_is_left):
    (tmp_path / "lent").mkdir()
    (tmp_path / "lent" / "note").write_text("from the node\n")
    site = sections.Container(program=folder.program, options=storage, job_binds=(f"{tmp_path}/lent:rw",))
    words = ("--volume", f"{tmp_path}/lent:/seen", "--env=WISH=a b", "--network=none", "--shm-size", "2m")
    spec = JobSpec(id=7, attempt=1, transformation="true", container=folder.image, container_options=words)
    chosen = choose(spec, QueueData("Q", container_type="podman:pilot"), site)
    script = 'cat /seen/note; echo "$WISH"; echo made > /seen/made; ls /sys/class/net; df -m /dev/shm | tail -n 1'
    outcome, said = room.run(chosen, script)
    assert said[:3] == ["from the node", "a b", "lo"], outcome.stderr.read_text()
    assert " 2 " in said[3]
    assert (tmp_path / "lent" / "made").read_text() == "made\n"
