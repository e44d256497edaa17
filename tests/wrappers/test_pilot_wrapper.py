"""The wrapper, in each shell that is here, with a bundle whose pilot does what a test asks for."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilot.contract.exit_codes import NODE_FAULTS, ExitCode
from tests.kits.wrapper import KNOWN, PATH, WRAPPER, Place, shell_of

pytestmark = pytest.mark.one_python


@pytest.fixture(params=KNOWN, ids=lambda shell: shell[0])
def shell(request):
    return shell_of(request.param)


@pytest.fixture
def place(tmp_path, shell):
    return Place(tmp_path, shell)


@pytest.fixture
def plain(tmp_path):
    """For what is no matter of shells."""
    return Place(tmp_path, ("/bin/sh",))


@pytest.mark.parametrize("status", [0, 82, 127])
def test_the_pilots_exit_status_is_the_wrappers(place, status):
    assert place.run("status", str(status)).returncode == status
    assert list(place.scratch.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_that_ends_the_pilot_is_128_and_its_number(place, number):
    assert place.run("kill", str(int(number))).returncode == 128 + number
    assert list(place.scratch.iterdir()) == []


def test_the_pilot_gets_its_own_words_its_own_session_and_an_unspoilt_python(place):
    variables = place.environment(PYTHONDONTWRITEBYTECODE="1", PYTHONPATH="/evil", PYTHONSTARTUP="/evil")
    words = ["say", "-q", "a b", "", "*", "--bundle", "$HOME;`x`"]
    done = place.run(*words, environment=variables)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == f"{words[1:]} True 1 True"
    where, no_bytecode, name = second.split()
    assert (no_bytecode, name) == ("None", "pilot")
    assert Path(where).parent == place.scratch


def test_two_dashes_end_the_wrappers_options(place):
    assert place.run("--", "status", "7").returncode == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1, signal.SIGXCPU, signal.SIGHUP, signal.SIGQUIT])
def test_signals_are_passed_on_and_the_end_is_waited_for(place, number):
    with place.start("wait", str(int(number)), "15") as wrapper:
        assert wrapper.stdout.readline().startswith("up ")
        wrapper.send_signal(number)
        assert wrapper.stdout.readline() == f"heard {int(number)}\n"
        assert wrapper.poll() is None
        wrapper.send_signal(signal.SIGTERM)
        assert wrapper.stdout.readline() == "heard 15\n"
        assert wrapper.wait(30) == 143
    assert list(place.scratch.iterdir()) == []


def test_a_signal_that_the_pilot_does_not_heed_ends_it(place):
    with place.start("wait") as wrapper:
        assert wrapper.stdout.readline().startswith("up ")
        wrapper.send_signal(signal.SIGUSR2)
        assert wrapper.wait(30) == 128 + signal.SIGUSR2


def test_settings_may_come_from_the_environment(place):
    variables = place.environment(
        COMPASS_BUNDLE=str(place.bundle),
        COMPASS_BUNDLE_SHA256=place.sha256.upper(),
        COMPASS_SCRATCH=str(place.scratch),
        COMPASS_PYTHON=sys.executable,
    )
    none = {"bundle": None, "sha256": None, "scratch": None, "python": None}
    assert place.run("status", "5", environment=variables, **none).returncode == 5


def refused(done, status, words):
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("pilot-wrapper: ")
    assert line.endswith(f"(exit status {status})")
    assert words in line


def test_a_bundle_with_another_hash_is_not_run(plain):
    plain.bundle.write_bytes(plain.bundle.read_bytes() + b"\0")
    done = plain.run("say")
    refused(done, ExitCode.BAD_BUNDLE, f"and not {plain.sha256}; fetch it again, or correct --sha256")
    assert list(plain.scratch.iterdir()) == []


def test_a_hash_from_beside_the_bundle_is_not_looked_for(plain):
    (plain.root / "pilot bundle.pyz.sha256").write_text(plain.sha256)
    refused(plain.run("say", sha256=None), ExitCode.USAGE, "must be the bundle's hash")


@pytest.mark.parametrize("wrong", ["", "g" * 64, "0" * 63])
def test_what_cannot_be_a_hash_is_refused(plain, wrong):
    refused(plain.run("say", sha256=wrong), ExitCode.USAGE, "64 hexadecimal digits")


def test_a_missing_bundle_is_told(plain):
    refused(plain.run("say", bundle="/nowhere"), ExitCode.BAD_BUNDLE, "'/nowhere'; fetch it again")
    refused(plain.run("say", bundle=None), ExitCode.USAGE, "no bundle is named; give --bundle or COMPASS_BUNDLE")


def test_a_file_that_is_no_bundle_is_told(plain):
    plain.bundle.write_bytes(b"<html>404</html>")
    import hashlib

    digest = hashlib.sha256(b"<html>404</html>").hexdigest()
    refused(plain.run("say", sha256=digest), ExitCode.BAD_BUNDLE, "is no bundle")


@pytest.mark.parametrize("wrong", ["/nowhere/python", "/bin/true", "/bin/false"])
def test_a_python_that_is_none_is_told(plain, wrong):
    refused(plain.run("say", python=wrong), ExitCode.MIDDLEWARE, f"{wrong} is not a Python 3.9 or newer")


def test_a_node_without_python_is_told(place):
    tools = place.root / "bin"
    tools.mkdir()
    for name in ("mktemp", "rm", "mv", "tr", "printf"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = place.run("say", python=None, environment={"PATH": str(tools)})
    if Path("/usr/libexec/platform-python").exists():
        pytest.skip("not tested: this system brings a Python of its own")
    refused(done, ExitCode.MIDDLEWARE, f"no Python 3.9 or newer is on the PATH ({tools})")


def test_a_python_is_found_by_itself(place):
    variables = place.environment(PATH=f"{Path(sys.executable).parent}:{PATH}")
    assert place.run("status", "4", python=None, environment=variables).returncode == 4


def test_no_directory_to_unpack_in_is_told(plain):
    done = plain.run("say", scratch="/nowhere")
    assert done.returncode == ExitCode.MKDIR
    assert done.stderr.splitlines()[-1].endswith("give another by --scratch (exit status 66)")


def test_an_option_without_its_value_is_told(place):
    done = subprocess.run([*place.shell, str(WRAPPER), "--bundle"], capture_output=True, text=True)
    refused(done, ExitCode.USAGE, "--bundle needs a value; see --help")


def test_help_names_every_option(place):
    done = subprocess.run([*place.shell, str(WRAPPER), "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for option in ("bundle", "sha256", "python", "scratch", "cache", "last-words", "help"):
        assert f"--{option}" in done.stdout


def test_the_page_about_it_names_every_option_variable_and_status():
    help_ = subprocess.run(["sh", str(WRAPPER), "--help"], capture_output=True, text=True, check=True).stdout
    page = (WRAPPER.parents[1] / "doc" / "howto" / "run-a-pilot.md").read_text()
    for word in {*re.findall(r"--[a-z][a-z0-9-]+", help_), *re.findall(r"COMPASS_\w+", help_)} - {"--help"}:
        assert f"`{word}`" in page
    statuses = set(re.findall(r"give_up (\d+)|give_up\((\d+)", WRAPPER.read_text()))
    for status in {"".join(found) for found in statuses} | {"69"}:
        assert f"\n| {status} |" in page
        assert int(status) in set(ExitCode)


def test_what_speaks_against_the_node_is_the_same_in_contract_wrapper_and_page():
    (listed,) = re.findall(r"^ *([\d |]+)\) ;;$", WRAPPER.read_text(), re.MULTILINE)
    faults = {int(code) for code in NODE_FAULTS}
    assert {int(word) for word in listed.split("|")} == {*faults, ExitCode.USAGE}
    page = (WRAPPER.parents[1] / "doc" / "howto" / "troubleshoot-pilots.md").read_text()
    assert f"member(ExitCode, {{{', '.join(map(str, sorted(faults)))}}})" in page
    assert faults <= set(map(int, re.findall(r"^\| (\d+) \| ", page, re.MULTILINE)))


def test_the_troubleshooting_page_has_a_row_for_every_status_that_a_pilot_ends_with():
    page = (WRAPPER.parents[1] / "doc" / "howto" / "troubleshoot-pilots.md").read_text()
    codes = set(map(int, re.findall(r"^\| (\d+) \| ", page, re.MULTILINE)))
    assert {ExitCode(code).name for code in codes & set(ExitCode)} >= {
        *("USAGE", "SITE_OFFLINE", "MKDIR", "PROXY", "NO_SPACE", "MIDDLEWARE", "COMMUNICATION", "NO_JOBS"),
        *("BAD_CONFIGURATION", "BAD_BUNDLE", "JOB_FAILED", "JOB_KILLED", "REPORT_NOT_TAKEN", "SILENT"),
    }


def test_last_words_are_written_when_asked_for(plain):
    words = plain.root / "last words"
    plain.run("status", "90", last_words=words)
    assert words.read_text() == "exit_status=90\nwords=the pilot ended\n"
    plain.run("say", last_words=words, bundle="")
    assert words.read_text().startswith("exit_status=2\nwords=no bundle is named")


def test_byte_code_is_written_where_a_later_pilot_will_find_it(plain):
    cached = plain.run("say", cache=plain.root / "cache", environment=plain.environment(PYTHONDONTWRITEBYTECODE="1"))
    assert cached.stdout.splitlines()[0] == "[] True 1 False"


def test_a_user_who_shares_with_a_group_may_have_a_cache(plain):
    before = os.umask(0o002)
    try:
        done = plain.run("status", "0", cache=plain.root / "cache")
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("_", range(2))
def test_the_pilots_status_is_told_even_when_a_signal_ends_it_at_once(place, _):
    pilot = place.start("fall")
    assert pilot.stdout.readline() == "up\n"
    pilot.send_signal(signal.SIGTERM)
    assert pilot.wait(30) == 128 + signal.SIGKILL
    pilot.stdout.close()


def test_an_interrupt_before_the_pilot_listens_ends_it(place):
    pilot = place.start("deaf")
    assert pilot.stdout.readline() == "up\n"
    pilot.send_signal(signal.SIGINT)
    assert pilot.wait(30) == 128 + signal.SIGINT
    pilot.stdout.close()


def test_a_cache_is_filled_once_and_kept(place):
    cache = place.root / "cache"
    for _ in range(2):
        done = place.run("say", cache=cache)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[1].split()[0] == str(cache / place.sha256)
    assert [path.name for path in cache.iterdir()] == [place.sha256]
    assert list((cache / place.sha256 / "pilot").glob("__pycache__/cli.*.pyc"))


@pytest.mark.parametrize("option", ["cache", "scratch"])
def test_a_folder_named_from_where_one_is_is_found_from_elsewhere_too(plain, option):
    done = plain.run("path", **{option: "scratch"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{plain.scratch}/")


def test_a_cache_that_cannot_be_made_is_told_with_its_option(plain):
    refused(plain.run("say", cache="/proc/nothing"), ExitCode.MKDIR, "give another --cache")


@pytest.mark.parametrize("open_to_others", ["cache", "bundle"])
def test_a_cache_that_others_may_write_is_not_trusted(plain, open_to_others):
    cache = plain.root / "cache"
    assert plain.run("status", "0", cache=cache).returncode == 0
    (cache if open_to_others == "cache" else cache / plain.sha256).chmod(0o777)
    refused(plain.run("say", cache=cache), ExitCode.MKDIR, "is writable by others")


def test_the_pilots_process_is_ended_with_nothing_left_when_it_is_killed(place):
    with place.start("wait") as wrapper:
        pilot = int(wrapper.stdout.readline().split()[1])
        os.kill(pilot, signal.SIGKILL)
        assert wrapper.wait(30) == 137
    assert list(place.scratch.iterdir()) == []


def test_a_wrapper_that_is_told_to_end_before_its_pilot_starts_does_end(place):
    slow = place.root / "slow-python"
    slow.write_text(f'#!/bin/sh\necho up >&2; sleep 0.5; exec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    argv = place.argv("wait", "15", python=slow)
    environment = place.environment()
    with subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as wrapper:
        time.sleep(0.2)
        wrapper.send_signal(signal.SIGTERM)
        assert wrapper.wait(30) == 143
        assert "signal 15 came before the pilot was started" in wrapper.stderr.read()
    assert list(place.scratch.iterdir()) == []
