"""Real pilots against the real server: each fault ends in a state and a code, and its words name the thing."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.mc.failures import FAILURES, NO_END_OF_JOB
from pilot.contract.codes import ErrorCode
from pilot.contract.payload_codes import MEANINGS, PayloadCode
from pilot.contract.processing import ProcessingType
from tests.server.manage.running import ROOT, Server
from tests.whole.audit import Rows, wrong_moves
from tests.whole.local_system import ticks
from tests.whole.test_one_job import INPUT, LOG, OUTPUT, System, begun

pytestmark = pytest.mark.one_python

DESCRIBE = "/api/v1/job/get_description"
#: A third party's copy tool: what is called hold-... is copied only after it was told that somebody waits.
SLOW = """
import os
from pilot.copytool.base import CopyCancelled
from pilot.copytool.local import Local
from pilot.hookspecs import hookimpl

class Slow(Local):
    name = "cp"
    def copy(self, transfer, deadline, cancel):
        if transfer.lfn.startswith("hold-"):
            with open(os.environ["REACHED"], "w") as told:
                told.write("here")
            cancel.wait(60)
            raise CopyCancelled
        return super().copy(transfer, deadline, cancel)

@hookimpl
def register_copytools():
    return [Slow]
"""


class Faulty(System):
    """The system of one job, with what it takes to stop a pilot in any phase and to read what became of a job."""

    def __post_init__(self):
        super().__post_init__()
        self.packages, self.fifo = self.folder / "packages", self.folder / "reached"
        marker = self.packages / "slow-1.dist-info"
        marker.mkdir(parents=True)
        (self.packages / "slow.py").write_text(SLOW)
        (marker / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
        (marker / "entry_points.txt").write_text("[compass_pilot.plugins]\nslow = slow\n")
        os.mkfifo(self.fifo)
        self.listening = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
        (self.storage / "ds").mkdir(exist_ok=True)

    def describe(self, job):
        (found,) = self.call("production", "GET", f"{DESCRIBE}?job_ids={job}")
        return found

    def first_problem(self, job):
        """Answer code and words of a job's first attempt."""
        query = "SELECT pilot_error, pilot_error_words FROM taskbuffer_attempt WHERE job_id = ? AND number = 1"
        return self.rows.read(query, job)[0]

    def moves(self, job):
        """Answer what is wrong with a job's way to its good end."""
        return list(wrong_moves(job, self.describe(job)["attemptNr"], self.rows.moves()[job]))

    @property
    def rows(self):
        return Rows(self.home / "db.sqlite3")

    def reached(self):
        assert select.select([self.listening], [], [], 30)[0], "the phase was not reached"
        os.read(self.listening, 100)

    def close(self):
        super().close()
        os.close(self.listening)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = Faulty(tmp_path_factory.mktemp("system"))
    yield made
    made.close()


@pytest.fixture
def system(shared, tmp_path):
    shared.base, shared.environment, shared.prefix = tmp_path / "work", {}, []
    shutil.rmtree(shared.storage / "ds")
    (shared.storage / "ds").mkdir()
    return shared


def test_an_input_with_another_checksum_is_named_with_both(system):
    (system.storage / "ds" / "in.txt").write_text("muon")
    job = system.submit("cat in.txt", [{**INPUT, "checksum": "ad:00000001"}, LOG])
    status, said = system.run()
    found = system.describe(job)
    assert status == 90
    assert (found["jobStatus"], found["pilotErrorCode"]) == ("failed", ErrorCode.GET_ADLER_MISMATCH)
    for words in (said, found["pilotErrorDiag"]):
        assert "in.txt" in words
        assert "00000001" in words
        assert "046301c0" in words


def test_a_missing_input_is_named_with_the_place_where_it_should_be(system):
    job = system.submit("cat in.txt", [INPUT, LOG])
    status, said = system.run()
    found = system.describe(job)
    assert (status, found["jobStatus"]) in ((67, "failed"), (77, "failed"))
    assert str(system.storage / "ds" / "in.txt") in found["pilotErrorDiag"]
    assert "check" in said


def test_an_output_that_was_not_written_is_named(system):
    job = system.submit("echo nothing", [OUTPUT, LOG])
    status, _ = system.run()
    found = system.describe(job)
    assert (status, found["pilotErrorCode"]) == (90, ErrorCode.OUTPUT_MISSING)
    assert "out.txt" in found["pilotErrorDiag"]


def small_disk(folder: Path, size: str) -> list[str]:
    """Write the beginning of a command that finds a folder to be a small disk, which nobody else sees."""
    mount = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)]


@pytest.mark.parametrize("size", ["4m", "500k"])
def test_a_disk_that_is_full_during_stage_in_is_named_and_the_job_is_tried_again_elsewhere(system, size):
    system.base.mkdir()
    if subprocess.run([*small_disk(system.base, "1m"), "true"], capture_output=True).returncode:
        pytest.skip("not tested: a full disk, because this machine lets nobody mount anything")
    (system.storage / "ds" / "in.txt").write_bytes(b"muon" * 2**20)
    job = system.submit("wc -c in.txt", [INPUT, LOG], maxAttempt=2)
    system.prefix = small_disk(system.base, size)
    status, said = system.run()
    system.prefix = []
    assert status == 69, said
    found = system.describe(job)
    assert found["jobStatus"] == "activated"
    code, words = system.first_problem(job)
    assert code == ErrorCode.NO_LOCAL_SPACE
    assert str(system.base) in words
    assert system.run()[0] == 0
    assert system.moves(job) == []


