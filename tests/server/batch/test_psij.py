"""Systems as psij has them: what each promises, against a real Slurm; PBS, LSF and Cobalt by their documented answers.

There is no server of PBS, LSF or Cobalt here: `fake_systems` stands in for their commands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from server.batch.base import BatchFailed, BatchMisconfigured, BatchState, Needs, Template
from server.batch.place import Place
from server.batch.psij import PsijBatch
from server.batch.registry import load_registry
from tests.kits.batch import ENVIRONMENT, BatchSystemKit, script
from tests.server.batch.fake_systems import FakeSystem
from tests.services import slurm
from tests.services.psij import use_psij

pytestmark = pytest.mark.one_python

SLEEP = script("import time; time.sleep(600)")
HOUR = Needs(wall_time=3600.0)
#: Submits in a process of its own, which can be killed.
SUBMIT = """
import json, sys
from pathlib import Path
from server.batch.base import Template
from server.batch.place import Place
from server.batch.psij import PsijBatch
system = PsijBatch.open(Place("pbs", Path(sys.argv[1]), json.loads(sys.argv[2])))
system.submit(Template(sys.argv[3], ("/bin/echo", "ran"), {"PATH": "/usr/bin:/bin"}), 2)
"""
#: The command kills the server whose process apart has started it, and goes on when that is gone, too.
KILL_THE_SERVER = """
parent = os.getppid()
os.kill(int(open(f"/proc/{parent}/stat").read().rpartition(")")[2].split()[1]), signal.SIGKILL)
while os.getppid() == parent:
    time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def psij_python():
    return use_psij()


@pytest.fixture(scope="module")
def cluster():
    """A real Slurm of one node."""
    with slurm.running(("p1",)) as found:
        yield found


class TestPsij(BatchSystemKit):
    """The promises of every system, by psij's executor ``slurm`` and a real Slurm."""

    patience = 40.0

    @pytest.fixture
    def system(self, cluster, psij_python, tmp_path):
        return self.opened(cluster, psij_python, tmp_path, sys.executable)

    def opened(self, cluster, psij_python, folder, python):
        environment = {"SLURM_CONF": cluster.environment["SLURM_CONF"]}
        options = {"executor": "slurm", "environment": environment, "programs": str(cluster.programs / "usr/bin")}
        return PsijBatch.open(Place("psij", folder, {**options, "python": python, "psij_python": psij_python}))

    def test_a_job_gets_what_it_needs(self, system):
        told = script("import os; print(os.environ['SLURM_CPUS_PER_TASK'], os.environ['SLURM_MEM_PER_NODE'])")
        needs = Needs(cores=2, memory=2**28, wall_time=90.0)
        options = {"queue": "debug", "attributes": {"nice": "7", "nodelist": "p[1]"}}
        ids = self.submit(system, "needs", told, needs=needs, options=options)
        self.wait_for(system, ids, BatchState.DONE)
        assert (system.directory(ids[0]) / "stdout").read_text() == "2 256\n"

    def test_a_job_whose_python_is_not_on_the_node_has_ended_and_the_shell_says_why(
        self, cluster, psij_python, tmp_path
    ):
        other = self.opened(cluster, psij_python, tmp_path, "/no/such/python")
        ids = self.submit(other, "lame", SLEEP)
        (found,) = self.wait_for(other, ids, BatchState.DONE).values()
        assert found.exit_status is None
        assert "/no/such/python" in found.words


@pytest.fixture
def fake(tmp_path):
    return lambda kind, name="fake": FakeSystem(kind, tmp_path / name)


def options_of(system, executor, psij_python, **more):
    known = {"executor": executor, "programs": str(system.programs), "python": sys.executable}
    return {**known, "psij_python": psij_python, **more}


def wait(system, ids, until):
    deadline = time.monotonic() + 30.0
    while not until(found := system.status(ids)):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)  # batch systems are asked, they do not call
    return found


def over(found):
    return all(job.state is BatchState.DONE for job in found.values())


