from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from pilot.api import container, images
from pilot.api.container import Bind, Cancel, Container, Runtime, build, inspect, run, start_instance
from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError, PilotError

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "doc" / "howto" / "run-commands-in-containers.md"


@pytest.fixture
def image(apptainer):
    return Container(Runtime.APPTAINER, str(apptainer.image), str(apptainer.program))


@pytest.fixture
def on_path(apptainer, monkeypatch):
    """Apptainer where spython looks for it."""
    monkeypatch.setenv("PATH", f"{apptainer.program.parent}{os.pathsep}{os.environ['PATH']}")
    return apptainer


def test_a_command_is_answered_with_its_status_its_output_and_what_it_used(tmp_path):
    done = run(["/bin/sh", "-c", "pwd; echo oops >&2; exit 3"], cwd=tmp_path)
    assert (done.status, done.signal, done.stdout, done.stderr) == (3, None, f"{tmp_path}\n", "oops\n")
    assert (done.well, done.timed_out, done.cancelled, done.problem) == (False, False, False, "")
    assert done.wall > 0
    assert done.max_rss > 0


def test_a_command_has_the_callers_variables_unless_it_is_given_its_own(monkeypatch):
    monkeypatch.setenv("MINE", "yes")
    assert "MINE=yes" in run(["env"]).stdout.splitlines()
    assert run(["/usr/bin/env"], environment={"ONLY": "1"}).stdout == "ONLY=1\n"


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started():
    done = run(["/bin/sh", "-c", "sleep 600 & echo $!; exec sleep 600"], timeout=0.3)
    assert (done.timed_out, done.well, done.signal) == (True, False, 15)
    assert not psutil.pid_exists(int(done.stdout))


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_command_that_has_no_time_left_is_ended_at_once(timeout):
    assert run(["sleep", "600"], timeout=timeout).timed_out


