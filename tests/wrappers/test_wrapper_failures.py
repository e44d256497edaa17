"""The wrapper on nodes where something is wrong: full disks, odd environments, silent pilots, a TERM at each moment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from pilot.contract.exit_codes import ExitCode
from tests.kits.wrapper import KNOWN, WRAPPER, Place, shell_of

pytestmark = pytest.mark.one_python

SH = ("/bin/sh",)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, SH)


@pytest.fixture(params=KNOWN, ids=lambda shell: shell[0])
def strange_place(request, tmp_path):
    """A folder whose name has what names should not have, in each shell."""
    folder = tmp_path / "a b\n*'\"$HOME"
    folder.mkdir()
    return Place(folder, shell_of(request.param))


def tools(place, *names):
    """Make a folder of the node's programs, and of no others."""
    folder = place.root / "tools"
    folder.mkdir(exist_ok=True)
    for name in ("mktemp", "rm", "mv", "sleep", "mkdir", "uname", *names):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def program(path, text):
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def last_line(done):
    return done.stderr.splitlines()[-1]


def test_names_with_blanks_and_line_ends_are_names_like_others(strange_place):
    place = strange_place
    (place.root / "token").write_text("secret")
    words = place.root / "last words"
    done = place.run("around", token="token", scratch="scratch", bundle="pilot bundle.pyz", last_words=words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True True\nsecret\n", "")
    assert words.read_text() == "exit_status=0\nwords=the pilot ended\n"
    assert list(place.scratch.iterdir()) == []
    done = place.run("around", bundle="no\nsuch", last_words=words)
    assert done.returncode == ExitCode.BAD_BUNDLE
    assert place.run("status", "0", scratch="/no\nsuch", last_words=words).returncode == ExitCode.MKDIR
    assert [line.partition("=")[0] for line in words.read_text().splitlines()] == ["exit_status", "words"]


def test_an_environment_with_nothing_in_it_will_do(strange_place):
    place = strange_place
    (place.root / "token").write_text("secret")
    done = place.run("around", token=place.root / "token", environment={"PATH": "", "IFS": "/"})
    assert (done.returncode, done.stdout) == (0, "True True True\nsecret\n"), done.stderr


def test_a_hostile_environment_changes_nothing(strange_place):
    place = strange_place
    hostile = {"IFS": "/a", "LC_ALL": "xx_YY.bad", "CDPATH": "/", "ENV": "/nowhere", "BASH_ENV": "/nowhere"}
    hostile |= {"status": "7", "pid": "1", "scratch": "/etc", "caught": "9", "silent": "yes", "words": "x"}
    done = place.run("status", "5", environment=place.environment(**hostile))
    assert done.returncode == 5, done.stderr
    assert list(place.scratch.iterdir()) == []


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_take_nothing_with_them(place, closed):
    line = ["sh", "-c", f'exec "$@" {closed}', "sh", *place.argv("status", "6")]
    done = subprocess.run(line, env=place.environment(), cwd=place.root, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (6, b"", b"")


def test_what_a_payload_has_closed_is_removed_too(place):
    assert place.run("leave", "3").returncode == 3
    assert list(place.scratch.iterdir()) == []


# Disks


@pytest.mark.parametrize(
    ("options", "words"), [("size=8k", "bytes are free in"), ("size=4m,nr_inodes=3", "files may be made in")]
)
@pytest.mark.parametrize("option", ["scratch", "cache"])
@pytest.mark.programs("unshare")
def test_a_full_disk_is_told_with_what_is_needed(place, options, words, option):
    mounted = f'mount -t tmpfs -o {options},mode=700 none "$0" && exec "$@"'
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted, str(place.scratch)]
    argv = [*own, *place.argv("status", "0", **{"scratch": None, option: place.scratch})]
    done = subprocess.run(argv, env=place.environment(), cwd=place.root, capture_output=True, text=True, timeout=60)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"not tested: {done.stderr.strip()}")
    assert done.returncode == ExitCode.NO_SPACE, done.stderr
    assert "NO_LOCAL_SPACE (1098)" in last_line(done)
    assert words in last_line(done)


# Pythons


def test_a_python_is_found_by_patterns_before_the_path(place):
    (place.root / "python-1").symlink_to("/bin/false")
    (place.root / "python-2").symlink_to(sys.executable)
    bare = place.environment(PATH=str(tools(place)))
    patterns = f"{place.root}/none-* {place.root}/python-*"
    assert place.run("status", "4", python=None, pythons=patterns, environment=bare).returncode == 4
    done = place.run("status", "4", python=None, pythons="/nowhere/*", environment=bare)
    assert done.returncode == ExitCode.MIDDLEWARE or Path("/usr/libexec/platform-python").exists()