@pytest.mark.parametrize("executor", ["pbs", "lsf", "cobalt"])
def test_jobs_are_submitted_followed_held_and_ended(executor, fake, psij_python, tmp_path):
    """Against recorded answers: no such server is to be had."""
    at = fake(executor)
    system = PsijBatch.open(Place("site", tmp_path / "home", options_of(at, executor, psij_python)))
    says = ("/bin/sh", "-c", "echo $COMPASS_BATCH_ID; exit 3")
    ends = system.submit(Template("ends", says, ENVIRONMENT, needs=HOUR), 2)
    assert ends == ("ends/0", "ends/1")
    assert system.find("ends") == {0: "ends/0", 1: "ends/1"}
    goes_on = script("open('up', 'w').close(); import time; time.sleep(600)")
    (runs,) = system.submit(Template("runs", goes_on, ENVIRONMENT, needs=HOUR), 1)
    found = wait(system, ends, over)
    assert [(job.exit_status, job.node) for job in found.values()] == [(3, os.uname().nodename)] * 2
    assert (system.directory("ends/1") / "stdout").read_text() == "ends/1\n"
    wait(system, [runs], lambda _: (system.directory(runs) / "work" / "up").exists())
    assert system.status([runs])[runs].state is BatchState.RUNNING
    system.cancel([runs, *ends])
    assert wait(system, [runs], over)[runs].words.startswith("stopped by order")
    at.does("hold", "held")
    (waits,) = system.submit(Template("waits", SLEEP, ENVIRONMENT, needs=HOUR), 1)
    assert system.status([waits])[waits].state is BatchState.HELD
    assert system.cancel_waiting([waits, runs]) == (waits,)
    gone = wait(system, [waits], over)[waits]
    assert (gone.exit_status, gone.words) == (None, "cancelled before it started")
    again = PsijBatch.open(Place("site", tmp_path / "home", options_of(at, executor, psij_python)))
    assert sorted(again.history([*ends, runs, waits, "never/0"])) == sorted([*ends, runs, waits])
    again.forget([*ends, runs])
    assert not (tmp_path / "home/jobs/ends").exists()
    assert again.status(ends)["ends/0"].state is BatchState.LOST


def test_two_systems_of_different_executors_live_in_one_process(fake, psij_python, tmp_path):
    """Against recorded answers: no such servers are to be had."""
    kinds = load_registry([])
    systems = []
    for executor, kind in (("pbs_classic", "pbs"), ("lsf", "lsf")):
        options = options_of(fake(kind, kind), executor, psij_python)
        systems.append(kinds.open("psij", Place(executor, tmp_path / f"home-{kind}", options)))
    for system in systems:
        system.submit(Template("both", ("/bin/sh", "-c", "echo $PBS_JOBID$LSB_JOBID"), ENVIRONMENT, needs=HOUR), 1)
    assert all(over(wait(system, ["both/0"], over)) for system in systems)
    told = [(system.directory("both/0") / "stdout").read_text() for system in systems]
    assert told == ["1000.server\n", "1000\n"]
    scripts = [(tmp_path / f"home-{kind}/jobs/both/batch/0.job").read_text() for kind in ("pbs", "lsf")]
    assert "#PBS -l nodes=1:ppn=1\n" in scripts[0]
    assert "#PBS -l walltime=1:0:0\n" in scripts[0]
    assert "#BSUB -W 1:0\n" in scripts[1]
    assert '#BSUB -R "span[ptile=1]"\n' in scripts[1]
    assert "-nnodes" not in scripts[1]


def test_what_was_submitted_when_the_server_died_is_found_and_never_submitted_again(fake, psij_python, tmp_path):
    at = fake("pbs")
    at.does("after", KILL_THE_SERVER)
    options = options_of(at, "pbs", psij_python)
    assert died(tmp_path / "home", options, "crash") == -9
    system = PsijBatch.open(Place("pbs", tmp_path / "home", options))
    assert patient(system, "crash") == {0: "crash/0"}  # the second one was never sent
    with pytest.raises(BatchFailed, match="crash: a submission of that key exists"):
        system.submit(Template("crash", SLEEP, ENVIRONMENT), 2)
    wait(system, ["crash/0"], over)
    assert (system.directory("crash/0") / "stdout").read_text() == "ran\n"
    assert len(list((at.folder / "jobs").iterdir())) == 1


