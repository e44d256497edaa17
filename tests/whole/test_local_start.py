"""`compass up`, `demo` and `down` where the machine does not play along: one line with a remedy, nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.whole.local_system import PATIENCE, ROOT

pytestmark = pytest.mark.one_python


def one_line(called) -> str:
    """Check that a command failed with one line for a person, and answer the line."""
    status, out, said = called
    assert status in (1, 2), (out, said)
    assert out == ""
    assert said.startswith("compass: ")
    assert said.count("\n") == 1, said
    assert "; " in said, f"no remedy: {said}"
    return said


def test_a_taken_port_is_named(local_system):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        system = local_system()
        said = one_line(system.call("up", "--port", str(port)))
    assert f"port {port}: Address already in use; give another --port" in said
    assert system.processes() == []


def test_a_port_that_cannot_be_is_named(local_system):
    assert "ports are 1 to 65535" in one_line(local_system().call("up", "--port", "70000"))


def test_a_missing_bundle_is_named_before_anything_is_started(local_system):
    system = local_system()
    said = one_line(system.call("up", "--bundle", str(system.home / "nowhere.pyz")))
    assert "nowhere.pyz is not there; run 'make bundle'" in said
    assert not (system.home / "server").exists()


def test_a_demo_without_a_bundle_is_refused_before_anything_is_started(local_system):
    system = local_system()
    assert "give --bundle" in one_line(system.call("demo"))
    assert not (system.home / "server").exists()


def test_a_home_below_a_file_is_named(local_system, tmp_path):
    (tmp_path / "file").write_text("")
    said = one_line(local_system(tmp_path / "file" / "home").call("up"))
    assert f"{tmp_path}/file/home cannot be made: Not a directory; give another folder by --home" in said


def test_of_two_ups_at_once_one_starts_the_system_and_the_other_says_so_or_finds_it(local_system):
    system = local_system()
    words = ["up", "--json", "--bundle", str(system.bundle)]
    first, second = system.start(*words), system.start(*words)
    answers = [(called.communicate(timeout=PATIENCE), called.returncode) for called in (first, second)]
    assert sorted(status for _, status in answers) in ([0, 0], [0, 1])
    for (out, said), status in answers:
        if status:
            assert "right now" in json.loads(out)["error"], said
    assert sum("client.local.supervisor" in words for words in system.commands()) == 1
    assert json.loads(system.up()[1])["url"] == system.url()
    assert system.call("down")[0] == 0
    assert system.processes() == []
    assert system.call("down")[0] == 0


def in_small_home(system, folder: Path, options: str, *words: str) -> tuple[int, str, str]:
    """Call `compass` where the home is a file system of its own, which nobody else sees."""
    mount = f'mount -t tmpfs -o {options} none "$0" && exec "$@"'
    argv = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)]
    argv += [sys.executable, "-m", "client.cli", *words, "--home", str(system.home)]
    done = subprocess.run(argv, env=system.environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def needs_own_mounts() -> None:
    probe = ["unshare", "--user", "--map-root-user", "--mount", "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
        if os.environ.get("CI"):
            pytest.fail("this machine lets nobody mount anything: full and read-only disks are not tested")
        pytest.skip("not tested: full and read-only disks, because this machine lets nobody mount anything")


@pytest.mark.parametrize("size", ["16k", "200k", "800k"])
def test_a_full_disk_is_named(local_system, tmp_path, size):
    needs_own_mounts()
    folder = tmp_path / "small"
    folder.mkdir()
    system = local_system(folder / "home")
    said = one_line(in_small_home(system, folder, f"size={size}", "up", "--bundle", str(system.bundle)))
    assert f"{folder}/home cannot be written (No space left on device): free some space" in said
    assert system.processes() == []


def test_a_home_that_may_not_be_written_is_named(local_system, tmp_path):
    needs_own_mounts()
    folder = tmp_path / "fixed"
    folder.mkdir()
    system = local_system(folder / "home")
    said = one_line(in_small_home(system, folder, "ro", "up", "--bundle", str(system.bundle)))
    assert "home cannot be made: Read-only file system; give another folder by --home" in said