def test_a_command_whose_caller_is_interrupted_is_gone_when_the_caller_hears_of_it(tmp_path):
    os.mkfifo(tmp_path / "up")
    script = "import os, sys; from pilot.api.container import run\n"
    script += "try: run(['/bin/sh', '-c', 'echo $$ > up; exec sleep 600'], cwd=sys.argv[1])\n"
    script += "except KeyboardInterrupt: print(os.path.exists('/proc/' + sys.stdin.readline().strip()), flush=True)\n"
    argv = [sys.executable, "-c", script, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as caller:
        pid = (tmp_path / "up").read_text()
        caller.send_signal(signal.SIGINT)
        assert caller.communicate(pid, timeout=20)[0] == "False\n"


def test_another_thread_may_end_it():
    word = Cancel()
    timer = threading.Timer(0.2, word.say)
    timer.start()
    done = run(["sleep", "600"], cancel=word)
    timer.join()
    assert (done.cancelled, done.timed_out, done.signal) == (True, False, 15)
    assert run(["sleep", "600"], cancel=word).cancelled


def test_a_word_that_is_said_after_the_end_harms_nothing():
    word = Cancel()
    assert run(["true"], cancel=word).well
    word.say()
    assert word.said


def test_only_the_end_of_a_long_output_is_kept():
    done = run(["/bin/sh", "-c", "printf 'first last'; printf '\\377' >&2"], keep=4)
    assert (done.stdout, done.stderr) == ("last", "\N{REPLACEMENT CHARACTER}")


def test_a_program_that_is_not_there_is_an_error():
    with pytest.raises(PilotError, match="/no/such/program") as caught:
        run(["/no/such/program"])
    assert caught.value.code is ErrorCode.PAYLOAD_NOT_STARTED


def test_the_same_call_runs_a_command_in_a_container(image, tmp_path):
    script = "cat /etc/image-name; echo $HOME $GIVEN; echo made > made; exit 3"
    done = run(["/bin/sh", "-c", script], container=image, cwd=tmp_path, environment={"GIVEN": "a  b"})
    assert (done.status, done.stdout) == (3, f"busybox\n{tmp_path} a b\n")
    assert (tmp_path / "made").read_text() == "made\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]


def test_a_container_gets_none_of_the_callers_variables(image, monkeypatch):
    monkeypatch.setenv("MINE", "yes")
    assert "MINE" not in run(["env"], container=image).stdout


def test_a_container_that_takes_too_long_is_ended(image):
    done = run(["sleep", "600"], container=image, timeout=0.5)
    assert (done.timed_out, done.well) == (True, False)


def test_two_containers_in_one_folder_do_not_end_each_other(podman, monkeypatch, tmp_path):
    for name, value in podman.environment.items():
        monkeypatch.setenv(name, value)
    inside = Container(Runtime.PODMAN, str(podman.image), str(podman.program))
    os.mkfifo(tmp_path / "go")
    ended = []
    script = "read word < go; echo $word"
    first = threading.Thread(
        target=lambda: ended.append(run(["/bin/sh", "-c", script], container=inside, cwd=tmp_path))
    )
    first.start()
    with (tmp_path / "go").open("w") as go:  # once it reads
        assert run(["true"], container=inside, cwd=tmp_path).well
        go.write("still here\n")
    first.join(20)
    assert [(done.status, done.stdout) for done in ended] == [(0, "still here\n")]


def test_a_command_may_empty_its_folder_of_temporary_files(podman, image, monkeypatch, tmp_path):
    for name, value in podman.environment.items():
        monkeypatch.setenv(name, value)
    for inside in (image, Container(Runtime.PODMAN, str(podman.image), str(podman.program))):
        script = "touch /tmp/mine && cd /tmp && rm -r * && echo empty"
        assert run(["/bin/sh", "-c", script], container=inside, cwd="/usr").stdout == "empty\n"


def test_a_container_that_cannot_be_run_is_told_apart_from_a_command_that_fails(image):
    done = run(["nosuch"], container=image)
    assert done.problem_code == ErrorCode.PAYLOAD_NOT_STARTED
    assert '"nosuch": executable file not found' in done.problem
    with pytest.raises(PilotError, match="/no/such/image") as caught:
        run(["true"], container=Container(Runtime.APPTAINER, "/no/such/image", image.program))
    assert caught.value.code is ErrorCode.IMAGE_NOT_FOUND


def test_a_caller_that_is_killed_takes_its_command_with_it(tmp_path):
    os.mkfifo(tmp_path / "up")
    script = "from pilot.api.container import run; run(['/bin/sh', '-c', 'echo $$ > up; exec sleep 600'])"
    caller = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    child = psutil.Process(int((tmp_path / "up").read_text()))
    caller.kill()
    caller.wait(10)
    psutil.wait_procs([child], 10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_an_image_says_what_it_was_made_of(on_path):
    assert "bootstrap: localimage" in inspect(on_path.file)["deffile"]


def test_an_image_is_built_from_a_folder_and_replaced(on_path, tmp_path):
    target = tmp_path / "new.sif"
    target.write_text("an older one")
    assert build(on_path.image, target) == target
    made = Container(Runtime.APPTAINER, str(target), str(on_path.program))
    assert run(["cat", "/etc/image-name"], container=made).stdout == "busybox\n"
    assert [path.name for path in tmp_path.iterdir()] == ["new.sif"]


def test_a_build_that_fails_leaves_what_there_was(on_path, tmp_path):
    target = tmp_path / "new.sif"
    target.write_text("an older one")
    with pytest.raises(PilotError, match="/no/such/source") as caught:
        build("/no/such/source", target)
    assert caught.value.code is ErrorCode.IMAGE_NOT_FOUND
    assert target.read_text() == "an older one"


def test_a_folder_is_not_replaced_by_a_build(on_path, tmp_path):
    with pytest.raises(PilotError) as caught:
        build(on_path.file, tmp_path, sandbox=True)
    assert caught.value.code is ErrorCode.FILE_EXISTS
    assert (build(on_path.file, tmp_path / "tree", sandbox=True) / "etc" / "image-name").exists()


def test_an_instance_lives_as_long_as_its_block(on_path, tmp_path):
    name = f"compass-{os.getpid()}"
    with start_instance(on_path.file, name, binds=[Bind(str(tmp_path), "/data", read_only=True)]) as instance:
        inside = Container(Runtime.SINGULARITY, instance.container.image, str(on_path.program))
        script = "echo $GIVEN; touch /data/x 2>/dev/null || echo refused"
        done = run(["/bin/sh", "-c", script], container=inside, environment={"GIVEN": "1"})
        assert done.stdout == "1\nrefused\n"
    with pytest.raises(PilotError):
        instance.stop()


def test_an_instance_needs_an_image_that_apptainer_has_built(on_path):
    with pytest.raises(PilotError, match="actions/start"), start_instance(on_path.image, f"compass-{os.getpid()}"):
        pytest.fail("it started")


def test_an_image_that_is_not_there_is_named(on_path):
    for asked in (lambda: inspect("/no/such/image"), lambda: start_instance("/no/such/image", "x").__enter__()):
        with pytest.raises(PilotError, match="/no/such/image") as caught:
            asked()
        assert caught.value.code is ErrorCode.IMAGE_NOT_FOUND


def test_a_node_without_singularity_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PilotError, match="singularity is not on PATH") as caught:
        inspect("/any")
    assert caught.value.code is ErrorCode.APPTAINER_NOT_INSTALLED


def test_without_spython_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "spython.main", None)
    with pytest.raises(ConfigError, match=r"pip install 'compass-pilot\[container\]'"):
        images.inspect("/any")


def test_the_interface_does_not_load_spython():
    script = "import sys, pilot.api.container; sys.exit('spython' in sys.modules or 'requests' in sys.modules)"
    assert run([sys.executable, "-c", script], cwd=ROOT).well


@pytest.mark.parametrize("name", container.__all__)
def test_every_public_name_is_described(name):
    assert getattr(container, name).__doc__


def test_the_program_of_the_page_runs(on_path, tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "count.py").write_text(program)
    argv = [sys.executable, "count.py", str(on_path.file)]
    done = run(argv, cwd=tmp_path, environment={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60)
    (expected,) = re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert (re.sub(r"[\d.]+ s", "0.1 s", done.stdout), done.stderr) == (expected, "")
