"""Setting up a release: real shells, real scripts."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.user.compass import setting_up

LIMIT = 20.0


def values(folder, text, *, limit=LIMIT, **more):
    (folder / "setup.sh").write_text(text)
    return setting_up.values_of(folder / "setup.sh", limit, **more)


def failure(folder, text, **more):
    with pytest.raises(JobFailed) as caught:
        values(folder, text, **more)
    return caught.value


def test_what_a_script_exports_is_kept_as_values(tmp_path):
    found = values(
        tmp_path,
        'export CORAL=$PWD\nexport PATH=$PWD/bin:$PATH\nLOCAL=1\nexport LINES="a\nb=c"\nf() { :; }; export -f f\n',
    )
    assert found == {"CORAL": str(tmp_path), "PATH": f"{tmp_path}/bin:{setting_up.CLEAN['PATH']}", "LINES": "a\nb=c"}


def test_a_script_runs_in_a_clean_shell_and_sees_nothing_of_the_pilot(tmp_path, monkeypatch):
    monkeypatch.setenv("COMPASS_PILOT_TOKEN", "secret")
    monkeypatch.setenv("BASH_ENV", str(tmp_path / "evil.sh"))
    (tmp_path / "evil.sh").write_text("export EVIL=1\n")
    found = values(tmp_path, 'export SEEN=$(env | sort | tr "\\n" " ") ARGUMENTS="$#$*"\n')
    assert "secret" not in found["SEEN"]
    assert "EVIL" not in found
    assert found["ARGUMENTS"] == "0"


def test_what_a_script_prints_is_no_value(tmp_path):
    assert values(tmp_path, 'echo HELLO=1; printf "A=1\\0B=2\\0"; export GOOD=1\n') == {"GOOD": "1"}


def test_a_script_is_sourced_once_until_it_changes(tmp_path):
    count = tmp_path / "count"
    text = f"echo x >> {count}; export A=1\n"
    values(tmp_path, text)
    for _ in range(3):
        assert setting_up.values_of(tmp_path / "setup.sh", LIMIT)["A"] == "1"
    assert count.read_text() == "x\n"
    (tmp_path / "setup.sh").write_text("export A=2\n")
    os.utime(tmp_path / "setup.sh", ns=(1, 1))
    assert setting_up.values_of(tmp_path / "setup.sh", LIMIT)["A"] == "2"


def test_a_failure_is_not_remembered(tmp_path):
    setup = tmp_path / "setup.sh"
    setup.write_text('[ -e "$PWD/ready" ]\n')
    with pytest.raises(JobFailed):
        setting_up.values_of(setup, LIMIT)
    (tmp_path / "ready").write_text("")
    assert setting_up.values_of(setup, LIMIT) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo first; echo no such compiler >&2; false\n", "ended with status 1; last words: first | no such compiler"),
        ("return 42\n", "ended with status 42;"),
        ("exit 3\n", "ended with status 3; last words: it wrote nothing"),
        ("exit 0\n", "ended the shell that sources it; it must not call exit"),
        ("kill -9 $$\n", "ended with signal 9"),
        ("if\n", "syntax error"),
    ],
)
def test_a_script_that_fails_is_told_with_its_last_words(tmp_path, text, words):
    failed = failure(tmp_path, text)
    assert failed.code is ErrorCode.SETUP_FAILURE
    assert str(tmp_path / "setup.sh") in failed.detail
    assert words in failed.detail


def test_a_shell_that_cannot_be_started_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(setting_up, "CLEAN", {"PATH": str(tmp_path)})
    failed = failure(tmp_path, "export A=1\n")
    assert failed.code is ErrorCode.SETUP_FAILURE
    assert failed.detail.startswith(f"{tmp_path}/setup.sh: bash: ")


def test_a_script_that_prints_for_ever_fills_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(setting_up, "LARGEST_FILE", 4096)
    assert "ended with signal 25; last words: y | y | y" in failure(tmp_path, "yes\n").detail


def test_names_that_scripts_like_mean_nothing_to_the_pilot(tmp_path):
    assert values(tmp_path, "strict= setup=x; exec 3>/dev/null; export LANG=C\n") == {"LANG": "C"}
    assert "ended with status 1;" in failure(tmp_path, "strict=; false\n").detail


def test_a_site_may_pass_over_a_status_that_means_nothing(tmp_path):
    assert values(tmp_path, "export A=1\nfalse\n", strict=False) == {"A": "1"}


def test_a_script_that_hangs_is_ended_in_time_with_all_that_it_started(tmp_path):
    text = f"sleep 60 & echo $! > {tmp_path}/pid; echo waiting; wait\n"
    began = time.monotonic()
    failed = failure(tmp_path, text, limit=0.5)
    assert time.monotonic() - began < 10
    assert failed.code is ErrorCode.SETUP_TIMED_OUT
    assert failed.detail.endswith("took longer than 0.5 s; last words: waiting")
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("start", ["", "setsid ", "set -m; "])
def test_what_a_script_leaves_in_the_background_neither_holds_the_pilot_nor_stays(tmp_path, start):
    began = time.monotonic()
    text = f"mkfifo {tmp_path}/up; {start}sh -c 'echo $$ > {tmp_path}/up; exec sleep 60' & "
    assert values(tmp_path, f"{text}read PID < {tmp_path}/up; export PID\n", limit=LIMIT).keys() == {"PID"}
    assert time.monotonic() - began < 10
    (pid,) = setting_up.values_of(tmp_path / "setup.sh", LIMIT).values()
    assert gone(int(pid))


def gone(pid: int) -> bool:
    """Wait until a process that was killed is no more than a zombie of somebody else's."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        import select

        ended = select.poll()
        ended.register(handle, select.POLLIN)
        try:
            return bool(ended.poll(5000))
        finally:
            os.close(handle)
    return True