def test_a_job_whose_answer_was_lost_does_nothing_when_it_starts(fake, psij_python, tmp_path):
    at = fake("pbs")
    at.does("hold", "held")
    at.does("after", f"{KILL_THE_SERVER}\nos._exit(1)")
    options = options_of(at, "pbs", psij_python)
    assert died(tmp_path / "home", options, "late") == -9
    system = PsijBatch.open(Place("pbs", tmp_path / "home", options))
    assert patient(system, "late") == {}
    environment = {"PATH": "/usr/bin:/bin", "PBS_JOBID": "1000.server"}
    assert subprocess.run(["/bin/bash", str(at.script())], env=environment, timeout=60).returncode == 1
    home = tmp_path / "home/jobs/late"
    assert (home / "batch/1000.server.out").read_text() == "late/0 does not start: it was given up before\n"
    assert not (home / "0").exists()
    assert system.find("late") == {}


def test_a_command_that_a_dead_server_has_left_is_waited_for(fake, psij_python, tmp_path):
    at = fake("pbs")
    os.mkfifo(tmp_path / "go")
    at.does("after", f"{KILL_THE_SERVER}\nopen({str(tmp_path / 'go')!r}).read()")
    options = options_of(at, "pbs", psij_python)
    assert died(tmp_path / "home", options, "under-way") == -9
    system = PsijBatch.open(Place("pbs", tmp_path / "home", options))
    with pytest.raises(BatchFailed, match="under-way: is still being submitted"):
        system.find("under-way")
    (tmp_path / "go").write_text("go\n")
    assert patient(system, "under-way") == {0: "under-way/0"}
    wait(system, ["under-way/0"], over)


def died(folder, options, key):
    """Submit in a process of its own; answer how it ended."""
    words = [sys.executable, "-c", SUBMIT, str(folder), json.dumps(options), key]
    return subprocess.run(words, cwd=Path.cwd(), timeout=60).returncode


def patient(system, key):
    """Answer what is found once the command that a dead server has left is over."""
    deadline = time.monotonic() + 30.0
    while True:
        with suppress(BatchFailed):
            return system.find(key)
        assert time.monotonic() < deadline
        time.sleep(0.05)


