"""Payloads in a real podman with runc, under a real keeper."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import replace

import psutil
import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container.podman import LABEL, Kept, Podman, dead
from pilot.runtime.container.values import Bind, Container, Runtime
from tests.pilot.runtime.container.conftest import Room
from tests.services import registry

FAMILY = "setsid sleep 600 & sleep 600 & echo > up; sleep 600; sleep 600"


@pytest.fixture
def room(podman, tmp_path):
    return Room(tmp_path / "job", dict(podman.environment))


@pytest.fixture
def folder(podman):
    return Container(Runtime.PODMAN, str(podman.image), str(podman.program))


def kept(podman, room):
    """Answer the containers of a room that podman still knows."""
    argv = [str(podman.program), "ps", "--all", "--filter", f"label={LABEL}={room.temporary}", "--format", "json"]
    said = subprocess.run(argv, env={**os.environ, **podman.environment}, capture_output=True, text=True, check=True)
    return json.loads(said.stdout)


def test_a_payload_runs_in_an_image_and_writes_into_its_directory(room, folder, podman, nothing_is_left):
    before = sorted(path.name for path in podman.image.rglob("*"))
    outcome, said = room.run(folder, "cat /etc/image-name; pwd; echo $HOME; echo done > made; touch /x; exit 17")
    assert (outcome.status, said) == (17, ["busybox", str(room.folder), str(room.folder)]), outcome.stderr.read_text()
    assert (room.folder / "made").read_text() == "done\n"
    assert sorted(path.name for path in podman.image.rglob("*")) == before
    assert kept(podman, room) == []


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
        options = (f"--root={tmp_path / 'root'}", "--storage-driver=vfs")
        container = replace(folder, image=f"docker://{host}/{registry.NAME}:1", options=options)
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
            replace(folder, options=("--pull=never",), image="docker://localhost/none"),
            "true",
            ErrorCode.IMAGE_NOT_FOUND,
        ),
        (folder, "exit 125", None),
        (folder, "exit 3", None),
    ]:
        outcome, _ = room.run(container, script)
        assert room.explain(container, outcome) is code, outcome.stderr.read_text()


def test_nothing_is_left_in_a_storage_that_the_queue_names(room, folder, podman, tmp_path, nothing_is_left):
    storage = (f"--root={tmp_path / 'root'}", "--storage-driver=vfs")
    container = replace(folder, options=storage)
    with room.running(container, FAMILY) as (payload, _):
        payload.stop(0)
        with room.containers.leaving_nothing(container, room.temporary):
            payload.wait()
    argv = [str(podman.program), *storage, "ps", "--all", "--quiet"]
    said = subprocess.run(argv, env={**os.environ, **podman.environment}, capture_output=True, text=True, check=True)
    assert said.stdout == ""


def test_a_payload_that_is_stopped_leaves_nothing(room, folder, podman, nothing_is_left):
    with room.running(folder, FAMILY) as (payload, family):
        assert {"conmon", "podman", "sleep"} <= {one.name() for one in family}
        payload.stop(0.5)
        with room.containers.leaving_nothing(folder, room.temporary):
            payload.wait()
    assert [one for one in family if one.is_running()] == []
    assert kept(podman, room) == []


def test_a_keeper_that_loses_its_pilot_ends_the_container(room, folder, podman, nothing_is_left):
    with room.running(folder, FAMILY) as (payload, family):
        payload._keeper.stdin.close()  # what the kernel does when a pilot is killed
        payload._keeper.wait(10)
        payload._keeper.stdout.close()
    assert [one for one in family if one.is_running()] == []
    room.run(folder, "true")  # the next job removes what podman still knows of it
    assert kept(podman, room) == []


def test_a_keeper_that_is_killed_takes_the_container_with_it(room, folder, nothing_is_left):
    with room.running(folder, FAMILY) as (payload, family):
        os.kill(payload._keeper.pid, signal.SIGKILL)
        with pytest.raises(JobFailed, match="keeper"), room.containers.leaving_nothing(folder, room.temporary):
            payload.wait()
        psutil.wait_procs(family, 10)
    assert [one for one in family if one.is_running()] == []


def test_only_what_has_no_process_and_does_not_get_one_is_dead():
    books = [
        Kept("runs", "/a", 1, 0),
        Kept("killed", "/b", 2, 0),
        Kept("begins", "/c", 0, 95),
        Kept("left", "/d", 0, 9),
    ]
    assert dead(books, 100, lambda pid: pid == 1) == ["killed", "left"]


def test_a_podman_that_says_nothing_that_can_be_read_has_nothing_removed(tmp_path):
    program, asked = tmp_path / "podman", tmp_path / "asked"
    for answer in ("", "not JSON", '[{"Names": []}]', '{"a": 1}'):
        program.write_text(f"#!/bin/sh\necho $1 >> {asked}\necho '{answer}'\n")
        program.chmod(0o755)
        Podman(str(program), {"PATH": "/bin"}).remove_dead(0)
    assert asked.read_text().split() == ["ps"] * 4
    Podman("/no/such/podman", {}).remove_of(tmp_path)
