"""A real Slurm of three nodes: its allocations, lost in each way, and pilots that run many jobs in one of them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import threading

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.hpc.batch import OUTPUT, submission_by
from pilot.hpc.values import BatchState, Launch, Shape
from tests.pilot.dispatcher import QUEUE
from tests.pilot.hpc.conftest import job

pytestmark = pytest.mark.one_python

#: Seconds until a batch job has to be what a test waits for, and between two questions.
PATIENCE, LOOK = 30.0, 0.15
METRIC = re.compile(r"HPCJobId=(\d+)")
SAY = "echo $SLURM_PROCID $SLURMD_NODENAME"
#: A rank that says that it is up, and what it hears.
LISTEN = (
    "trap 'echo TERM > heard.$SLURM_PROCID; exit 3' TERM; echo up > up.$SLURM_PROCID; while true; do sleep 0.2; done"
)


class Login:
    """A login node: allocations are asked for here. Whatever is left is ended."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder
        self.environment = {**os.environ, **cluster.environment, "COMPASS_PILOT_TOKEN": "tok-secret"}
        self.submission = submission_by("slurm", self.environment, seconds=10)
        self.made, self.begun = 0, []

    def launch(self, *argv, nodes=3, options=(), wall_time=600.0):
        self.made += 1
        folder = self.folder / f"a{self.made}"
        folder.mkdir(mode=0o700)
        name = f"compass-{self.folder.name.replace('_', '-')[:30]}-{os.getpid()}-{self.made}"
        shape = Shape(nodes, 2 * nodes, 2, 4, 1, wall_time, 2 * nodes)
        return Launch(name, argv, shape, folder, options)

    def run(self, *argv, **more):
        launch = self.launch(*argv, **more)
        self.begun.append(self.submission.submit(launch))
        return launch, self.begun[-1]

    def ranks(self, script=LISTEN, **more):
        """Begin an allocation whose ranks do something; answer it when all of them are up."""
        launch, number = self.run("srun", "--kill-on-bad-exit=0", "sh", "-c", script, **more)
        wanted = launch.shape.ranks
        self.wait(lambda: len(list(launch.folder.glob("up.*"))) == wanted, number)
        return launch, number

    def until(self, number, *states):
        """Wait until a batch job is in one of some states; answer how it is."""
        seen = []

        def met():
            seen.append(self.submission.status(number))
            return seen[-1].state in states

        self.wait(met, number)
        return seen[-1]

    def over(self, number):
        return self.until(number, *(state for state in BatchState if state.over))

    def wait(self, met, number):
        waiting = threading.Event()
        for _ in range(int(PATIENCE / LOOK)):
            if met():
                return
            waiting.wait(LOOK)
        raise AssertionError(self.submission.status(number))


@pytest.fixture
def login(slurm, tmp_path, limited):
    made = Login(slurm, tmp_path)
    yield made
    for number in made.begun:
        made.submission.cancel(number)
        made.over(number)


@pytest.fixture(scope="module")
def limited(slurm, tmp_path_factory):
    """An allocation whose wall time is over: it begins first and is looked at last, for Slurm looks but every 30 s."""
    login = Login(slurm, tmp_path_factory.mktemp("limited"))
    launch, number = login.ranks(nodes=1, options=("--nodelist=n2",))
    slurm.run("scontrol", "update", f"jobid={number}", "EndTime=now+1seconds")
    return login, launch, number


@pytest.fixture
def gathering(slurm, stage, limited):
    """A stage on whose login node pilots gather six jobs for three nodes."""
    on_login_node(slurm, stage)
    yield stage
    stage.end()
    for number in numbers(stage):
        slurm.run("scancel", number)


def on_login_node(slurm, stage):
    stage.environment.update(slurm.environment)
    stage.environment.update(
        COMPASS_PILOT__HPC__BATCH="slurm",
        COMPASS_PILOT__HPC__LAUNCHER="srun",
        COMPASS_PILOT__HPC__CORES_PER_NODE="4",
        COMPASS_PILOT__HPC__RANKS_PER_NODE="2",
        COMPASS_PILOT__HPC__WALL_TIME="600",
    )


def numbers(stage):
    """Answer the batch jobs that reports have named."""
    found = [METRIC.search(update.get("job_metrics") or "") for update in stage.dispatcher.updates]
    return sorted({match[1] for match in found if match})


def codes(stage):
    return {number: final.get("pilot_error_code") for number, final in stage.finals().items()}


def heard(launch):
    return len(list(launch.folder.glob("heard.*")))


