"""The program that runs a COMPASS job below another pilot, as that starts it: a file, in the job's directory."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest

from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import to_panda
from server.transforms import compass_job
from tests.pythons import python39

pytestmark = pytest.mark.one_python

PATIENCE = 60
ROOT = Path(__file__).parents[3]
IN, OUT, LOG = (
    FileSpec("in.txt", Role.INPUT, size=5),
    FileSpec("out.txt", Role.OUTPUT),
    FileSpec(compass_job.LOG, Role.LOG),
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The pilot as a zip that takes its libraries from this Python."""
    path = tmp_path_factory.mktemp("bundle") / "pilot.pyz"
    start = f"import sys\nsys.path += {sys.path[1:]!r}\nfrom pilot.cli import main\nsys.exit(main())\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", start)
        for file in sorted((ROOT / "pilot").rglob("*")):
            if file.suffix in (".py", ".json", ".yaml"):
                archive.write(file, file.relative_to(ROOT))
    return path


@pytest.fixture
def here(tmp_path):
    """A job's directory, with the program as a pilot fetches it."""
    shutil.copy(compass_job.__file__, tmp_path / "compass-job")
    (tmp_path / "compass-job").chmod(0o755)
    (tmp_path / "in.txt").write_text("muon\n")
    return tmp_path


def argv(bundle, script, *, sha256=None, files=True, queue=None):
    spec = JobSpec(id=7, attempt=1, transformation="/bin/sh", arguments=("-c", script), log=LOG)
    if files:
        spec = JobSpec(**{**vars_of(spec), "inputs": (IN,), "outputs": (OUT,)})
    order = {"job": to_panda(spec), "queue": {"nickname": "Q", **(queue or {})}}
    found = sha256 or hashlib.sha256(Path(bundle).read_bytes()).hexdigest()
    return [
        sys.executable,
        "./compass-job",
        "--bundle",
        str(bundle),
        "--sha256",
        found,
        "--job",
        quote(json.dumps(order)),
    ]


def vars_of(spec):
    return {name: getattr(spec, name) for name in ("id", "attempt", "transformation", "arguments", "log")}


def run(here, words, **more):
    environment = {
        "PATH": "/usr/bin:/bin",
        "COMPASS_PILOT__MONITOR__HEARTBEAT": "no number",
        "PANDA_AUTH_TOKEN": "gone",
    }
    return subprocess.run(words, cwd=here, env=environment, capture_output=True, text=True, timeout=PATIENCE, **more)


def test_a_job_runs_where_its_files_are_and_leaves_them_and_its_log_there(here, bundle):
    script = 'cat in.txt in.txt > out.txt; echo "to $BEAM"; echo careful >&2; echo \'{"a": 1}\' > jobReport.json'
    done = run(here, argv(bundle, script, queue={"environ": "BEAM=M2"}))
    assert done.returncode == 0, done.stderr
    assert (here / "out.txt").read_text() == "muon\nmuon\n"
    assert ("to M2\n" in done.stdout, "careful\n" in done.stderr) == (True, True)
    assert json.loads((here / "jobReport.json").read_text()) == {"a": 1}
    with tarfile.open(here / compass_job.LOG) as archive:
        assert any(name.endswith("pilotlog.txt") for name in archive.getnames())
    assert not (here / compass_job.ERRORS).exists()
    assert [path.name for path in (here / "compass").iterdir() if path.is_dir()] == [], "nothing to be packed twice"


def test_a_payload_that_fails_passes_its_status_on_with_words(here, bundle):
    done = run(here, argv(bundle, "echo no beam >&2; exit 3"))
    assert done.returncode == 3
    said = json.loads((here / compass_job.ERRORS).read_text())
    assert said["error_code"] == 1305
    assert "no beam" in done.stderr
    assert (here / compass_job.LOG).exists()


def test_a_missing_output_fails_with_its_own_number(here, bundle):
    done = run(here, argv(bundle, "true"))
    assert (done.returncode, json.loads((here / compass_job.ERRORS).read_text())["error_code"]) == (1, 1165)


def test_another_bundle_than_the_one_that_was_ordered_is_not_run(here, bundle):
    done = run(here, argv(bundle, "touch ran", sha256="0" * 64))
    assert (done.returncode, "and not 0000" in done.stderr) == (1, True)
    assert json.loads((here / compass_job.ERRORS).read_text())["error_code"] == 1149
    assert not (here / "compass").exists()


def test_a_bundle_comes_from_an_address_and_one_that_does_not_come_is_named(here, bundle):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words):
            super().__init__(*words, directory=str(bundle.parent))

        def log_message(self, *words):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        words = argv(bundle, "true", files=False)
        there = run(here, [word.replace(str(bundle), f"{address}/pilot.pyz") for word in words])
        gone = run(here, [word.replace(str(bundle), f"{address}/other.pyz") for word in words])
        server.shutdown()
        thread.join()
    assert there.returncode == 0, there.stderr
    assert (gone.returncode, f"{address}/other.pyz: cannot be fetched" in gone.stderr) == (1, True)


@pytest.mark.parametrize("tell", [os.kill, os.killpg], ids=["alone", "with its group"])
def test_a_job_that_is_told_to_end_ends_its_payload(here, bundle, tell):
    words = argv(bundle, "echo begun > begun; exec sleep 300", files=False)
    started = subprocess.Popen(words, cwd=here, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait = threading.Event().wait
    try:
        assert any(list(here.glob("compass/*/*/begun")) or wait(0.05) for _ in range(1200))
        tell(started.pid, signal.SIGTERM)
        _, said = started.communicate(timeout=PATIENCE)
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
            started.communicate()
    assert started.returncode == 128 + signal.SIGTERM, said
    assert json.loads((here / compass_job.ERRORS).read_text())["error_code"] == 1201


def test_python_3_9_runs_it(here, bundle):
    old = python39()
    if old is None:
        pytest.skip("not tested: no Python 3.9 here")
    done = run(here, [old, *argv(bundle, "true", sha256="1" * 64)[1:]])
    assert (done.returncode, "and not 1111" in done.stderr) == (1, True), done.stderr