def test_a_declared_environment_needs_no_shell(tmp_path):
    path = tmp_path / "environment"
    path.write_text("# the release\n\nCORAL=/cvmfs/x/coral\nFLAGS=$HOME = `rm`\n")
    assert setting_up.values_of(path, LIMIT) == {"CORAL": "/cvmfs/x/coral", "FLAGS": "$HOME = `rm`"}


@pytest.mark.parametrize("line", ["export A=1", "A", "1A=2", "=x"])
def test_a_line_of_a_declared_environment_that_is_none_is_named(tmp_path, line):
    (tmp_path / "environment").write_text(f"B=1\n{line}\n")
    with pytest.raises(JobFailed, match="environment, line 2: .* is not NAME=value") as caught:
        setting_up.values_of(tmp_path / "environment", LIMIT)
    assert caught.value.code is ErrorCode.SETUP_FAILURE


def test_a_file_that_is_not_there_cannot_be_read_or_is_not_text_is_told(tmp_path):
    with pytest.raises(JobFailed, match="No such file"):
        setting_up.values_of(tmp_path / "environment", LIMIT)
    (tmp_path / "environment").write_bytes(b"A=\xff\n")
    with pytest.raises(JobFailed, match="cannot be read"):
        setting_up.values_of(tmp_path / "environment", LIMIT)


READ_ONLY = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from pilot.user.compass import setting_up
release = Path({release!r})
try:
    (release / "x").write_text("")
except OSError as wrong:
    print(wrong.strerror)
print(setting_up.values_of(release / "coral" / "setup.sh", 20)["CORAL"])
"""


@pytest.mark.programs("unshare", "mount")
def test_a_release_that_is_mounted_read_only_as_cvmfs_is_can_be_set_up(tree):
    text = READ_ONLY.format(path=[str(Path(__file__).parents[4]), *sys.path], release=str(tree.release))
    shell = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    argv = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", shell, "sh", str(tree.home), sys.executable]
    done = subprocess.run([*argv, "-c", text], capture_output=True, text=True, timeout=30)
    if done.returncode and "unshare" in done.stderr:
        pytest.skip(f"not tested, no namespaces here: {done.stderr.strip()}")
    assert done.stdout == f"Read-only file system\n{tree.release}/coral\n", done.stderr