class TestWhatIsNotDone:
    """Against recorded answers of PBS."""

    @pytest.fixture
    def at(self, fake):
        return fake("pbs")

    @pytest.fixture
    def system(self, at, psij_python, tmp_path):
        return PsijBatch.open(Place("site", tmp_path / "home", options_of(at, "pbs", psij_python)))

    def test_a_refusal_comes_in_the_systems_own_words_and_what_was_taken_before_is_found(self, at, system):
        at.does("before", "if os.listdir(JOBS): sys.exit('qsub: would exceed queue generic limit')")
        with pytest.raises(BatchFailed, match="many: qsub: would exceed queue generic limit"):
            system.submit(Template("many", ("/bin/true",), ENVIRONMENT), 3)
        assert system.find("many") == {0: "many/0"}
        wait(system, ["many/0"], over)

    def test_of_a_submission_that_was_refused_nothing_is_found_and_its_files_go(self, at, system, tmp_path):
        at.does("before", "sys.exit('qsub: Unauthorized Request')")
        with pytest.raises(BatchFailed, match="none: qsub: Unauthorized Request"):
            system.submit(Template("none", ("/bin/true",), ENVIRONMENT, files={"a": at.programs / "qsub"}), 1)
        assert system.find("none") == {}
        assert not (tmp_path / "home/jobs/none/files").exists()

    def test_an_answer_that_names_no_job_is_a_failure(self, at, system):
        at.does("before", "sys.exit(0)")
        with pytest.raises(BatchFailed, match="silent: qsub: its answer names no job"):
            system.submit(Template("silent", ("/bin/true",), ENVIRONMENT), 1)

    def test_a_server_that_does_not_answer_is_no_verdict(self, at, system):
        at.does("hold", "held")
        (job,) = system.submit(Template("job", SLEEP, ENVIRONMENT), 1)
        at.does("ask", "sys.exit('qstat: cannot connect to server')")
        for ask in (system.status, system.cancel):
            with pytest.raises(BatchFailed, match="qstat: cannot connect to server"):
                ask([job])
        at.does("ask", "print('{'); sys.exit(0)")
        with pytest.raises(BatchFailed, match="qstat: .*Expecting"):
            system.status([job])
        at.does("ask", "")
        assert system.status([job])[job].state is BatchState.HELD

    def test_no_answer_at_all_is_no_verdict(self, at, system):
        at.does("hold", "held")
        (job,) = system.submit(Template("job", SLEEP, ENVIRONMENT), 1)
        at.does("ask", "sys.exit(1)")
        with pytest.raises(BatchFailed, match="qstat has answered nothing"):
            system.status([job])

    def test_a_job_that_never_came_to_its_program_has_the_systems_status_and_the_shells_words(self, at, system):
        at.does(
            "before", "os.chmod(script := sys.argv[-1], 0o600); open(script, 'w').write('#!/bin/bash\\nexit 126\\n')"
        )
        (job,) = system.submit(Template("lame", SLEEP, ENVIRONMENT), 1)
        assert wait(system, [job], over)[job].exit_status == 126

    def test_what_the_system_has_forgotten_is_lost_and_what_has_left_its_status_is_not(self, at, system):
        at.does("hold", "held")
        lost, ended = system.submit(Template("job", SLEEP, ENVIRONMENT), 2)
        system.directory(ended).mkdir()
        (system.directory(ended) / "exit.json").write_text('{"status": 5, "at": 1.0, "words": ""}')
        at.does("ask", "sys.exit('qstat: Unknown Job Id 1000.server')")
        found = system.status([lost, ended])
        assert [found[job].state for job in (lost, ended)] == [BatchState.LOST, BatchState.DONE]
        assert found[ended].exit_status == 5
        assert "left no exit status" in found[lost].words

    def test_a_cancel_that_fails_is_told_unless_the_job_is_gone(self, at, system):
        at.does("hold", "held")
        (job,) = system.submit(Template("job", SLEEP, ENVIRONMENT), 1)
        at.does("cancel", "sys.exit('qdel: Unauthorized Request 1000.server')")
        with pytest.raises(BatchFailed, match="qdel: Unauthorized Request"):
            system.cancel([job])
        at.does("cancel", "print('qdel: Job has finished 1000.server', file=sys.stderr); sys.exit(35)")
        system.cancel([job])

    def test_a_command_that_hangs_is_ended(self, at, psij_python, tmp_path):
        system = PsijBatch.open(Place("site", tmp_path / "home", options_of(at, "pbs", psij_python, timeout=0.3)))
        at.does("before", "time.sleep(600)")
        with pytest.raises(BatchFailed, match="qsub did not answer within 0.3 s"):
            system.submit(Template("hangs", SLEEP, ENVIRONMENT), 1)
        assert system.find("hangs") == {}

    def test_commands_that_are_not_there_are_named(self, psij_python, tmp_path):
        options = {"executor": "lsf", "programs": str(tmp_path), "psij_python": psij_python}
        system = PsijBatch.open(Place("site", tmp_path / "home", options))
        with pytest.raises(BatchFailed, match="bsub cannot be started: No such file"):
            system.submit(Template("none", SLEEP, ENVIRONMENT, needs=HOUR), 1)

    def test_a_python_without_psij_is_told_with_the_remedy_and_the_key_stays_free(self, at, system, tmp_path):
        bare = PsijBatch.open(Place("site", tmp_path / "home", options_of(at, "pbs", sys.executable)))
        with pytest.raises(BatchMisconfigured, match="psij is not installed .*pip install .*options.psij_python"):
            bare.submit(Template("key", ("/bin/true",), ENVIRONMENT), 1)
        assert system.submit(Template("key", ("/bin/true",), ENVIRONMENT), 1) == ("key/0",)
        wait(system, ["key/0"], over)

    def test_what_is_no_key_and_no_id_is_refused_by_name(self, system):
        with pytest.raises(BatchFailed, match="cannot be the key"):
            system.submit(Template("../up", SLEEP, ENVIRONMENT), 1)
        assert system.find("../up") == {}
        with pytest.raises(BatchFailed, match="is not an id of a job"):
            system.directory("no/1")