def script_of(phase: str, flag: Path) -> str:
    if phase == "running":
        return f"test -e {flag} && exit; touch {flag}; echo here > $REACHED; exec sleep 60"
    # Each attempt writes another content, as real programs do.
    return "date +%N > out.txt; echo muon > hold-out.txt"


FILES = {
    "stage-in": [{**INPUT, "lfn": "hold-in.txt"}, LOG],
    "running": [LOG],
    "stage-out": [OUTPUT, {**OUTPUT, "lfn": "hold-out.txt"}, LOG],
    "log": [{**LOG, "lfn": "hold-log.tgz"}],
}


def held(system, phase):
    """Start a job, and answer it with its pilot once it is in a phase that it does not leave."""
    (system.storage / "ds" / "hold-in.txt").write_text("muon")
    job = system.submit(script_of(phase, system.base.with_name("flag")), FILES[phase], maxAttempt=2)
    system.environment = {"REACHED": str(system.fifo), "PYTHONPATH": f"{ROOT}{os.pathsep}{system.packages}"}
    pilot = system.pilot("-v", "1", plugins__also="[slow]", payload__environment="[REACHED]", stop__within=4)
    system.reached()
    return job, pilot


@pytest.mark.parametrize("phase", ["stage-out", "log"])
def test_a_job_whose_payload_ended_well_is_finished_by_the_next_pilot_in_the_same_attempt(system, phase):
    job, pilot = held(system, phase)
    pilot.kill()
    pilot.communicate(timeout=30)
    assert system.run()[0] == 82
    assert system.state(job) == "finished"
    assert system.describe(job)["attemptNr"] == 1
    assert system.moves(job) == []
    assert not list(system.base.glob("*/PanDA_Pilot-*"))


@pytest.mark.parametrize(
    ("phase", "number"),
    [*((phase, signal.SIGTERM) for phase in FILES), ("stage-in", signal.SIGKILL), ("running", signal.SIGKILL)],
)
def test_a_job_whose_pilot_is_ended_in_any_phase_is_told_why_and_finished_by_another(system, phase, number):
    job, pilot = held(system, phase)
    pilot.send_signal(number)
    _, said = pilot.communicate(timeout=30)
    assert pilot.returncode == (128 + number if number == signal.SIGTERM else -number), said
    tries = [system.run()[0]]
    if number == signal.SIGKILL:
        # The first of the next pilots settles what the dead one left; when that makes the job free, it may have asked.
        tries += [system.run()[0]] if system.state(job) != "finished" else []
    assert tries[-1] == 0
    assert system.moves(job) == []
    code, words = system.first_problem(job)
    if number == signal.SIGKILL:
        assert code == ErrorCode.PILOT_LOST
        assert "its pilot died while the job was" in words
    elif phase == "log":
        assert code == ErrorCode.LOG_CREATION_TIMEOUT
    else:
        assert (code, words) == (ErrorCode.SIGTERM, "the pilot was ended by SIGTERM")
    assert not list(system.base.glob("*/PanDA_Pilot-*"))


def test_a_pilot_that_dies_while_the_server_does_not_take_its_report_loses_nothing(system):
    release = system.base.with_name("release")
    os.mkfifo(release)
    job, pilot = begun(system, f"read line < {release}")
    system.server.end(signal.SIGKILL)
    release.write_text("go\n")
    for _ in ticks(30):
        if any('"final": "{' in path.read_text() for path in system.base.glob("*/journal/*-1.json")):
            break
    pilot.kill()
    pilot.communicate(timeout=10)
    system.server = Server(system.home, system.port, workers=1)
    assert system.run()[0] == 82
    assert system.moves(job) == []
    assert system.state(job) == "finished"


CODES = {name: failure.code for name, failure in FAILURES.items()} | {NO_END_OF_JOB: PayloadCode.NO_END_OF_JOB}


def test_every_known_failure_of_the_experiments_programs_reaches_the_server_with_its_number_and_words(system):
    program = Path(sys.executable).with_name("compass-mc")
    generate = ["generate", "--run", "1", "--chunk", "1", "--seed", "1", "--events", "2", "--output", "out.txt"]
    entry = {"transformation": str(program), "processingType": ProcessingType.RECONSTRUCTION.value}
    jobs = {
        name: system.submit("", [OUTPUT, LOG], jobParameters=[*generate, "--fail", name], **entry) for name in CODES
    }
    status, said = system.run("--pilot-user", "compass", job__time_floor=600)
    assert status == 90, said
    for name, job in jobs.items():
        found, meaning = system.describe(job), MEANINGS[PayloadCode(CODES[name])]
        assert (found["jobStatus"], found["exeErrorCode"]) == ("failed", CODES[name]), name
        assert meaning.words in found["exeErrorDiag"], name
        if name in FAILURES:
            assert FAILURES[name].line.split()[0] in found["exeErrorDiag"], name
