import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pilot.copytool.apart import Apart
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind
from tests.kits.copytool import until
from tests.pilot.copytool.test_program import gone

MODULE = """
import os, subprocess, sys, time
from pilot.copytool.base import CopyFailed, FailureKind
def pid(): return os.getpid()
def add(a, b): print("noise"); return {"sum": a + b}
def fail(kind): raise CopyFailed(FailureKind(kind) if kind else None, "so it is")
def broken(): raise RuntimeError("Connection refused by somebody")
def hang(folder):
    child = subprocess.Popen(["sleep", "60"])
    open(folder + "/pids", "w").write("%d %d" % (os.getpid(), child.pid))
    os.rename(folder + "/pids", folder + "/there")
    time.sleep(60)
def keep(folder): Kept.folder = folder
class Kept: folder = ""
def left_alone(): os.rmdir(Kept.folder)
def die(): sys.stderr.write("library: out of luck\\n"); sys.stderr.flush(); os._exit(3)
def variable(name): return os.environ.get(name)
def read(): return subprocess.run(["cat"], stdout=subprocess.PIPE).stdout.decode()
"""


@pytest.fixture
def apart(tmp_path):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "done_apart.py").write_text(MODULE)
    made = Apart("done_apart", environment={"PYTHONPATH": str(folder), "COMPASS_A": "b c"})
    yield made
    made.close()


def pids(tmp_path):
    until((tmp_path / "there").exists)
    return [int(word) for word in (tmp_path / "there").read_text().split()]


def test_a_function_is_called_in_another_process_and_what_it_prints_does_no_harm(apart):
    assert apart.call("add", {"a": 1, "b": 2}, Deadline(20)) == {"sum": 3}
    assert apart.call("pid", {}, Deadline(20)) != os.getpid()
    assert apart.call("variable", {"name": "COMPASS_A"}, Deadline(20)) == "b c"


def test_a_child_is_used_again(apart):
    assert len({apart.call("pid", {}, Deadline(20)) for _ in range(3)}) == 1


@pytest.mark.parametrize("kind", [None, *FailureKind])
def test_a_failure_keeps_its_kind_and_words(apart, kind):
    with pytest.raises(CopyFailed) as caught:
        apart.call("fail", {"kind": kind.value if kind else None}, Deadline(20))
    assert (caught.value.kind, caught.value.words) == (kind, "so it is")


def test_what_a_library_raises_is_told_with_its_kind(apart):
    with pytest.raises(CopyFailed) as caught:
        apart.call("broken", {}, Deadline(20))
    assert caught.value.kind is FailureKind.UNREACHABLE
    assert caught.value.words == "RuntimeError: Connection refused by somebody"


def test_a_child_that_dies_is_told_with_its_last_words_and_the_next_call_has_another(apart):
    with pytest.raises(CopyFailed, match="library: out of luck"):
        apart.call("die", {}, Deadline(20))
    assert apart.call("add", {"a": 1, "b": 1}, Deadline(20)) == {"sum": 2}


def test_a_kept_child_that_has_ended_meanwhile_is_replaced(apart):
    first = apart.call("pid", {}, Deadline(20))
    os.kill(first, 9)
    assert gone(first)
    assert apart.call("pid", {}, Deadline(20)) != first


def test_at_the_deadline_the_child_is_killed_with_what_it_started(apart, tmp_path):
    begun = time.monotonic()
    with pytest.raises(CopyFailed) as caught:
        apart.call("hang", {"folder": str(tmp_path)}, Deadline(1.5))
    assert caught.value.kind is FailureKind.TIMEOUT
    assert time.monotonic() - begun < 30
    assert all(gone(pid) for pid in pids(tmp_path))


@pytest.mark.parametrize("of", ["the call", "its deadline"])
def test_a_stop_ends_it_at_once(apart, tmp_path, of):
    cancel = Cancel()
    given = (Deadline(60), cancel) if of == "the call" else (Deadline(60, cancel),)
    told = []
    asking = threading.Thread(target=lambda: (told.extend(pids(tmp_path)), cancel.ask()))
    asking.start()
    with pytest.raises(CopyCancelled):
        apart.call("hang", {"folder": str(tmp_path)}, *given)
    asking.join()
    assert all(gone(pid) for pid in told)