def test_a_python_that_is_too_old_is_passed_over(place):
    folder = tools(place)
    program(folder / "python3", "exit 1")
    (folder / "python3.12").symlink_to(sys.executable)
    assert place.run("status", "4", python=None, environment=place.environment(PATH=str(folder))).returncode == 4


def hanging(place, seconds):
    """Make a wrapper that asks a program which sleeps where it would ask a file system that hangs."""
    text = WRAPPER.read_text()
    for old, new in (
        ("'[ -d \"$1/.\" ]'", "'exec sleep 600 >/dev/null 2>&1'"),
        ("mount_time=60", f"mount_time={seconds}"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    return program(place.root / "hanging.sh", text)


@pytest.mark.parametrize(("shell", "option"), [*((shell, "python") for shell in KNOWN), (KNOWN[0], "bundle")])
def test_a_cvmfs_that_hangs_does_not_take_the_wrapper_with_it(place, shell, option):
    argv = [*shell_of(shell), str(hanging(place, 1)), *place.argv("status", "0", **{option: "/cvmfs/a.test/x"})[2:]]
    done = subprocess.run(argv, env=place.environment(), cwd=place.root, capture_output=True, text=True, timeout=60)
    assert done.returncode == ExitCode.SITE_OFFLINE
    assert "CVMFS_NOT_ALIVE (1377): /cvmfs/a.test does not answer within 1 s" in done.stderr
    assert list(place.scratch.iterdir()) == []


def test_a_term_is_heard_while_cvmfs_is_waited_for(place):
    argv = [*SH, str(hanging(place, 60)), *place.argv("status", "0", python="/cvmfs/a.test/python")[2:]]
    with subprocess.Popen(argv, env=place.environment(), cwd=place.root, stderr=subprocess.PIPE, text=True) as wrapper:
        wait_for_child(wrapper.pid, "sleep")
        wrapper.send_signal(signal.SIGTERM)
        assert "signal 15 came before the pilot was started" in wrapper.stderr.read()
        assert wrapper.wait(30) == 143


def wait_for_child(pid, name):
    deadline = time.monotonic() + 30
    while (pid, name) not in {(each.info["ppid"], each.info["name"]) for each in psutil.process_iter(["ppid", "name"])}:
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_a_cvmfs_that_is_not_there_is_passed_over(place):
    tried = {"python": None, "pythons": "/cvmfs/nowhere.test/python-*/bin/python3"}
    variables = place.environment(PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin")
    assert place.run("status", "4", environment=variables, **tried).returncode == 4


# Credentials


@pytest.mark.parametrize("option", ["token", "proxy"])
def test_a_secret_that_others_can_read_is_closed_to_them(place, option):
    secret = place.root / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    assert place.run("status", "0", **{option: "secret"}).returncode == 0
    assert secret.stat().st_mode & 0o777 == 0o600


def test_a_proxy_that_was_asked_for_has_to_be_there(place):
    done = place.run("status", "0", proxy="/nowhere")
    assert done.returncode == ExitCode.PROXY
    assert "NO_PROXY (1163): the proxy cannot be read" in last_line(done)
    done = place.run("status", "5", environment=place.environment(X509_USER_PROXY="/nowhere"))
    assert done.returncode == 5
    assert "the proxy cannot be read" in last_line(done)


@pytest.mark.parametrize(
    ("born", "ends", "words"),
    [(0, 3600, ""), (600, 3600, "the clock of this node is "), (-3600, -600, "the pass ended 60")],
)
def test_a_clock_that_a_pass_contradicts_is_hinted_at(place, born, ends, words):
    now = int(time.time())
    (place.root / "token").write_text(f"cpp_7.{now + born}.{now + ends}.1.x")
    done = place.run("status", "0", token="token")
    assert done.returncode == 0
    assert words in done.stderr if words else done.stderr == ""


# Exit status


@pytest.mark.parametrize(
    ("pilots", "told"), [(0, 0), (82, 0), (90, 0), (94, 0), (64, 64), (69, 69), (75, 75), (76, 76)]
)
def test_the_batch_system_may_be_told_of_the_node_alone(place, pilots, told):
    words = place.root / "words"
    assert place.run("status", str(pilots), exit_as="node", last_words=words).returncode == told
    assert words.read_text().startswith(f"exit_status={pilots}\n")


def test_the_batch_system_is_told_of_signals_and_wrong_options_in_any_case(place):
    assert place.run("kill", "9", exit_as="node").returncode == 137
    assert place.run("status", "0", exit_as="node", sha256="x").returncode == ExitCode.USAGE
    for wrong in ({"exit_as": "both"}, {"silence": "soon"}, {"silence": "0900"}):
        assert place.run("status", "0", **wrong).returncode == ExitCode.USAGE


# Silence


@pytest.mark.parametrize("kind", ["kind", "deaf"])
def test_a_pilot_that_gives_no_sign_of_life_is_ended(place, kind):
    words = place.root / "words"
    done = place.run("signs", kind, silence=1, last_words=words)
    assert done.returncode == ExitCode.SILENT
    assert "it is told to end" in done.stderr
    assert words.read_text() == "exit_status=95\nwords=the pilot gave no sign of life for 1 s, and was ended\n"
    assert list(place.scratch.iterdir()) == []


def test_with_a_cache_nothing_of_the_watch_is_left_either(place):
    for _ in range(2):
        assert place.run("status", "0", cache="cache").returncode == 0
    names = {path.name for path in place.root.iterdir()}
    assert names == {"scratch", "cache", "pilot bundle.pyz"}
    assert [path.name for path in (place.root / "cache").iterdir()] == [place.sha256]


def test_with_a_cache_that_has_it_a_bundle_is_not_needed(place):
    assert place.run("status", "0", cache="cache").returncode == 0
    assert place.run("status", "5", cache="cache", bundle="/nowhere").returncode == 5


def test_a_cache_that_somebody_has_thinned_out_is_told(place):
    python = f"{sys.base_prefix}/bin/python3"  # which has no pilot of its own
    assert place.run("status", "0", cache="cache", python=python).returncode == 0
    (place.root / "cache" / place.sha256 / "pilot" / "cli.py").unlink()
    done = place.run("status", "0", cache="cache", python=python)
    assert done.returncode == ExitCode.BAD_BUNDLE
    assert f"{place.root}/cache/{place.sha256} is not whole" in last_line(done)
    assert "; remove it (exit status 94)" in last_line(done)


# Signals


def test_a_term_while_the_bundle_is_read_ends_it_with_nothing_left(place):
    place.bundle.unlink()
    os.mkfifo(place.bundle)
    words = place.root / "words"
    # It can be opened when it is being read.
    with place.start("status", "0", last_words=words) as wrapper, place.bundle.open("wb"):
        wrapper.send_signal(signal.SIGTERM)
        assert wrapper.wait(30) == 143
    assert words.read_text() == "exit_status=143\nwords=the pilot ended\n"
    assert list(place.scratch.iterdir()) == []


def test_a_term_while_it_cleans_up_changes_neither_that_nor_the_status(place):
    folder, gate, begun = tools(place), place.root / "gate", place.root / "begun"
    os.mkfifo(gate)
    os.mkfifo(begun)
    program(folder / "rm", f'echo x >"{begun}"; read -r _ <"{gate}"; exec {shutil.which("rm")} "$@"')
    argv = place.argv("status", "5")
    with subprocess.Popen(argv, env=place.environment(PATH=str(folder)), cwd=place.root) as wrapper:
        assert begun.read_text() == "x\n"
        wrapper.send_signal(signal.SIGTERM)
        gate.write_text("go\n")
        assert wrapper.wait(30) == 5
    assert list(place.scratch.iterdir()) == []


def test_last_words_tell_of_a_signal_before_anybody_kills_the_wrapper(place):
    words = place.root / "words"
    with place.start("wait", "10", last_words=words) as wrapper:
        assert wrapper.stdout.readline().startswith("up ")
        wrapper.send_signal(signal.SIGUSR1)
        assert wrapper.stdout.readline() == "heard 10\n"
        deadline = time.monotonic() + 30
        while not words.exists():
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
        assert words.read_text() == "exit_status=138\nwords=signal 10 came; the end of the pilot was not seen\n"
        wrapper.send_signal(signal.SIGUSR2)
        assert wrapper.wait(30) == 128 + signal.SIGUSR2


def test_last_words_that_cannot_be_written_are_said(place):
    done = place.run("status", "4", last_words="/nowhere/words")
    assert done.returncode == 4
    assert "cannot be written to /nowhere/words: exit_status=4 words=the pilot ended" in done.stderr