def test_an_allocation_runs_its_ranks_on_its_nodes_and_is_followed_to_its_end(login):
    launch, number = login.run("srun", "sh", "-c", f"{SAY}; env | grep -c tok-secret || true")
    status = login.over(number)
    assert (status.state, status.words, len(status.nodes)) == (BatchState.ENDED, "COMPLETED, exit status 0", 3)
    lines = sorted((launch.folder / OUTPUT).read_text().split("\n"))
    assert [line for line in lines if " " in line] == ["0 n1", "1 n1", "2 n2", "3 n2", "4 n3", "5 n3"]
    assert lines.count("0") == 6  # the pilot's token is in no rank's environment
    assert login.submission.find(launch.name) == number


def test_the_status_of_what_ran_is_told(login):
    _, number = login.run("sh", "-c", "exit 7", nodes=1)
    assert login.over(number).words == "FAILED, NonZeroExitCode, exit status 7"


def test_slurms_own_words_tell_why_it_refuses(login):
    launch = login.launch("true")
    elsewhere = launch._replace(shape=launch.shape._replace(queue="nope"))
    large = launch._replace(options=("--mem=99999G",))
    for asked, words in ((elsewhere, "Invalid partition"), (large, "node configuration is not available")):
        with pytest.raises(JobFailed, match=words) as caught:
            login.submission.submit(asked)
        assert caught.value.code is ErrorCode.ALLOCATION_REJECTED


def test_what_can_never_start_is_held_and_what_waits_is_queued_each_with_a_reason(login):
    _, never = login.run("true", nodes=9)
    _, first = login.ranks(nodes=1, options=("--exclusive", "--nodelist=n1"))
    _, second = login.run("true", nodes=1, options=("--exclusive", "--nodelist=n1"))
    assert login.until(never, BatchState.HELD).words.startswith("PENDING, Partition")
    assert login.until(second, BatchState.QUEUED).words.startswith("PENDING")
    login.cluster.run("scontrol", "hold", second)
    assert login.until(second, BatchState.HELD).words.startswith("PENDING, JobHeld")
    for number in (first, second, never):
        login.submission.cancel(number)
    assert login.over(second).state is BatchState.CANCELLED


def test_ranks_of_a_cancelled_allocation_hear_it_first(login):
    launch, number = login.ranks()
    login.submission.cancel(number)
    assert login.over(number).state is BatchState.CANCELLED
    assert heard(launch) == 6
    login.submission.cancel(number)  # over already


def test_a_node_that_fails_takes_the_allocation_with_it(login):
    _, number = login.ranks("echo up > up.$SLURM_PROCID; sleep 100")
    login.cluster.run("scontrol", "update", "nodename=n3", "state=down", "reason=test")
    try:
        status = login.over(number)
        assert (status.state, status.words) == (BatchState.FAILED, "NODE_FAIL, NodeDown")
    finally:
        login.cluster.run("scontrol", "update", "nodename=n3", "state=idle")


def test_an_allocation_is_not_begun_anew_unless_the_site_wants_it(login):
    _, number = login.ranks(nodes=1)
    with pytest.raises(AssertionError, match="disabled"):
        login.cluster.run("scontrol", "requeue", number)
    _, number = login.ranks(nodes=1, options=("--requeue",))
    login.cluster.run("scontrol", "requeue", number)
    assert login.until(number, BatchState.RESCHEDULED).words == "PENDING, BeginTime"


def test_a_number_that_slurm_does_not_know_is_unknown_and_may_be_ended(login):
    assert login.submission.status("999999").state is BatchState.UNKNOWN
    login.submission.cancel("999999")


def test_a_pilot_on_the_login_node_runs_six_jobs_as_one_allocation_of_three_nodes(slurm, gathering):
    gathering.dispatcher.jobs = [job(number, f"exit {number % 2}") for number in range(1, 7)]
    _, said = gathering.run()
    assert {number: final["trans_exit_code"] for number, final in gathering.finals().items()} == {
        number: number % 2 for number in range(1, 7)
    }, said
    (number,) = numbers(gathering)
    assert slurm.run("squeue", "-h", "-t", "all", "-j", number, "-O", "NumNodes:9,NumTasks:9").split() == ["3", "6"]


