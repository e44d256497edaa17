"""The wrapper inside Apptainer and podman: in a tiny image, with its shell, and a Python from outside."""

from __future__ import annotations

import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from pilot.contract.exit_codes import ExitCode
from tests.kits.wrapper import WRAPPER, Place
from tests.services import containers

pytestmark = pytest.mark.one_python

#: What the Python of this machine needs, wherever it is; the image has none of these.
OUTSIDE = ("/usr", "/lib", "/lib64", sysconfig.get_config_var("prefix"))


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, ("/bin/sh",))


@pytest.fixture(params=["apptainer", "podman"])
def inside(request, place):
    """Answer the words, and the variables, that start something in a container that sees the place."""
    binds = [*dict.fromkeys(folder for folder in OUTSIDE if Path(folder).is_dir()), str(WRAPPER.parent)]
    if request.param == "apptainer":
        found = containers.use_apptainer()
        shown = [word for bind in binds for word in ("--bind", f"{bind}:{bind}:ro")]
        options = ["exec", "--cleanenv", "--contain", *shown, "--bind", f"{place.root}:{place.root}"]
        options += ["--pwd", str(place.root), str(found.image)]
    else:
        found = containers.use_podman()
        shown = [word for bind in binds for word in ("--volume", f"{bind}:{bind}:ro")]
        options = ["run", "--rm", "--network", "none", *shown, "--volume", f"{place.root}:{place.root}"]
        options += ["--workdir", str(place.root), "--rootfs", f"{found.image}:O"]
    return [str(found.program), *options], {**place.environment(), **found.environment}


def run(place, inside, *words, **changes):
    start, variables = inside
    python = f"{sys.base_prefix}/bin/python3"
    argv = [*start, *place.argv(*words, **{"python": python, **changes})]
    return subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=120)


def test_a_pilot_runs_in_a_container_and_leaves_nothing(place, inside):
    (place.root / "token").write_text("secret")
    done = run(place, inside, "around", token="token", last_words="words")
    assert (done.returncode, done.stdout) == (0, "True True True\nsecret\n"), done.stderr
    assert (place.root / "words").read_text() == "exit_status=0\nwords=the pilot ended\n"
    assert list(place.scratch.iterdir()) == []


def test_a_container_without_python_says_so(place, inside):
    done = run(place, inside, "status", "0", python="/nowhere/python")
    assert done.returncode == ExitCode.MIDDLEWARE
    assert "/nowhere/python is not a Python 3.9 or newer" in done.stderr


def test_the_runtimes_order_to_end_comes_to_the_pilot(place, inside):
    start, variables = inside
    argv = [*start, *place.argv("wait", "15", python=f"{sys.base_prefix}/bin/python3")]
    with subprocess.Popen(argv, env=variables, stdout=subprocess.PIPE, text=True) as runtime:
        assert runtime.stdout.readline().startswith("up ")
        runtime.send_signal(signal.SIGTERM)
        assert runtime.stdout.readline() == "heard 15\n"
        assert runtime.wait(60) == 143
    assert list(place.scratch.iterdir()) == []
