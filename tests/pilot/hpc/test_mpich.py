"""MPICH's own launcher, Hydra: its ranks, and pilots that run many jobs by it."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from pilot.contract.codes import ErrorCode
from pilot.hpc import launchers, rank
from pilot.hpc.rank import USELESS
from pilot.hpc.shaping import Wanted, shape
from pilot.hpc.values import Wishes
from tests.pilot.hpc.conftest import job
from tests.pilot.hpc.lists import Allocation
from tests.services.containers import install

pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def path():
    """The search path by which its ``mpiexec`` is found."""
    return f"{install('mpich') / 'usr/bin'}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def mpich(stage, path):
    stage.environment.update(PATH=path, COMPASS_PILOT__HPC__LAUNCHER="mpiexec")
    return stage


def launched(allocation, path, ranks):
    """Start so many ranks as a pilot does; answer the launcher's exit status."""
    shaped = shape([Wanted()] * ranks, Wishes()).shape
    argv = launchers.command("mpiexec", shaped, (), rank.command(allocation.path), ())
    return subprocess.run(argv, env={"PATH": path}, timeout=60, capture_output=True, check=False).returncode


def test_each_rank_runs_its_own_line_whatever_becomes_of_the_others(tmp_path, path):
    allocation = Allocation(tmp_path, "exit 0", "exit 3", "kill -9 $$", "echo $PMI_RANK.")
    assert launched(allocation, path, 4) == 0
    found = [allocation.report(line) for line in range(4)]
    assert [(one.rank, one.status, one.signal) for one in found] == [
        (0, 0, None),
        (1, 3, None),
        (2, None, 9),
        (3, 0, None),
    ]
    assert found[3].words == "."  # what is the launcher's is not the payload's


@pytest.mark.parametrize("ranks", [1, 3])
def test_too_few_or_too_many_ranks_run_nothing(tmp_path, path, ranks):
    allocation = Allocation(tmp_path, "touch ran", "touch ran")
    assert launched(allocation, path, ranks) == USELESS
    assert {allocation.report(line).code for line in range(2)} == {ErrorCode.RANKS_MISMATCH}
    assert not any((place / "ran").exists() for place in allocation.places)


def test_jobs_of_a_pilot_end_each_in_its_own_way(mpich):
    mpich.dispatcher.jobs = [*(job(number) for number in range(1, 6)), job(6, "exit 3")]
    mpich.run()
    assert [mpich.finals()[number]["job_status"] for number in range(1, 7)] == ["finished"] * 5 + ["failed"]


def test_a_signal_to_the_pilot_ends_what_the_launcher_has_started(mpich):
    says, wait = mpich.reaching(2)
    mpich.dispatcher.jobs = [job(number, f"{says}; exec sleep 600") for number in (1, 2)]
    process = mpich.start()
    wait()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert {update["pilot_error_code"] for update in mpich.finals().values()} == {ErrorCode.SIGTERM}
    assert len(mpich.finals()) == 2