def test_a_pilot_inside_an_allocation_starts_its_ranks_by_srun(slurm, gathering):
    gathering.dispatcher.jobs = [job(number) for number in range(1, 7)]
    gathering.base.mkdir()
    argv = [sys.executable, "-m", "pilot", "--url", gathering.dispatcher.url, "-q", QUEUE, "-a", str(gathering.base)]
    script = gathering.folder / "inside.sh"
    script.write_text(f"#!/bin/sh\nexec {shlex.join([*argv, '--hpc-mode', 'always'])}\n")
    variables = {**gathering.environment, "COMPASS_PILOT__HPC__BATCH": "none"}
    options = ["--parsable", "-N3", "--ntasks-per-node=2", "--cpus-per-task=2", "--output=out"]
    number = slurm.run("sbatch", *options, f"--chdir={gathering.folder}", str(script), **variables).strip()
    Login(slurm, gathering.folder).over(number)
    said = (gathering.folder / "out").read_text()
    assert {final["job_status"] for final in gathering.finals().values()} == {"finished"}, said
    assert sorted(gathering.finals()) == list(range(1, 7))
    assert numbers(gathering) == [number]


def test_a_pilot_that_is_ended_cancels_its_allocation(slurm, gathering):
    says, wait = gathering.reaching(6)
    gathering.dispatcher.jobs = [job(number, f"{says}; exec sleep 600") for number in range(1, 7)]
    pilot = gathering.start()
    wait()
    pilot.send_signal(signal.SIGTERM)
    pilot.communicate(timeout=30)
    assert codes(gathering) == dict.fromkeys(range(1, 7), ErrorCode.SIGTERM)
    (number,) = numbers(gathering)
    assert Login(slurm, gathering.folder).over(number).state is BatchState.CANCELLED


def test_jobs_whose_allocation_somebody_cancels_say_so(slurm, gathering):
    says, wait = gathering.reaching(2)
    gathering.dispatcher.jobs = [job(number, f"{says}; exec sleep 600") for number in (1, 2)]
    pilot = gathering.start()
    wait()
    gathering.dispatcher.wait_for(lambda: numbers(gathering))
    slurm.run("scancel", *numbers(gathering))
    pilot.communicate(timeout=30)
    assert codes(gathering) == {1: ErrorCode.ALLOCATION_LOST, 2: ErrorCode.ALLOCATION_LOST}


def test_an_allocation_whose_wall_time_is_over_is_told_from_a_cancelled_one(limited):
    login, launch, number = limited
    status = login.over(number)
    assert (status.state, status.words) == (BatchState.TIMED_OUT, "TIMEOUT, TimeLimit")
    assert heard(launch) == 2


@pytest.mark.parametrize("away", ["the pilot", "the controller"])
def test_an_allocation_goes_on_without(slurm, gathering, away):
    says, wait = gathering.reaching(6)
    script = f"{says}; while [ ! -e {gathering.folder}/go ]; do sleep 0.1; done"
    gathering.dispatcher.jobs = [job(number, script) for number in range(1, 7)]
    pilot = gathering.start()
    wait()
    if away == "the pilot":
        pilot.kill()
        pilot.communicate()
        pilot = gathering.start()
        gathering.dispatcher.wait_for(lambda: len(gathering.dispatcher.asked) > 2)
    else:
        gathering.dispatcher.wait_for(lambda: numbers(gathering))
        slurm.stop_controller()
        slurm.start_controller()
    (gathering.folder / "go").touch()
    _, said = pilot.communicate(timeout=60)
    assert {final["job_status"] for final in gathering.finals().values()} == {"finished"}, f"{codes(gathering)} {said}"
    assert len(gathering.dispatcher.finals()) == 6
    assert len(numbers(gathering)) == 1


def test_a_controller_that_is_away_is_no_verdict_and_the_allocation_goes_on(login):
    launch, number = login.ranks("echo up > up.$SLURM_PROCID; while [ ! -e go ]; do sleep 0.1; done; echo done")
    login.cluster.stop_controller()
    impatient = submission_by("slurm", login.environment, seconds=1)
    for ask in (impatient.status, impatient.cancel, impatient.find):
        with pytest.raises(JobFailed) as caught:
            ask(number)
        assert caught.value.code is ErrorCode.SERVICE_NOT_AVAILABLE
    with pytest.raises(JobFailed) as caught:
        impatient.submit(login.launch("true"))
    assert caught.value.code is ErrorCode.SERVICE_NOT_AVAILABLE
    login.cluster.start_controller()
    (launch.folder / "go").touch()
    assert login.over(number).state is BatchState.ENDED
    assert (launch.folder / OUTPUT).read_text().count("done") == 6
    assert login.submission.find(launch.name) == number