def test_several_threads_have_a_child_each(apart):
    found, both = [], threading.Barrier(2)

    def ask():
        both.wait()
        found.append(apart.call("pid", {}, Deadline(20)))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(found)) == 2


def test_a_child_ends_with_its_pilot_even_in_the_midst_of_a_call_and_so_does_what_it_started(apart, tmp_path):
    code = (
        "from pilot.copytool.apart import Apart; from pilot.copytool.base import Deadline\n"
        f"Apart('done_apart', environment={{'PYTHONPATH': {str(tmp_path / 'modules')!r}}})"
        f".call('hang', {{'folder': {str(tmp_path)!r}}}, Deadline(60))"
    )
    pilot = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    child, started = pids(tmp_path)
    pilot.kill()
    pilot.wait()
    assert gone(child)
    assert gone(started)


def test_what_a_child_keeps_is_taken_away_when_its_pilot_was_killed(tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "done_apart.py").write_text(MODULE)
    (tmp_path / "kept").mkdir()
    code = (
        "import sys; from pilot.copytool.apart import Apart; from pilot.copytool.base import Deadline\n"
        f"Apart('done_apart', environment={{'PYTHONPATH': {str(tmp_path / 'modules')!r}}})"
        f".call('keep', {{'folder': {str(tmp_path / 'kept')!r}}}, Deadline(60))\n"
        "print('kept', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, cwd=Path(__file__).parents[3]) as pilot:
        assert pilot.stdout.readline() == b"kept\n"
        pilot.kill()
    until(lambda: not (tmp_path / "kept").exists())


def test_a_python_that_is_not_there_is_told():
    with pytest.raises(CopyFailed, match="no-such-python"):
        Apart("done_apart", python="/no-such-python").call("pid", {}, Deadline(20))


def test_what_a_library_starts_finds_nothing_to_read(apart):
    assert apart.call("read", {}, Deadline(20)) == ""
    assert apart.call("add", {"a": 1, "b": 2}, Deadline(20)) == {"sum": 3}


def test_a_setup_script_takes_no_request_from_the_child(apart, tmp_path):
    (tmp_path / "setup.sh").write_text("cat\nexport COMPASS_B=set\n")
    own = Apart("done_apart", environment={"PYTHONPATH": f"{tmp_path}/modules"}, setup=f"{tmp_path}/setup.sh")
    try:
        assert own.call("variable", {"name": "COMPASS_B"}, Deadline(20)) == "set"
    finally:
        own.close()


@pytest.mark.parametrize("given", [{"python": "/nowhere/python"}, {"setup": "/nowhere/setup.sh"}])
def test_that_a_python_or_its_setup_is_not_there_says_nothing_of_the_file(given):
    with pytest.raises(CopyFailed, match="/nowhere/") as caught:
        Apart("done_apart", **given).call("add", {"a": 1, "b": 2}, Deadline(20))
    assert caught.value.kind is None


def test_another_pilot_on_the_path_of_modules_is_not_taken(tmp_path):
    (tmp_path / "pilot").mkdir()
    (tmp_path / "pilot" / "__init__.py").write_text("raise SystemExit('another pilot')")
    (tmp_path / "done_apart.py").write_text(MODULE)
    own = Apart("done_apart", environment={"PYTHONPATH": str(tmp_path)})
    try:
        assert own.call("add", {"a": 1, "b": 2}, Deadline(20)) == {"sum": 3}
    finally:
        own.close()


def test_a_fork_has_children_of_its_own(apart):
    """With one child for both, one process would get the answer that the other one waits for."""
    before = apart.call("pid", {}, Deadline(30))
    reading, writing = os.pipe()
    fork = os.fork()
    if not fork:
        try:
            os.write(writing, str(apart.call("pid", {}, Deadline(30))).encode())
            apart.close()
        finally:
            os._exit(0)
    assert os.waitpid(fork, 0)[1] == 0
    told = int(os.read(reading, 100))
    os.close(reading)
    os.close(writing)
    assert told != before
    assert apart.call("pid", {}, Deadline(30)) == before
