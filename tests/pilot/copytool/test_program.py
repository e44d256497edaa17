import threading
import time
from pathlib import Path

import pytest

from pilot.copytool import program
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid):
    """Wait for a killed process: the kernel takes a moment."""
    until = time.monotonic() + 5
    while alive(pid) and time.monotonic() < until:
        threading.Event().wait(0.01)
    return not alive(pid)


def test_a_program_is_run_with_its_arguments_as_they_are():
    ran = program.run(["printf", "%s|", "a b", "$HOME", "*"], Deadline(10))
    assert (ran.status, ran.output, ran.errors) == (0, "a b|$HOME|*|", "")


def test_its_exit_status_is_the_callers_to_judge():
    ran = program.run(["sh", "-c", "echo out; echo 'file: No such file or directory' >&2; exit 7"], Deadline(10))
    assert ran.status == 7
    failure = ran.failure()
    assert (failure.kind, failure.words) == (FailureKind.NO_SUCH_FILE, "file: No such file or directory")


def test_variables_are_added_to_those_of_the_pilot():
    ran = program.run(["sh", "-c", 'echo "$XRD_A $PATH"'], Deadline(10), environment={"XRD_A": "a b"})
    assert ran.output.startswith("a b /")


def test_a_setup_script_is_sourced_before_and_what_it_prints_is_no_output(tmp_path):
    script = tmp_path / "set up.sh"
    script.write_text("echo noise; export FROM_SETUP=yes\n")
    ran = program.run(["sh", "-c", 'echo "$FROM_SETUP" "$1"', "-", "x y"], Deadline(10), setup=str(script))
    assert (ran.output, ran.errors) == ("yes x y\n", "noise\n")


def test_a_program_that_is_not_there_is_told(tmp_path):
    ran = program.run(["compass-no-such-program"], Deadline(10))
    assert ran.status == 127
    assert "compass-no-such-program" in ran.failure().words


def test_that_a_program_is_not_there_says_nothing_of_the_file():
    assert program.run(["compass-no-such-program"], Deadline(10)).failure().kind is None


def test_that_a_setup_script_is_not_there_or_fails_says_nothing_of_the_file(tmp_path):
    (tmp_path / "fails.sh").write_text("ls /nowhere\n")
    for script in (tmp_path / "absent.sh", tmp_path / "fails.sh"):
        failure = program.run(["echo", "ran"], Deadline(10), setup=str(script)).failure()
        assert failure.kind is None
        assert "No such file" in failure.words


def test_what_a_program_leaves_running_is_ended_and_not_waited_for(tmp_path):
    begun = time.monotonic()
    ran = program.run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; echo done"], Deadline(30))
    assert (ran.status, ran.output) == (0, "done\n")
    assert time.monotonic() - begun < 30
    assert gone(int((tmp_path / "child").read_text()))


def test_of_what_a_program_writes_without_end_the_end_is_read():
    ran = program.run(["sh", "-c", "yes junk | head -c 9000000; echo; echo last"], Deadline(30))
    assert ran.status == 0
    assert len(ran.output) == program.MOST_READ
    assert ran.output.endswith("last\n")


def test_at_its_deadline_a_program_is_killed_with_what_it_started(tmp_path):
    begun = time.monotonic()
    with pytest.raises(CopyFailed) as caught:
        program.run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; echo working >&2; wait"], Deadline(0.3))
    assert caught.value.kind is FailureKind.TIMEOUT
    assert "working" in caught.value.words
    assert time.monotonic() - begun < 30
    assert gone(int((tmp_path / "child").read_text()))


@pytest.mark.parametrize("of", ["the run", "its deadline"])
def test_a_stop_ends_it_at_once_with_what_it_started(tmp_path, of):
    cancel = Cancel()
    given = (Deadline(60), cancel) if of == "the run" else (Deadline(60, cancel),)
    (tmp_path / "fifo").write_text("")
    timer = threading.Timer(0.2, cancel.ask)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(CopyCancelled):
        program.run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; wait"], *given)
    assert time.monotonic() - begun < 30
    assert gone(int((tmp_path / "child").read_text()))


def test_nothing_is_begun_when_a_stop_was_asked_for_or_no_time_is_left(tmp_path):
    asked = Cancel()
    asked.ask()
    with pytest.raises(CopyCancelled):
        program.run(["touch", str(tmp_path / "a")], Deadline(10), asked)
    with pytest.raises(CopyFailed):
        program.run(["touch", str(tmp_path / "a")], Deadline(0))
    assert not (tmp_path / "a").exists()


def test_a_cancel_does_what_it_was_given_once_and_only_while_it_counts():
    cancel, done = Cancel(), []
    with cancel.doing(lambda: done.append("over")):
        pass
    with cancel.doing(lambda: done.append("at")):
        cancel.ask()
    with cancel.doing(lambda: done.append("late")):
        assert done == ["at", "late"]


@pytest.mark.programs("setpriv")
def test_a_program_ends_when_the_thread_that_started_it_is_gone(tmp_path):
    import subprocess
    import sys

    code = (
        "from pilot.copytool import program; from pilot.copytool.base import Deadline\n"
        f"program.run(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 60'], Deadline(60))"
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    path = tmp_path / "pid"
    until = time.monotonic() + 10
    while not (path.exists() and path.read_text().strip()) and time.monotonic() < until:
        threading.Event().wait(0.01)
    child.kill()
    child.wait()
    assert gone(int(path.read_text()))
