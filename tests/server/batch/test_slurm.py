"""Slurm as a batch system, against a real cluster of three nodes: what each system promises, and what Slurm loses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from server.batch.base import BatchFailed, BatchMisconfigured, BatchState, Needs, Template, Window
from server.batch.place import Place
from server.batch.slurm import SlurmBatch
from tests.kits.batch import ENVIRONMENT, BatchSystemKit, script
from tests.services import slurm

pytestmark = pytest.mark.one_python

#: On a node that no test takes away, and on the one that they do.
QUIET, DISTURBED = {"extra": {"nodelist": "n2"}}, {"extra": {"nodelist": "n3"}}
SLEEP = script("import time; time.sleep(600)")
#: Submits in a process of its own, which can be killed.
SUBMIT = """
import sys
from pathlib import Path
from server.batch.base import Template
from server.batch.place import Place
from server.batch.slurm import SlurmBatch
name, folder, conf, programs, key = sys.argv[1:]
options = {"conf": conf, "programs": programs, "python": sys.executable}
system = SlurmBatch.open(Place(name, Path(folder), options))
system.submit(Template(key, ("/bin/echo", "ran"), {"PATH": "/usr/bin:/bin"}), 3)
"""


@pytest.fixture(scope="session")
def cluster():
    """A real Slurm of three nodes."""
    with slurm.running() as found:
        yield found


@pytest.fixture(scope="session")
def small_cluster():
    """A real Slurm of one node, whose queue is soon full."""
    with slurm.running(("m1",), "MaxJobCount=20\nMaxArraySize=4\n") as found:
        yield found


def open_slurm(cluster, folder, name="slurm", **options):
    said = {"conf": cluster.environment["SLURM_CONF"], "programs": str(cluster.programs / "usr/bin")}
    return SlurmBatch.open(Place(name, folder / name, {**said, "python": sys.executable, **options}))


def listening(when_told):
    """Answer the words of a job that listens to USR1."""
    return script(
        f"import signal, sys\nsignal.signal(signal.SIGUSR1, lambda *_: {when_told})\nopen('ready', 'w').close()\n"
        "while True: signal.pause()"
    )


@pytest.fixture(scope="module", autouse=True)
def limited(cluster, tmp_path_factory):
    """Two jobs whose wall time will be over: Slurm looks but every 30 s, so they begin first and are looked at last."""
    folder = tmp_path_factory.mktemp("limited")
    system = open_slurm(cluster, folder)
    kind = "sys.exit(7)"
    deaf = "None"
    short = Needs(wall_time=60.0)
    ids = [
        *system.submit(Template("kind", listening(kind), ENVIRONMENT, 30.0, needs=short, options=QUIET), 1),
        *system.submit(Template("deaf", listening(deaf), ENVIRONMENT, 600.0, options=QUIET), 1),
    ]
    ready = [system.directory(job) / "work" / "ready" for job in ids]
    cluster.until(lambda: all(file.exists() for file in ready), "they do not run")
    cluster.run("scontrol", "update", f"jobid={ids[1]}", "EndTime=now+1seconds")
    yield system, ids
    system.cancel(ids)


class TestSlurm(BatchSystemKit):
    patience = 40.0

    @pytest.fixture
    def system(self, cluster, tmp_path):
        return open_slurm(cluster, tmp_path)

    def starts(self, system, tmp_path, count=1, key="long", **more):
        """Submit jobs that go on until a file is there; answer their ids when all of them run, and the file."""
        (tmp_path / "up").mkdir(exist_ok=True)
        gate, name = tmp_path / "gate", "open('up/' + os.environ['COMPASS_BATCH_ID'], 'w').close()"
        text = (
            f"import os, time\nos.chdir({str(tmp_path)!r})\n{name}\nwhile not os.path.exists('gate'): time.sleep(0.1)"
        )
        ids = self.submit(system, key, script(text), count, **more)
        self.wait(system, ids, lambda found: all((tmp_path / "up" / job).exists() for job in ids))
        return ids, gate

    def test_a_job_whose_node_fails_has_ended_and_the_words_say_so(self, cluster, system, tmp_path):
        (job,), _ = self.starts(system, tmp_path, options=DISTURBED)
        cluster.run("scontrol", "update", "nodename=n3", "state=down", "reason=test")
        try:
            found = self.wait_for(system, [job], BatchState.DONE)[job]
        finally:
            cluster.run("scontrol", "update", "nodename=n3", "state=idle")
        assert "its node failed (NODE_FAIL" in found.words
        assert found.node == "n3"

    def test_a_job_on_a_node_that_is_drained_goes_on_and_nothing_else_starts_there(self, cluster, system, tmp_path):
        (job,), gate = self.starts(system, tmp_path, options=DISTURBED)
        cluster.run("scontrol", "update", "nodename=n3", "state=drain", "reason=test")
        try:
            (other,) = self.submit(system, "other", script("pass"), options=DISTURBED)
            waits = self.wait(system, [other], lambda found: "Node" in found[other].words)[other]
            assert (waits.state, system.status([job])[job].state) == (BatchState.QUEUED, BatchState.RUNNING)
            gate.touch()
            assert self.wait_for(system, [job], BatchState.DONE)[job].exit_status == 0
        finally:
            cluster.run("scontrol", "update", "nodename=n3", "state=resume")
        self.wait_for(system, [other], BatchState.DONE)

    def test_what_no_node_can_run_is_refused_in_slurms_own_words(self, system):
        with pytest.raises(BatchFailed, match="large: sbatch: .*node configuration is not available"):
            self.submit(system, "large", SLEEP, needs=Needs(memory=2**50))
        assert system.find("large") == {}

    def test_what_can_never_start_is_held_with_its_reason_and_cancelled_before_it_starts(self, system):
        ids = self.submit(system, "wide", SLEEP, count=2, needs=Needs(nodes=9))
        held = self.wait_for(system, ids, BatchState.HELD)
        assert all(job.words.startswith("Partition") for job in held.values())
        system.cancel(ids)
        found = self.wait_for(system, ids, BatchState.DONE)
        assert {(job.exit_status, job.words) for job in found.values()} == {(None, "cancelled before it started")}

    def test_a_job_has_what_it_needs_and_learns_what_slurm_says_of_it(self, system):
        needs = Needs(nodes=2, cores=3, memory=2**30, wall_time=120.0)
        told = script(
            "import os; print({name: os.environ.get(name) for name in ('SLURM_NNODES', 'SLURM_CPUS_PER_TASK')})"
        )
        ids = self.submit(system, "needs", told, needs=needs, options={"partition": "standard"})
        self.wait_for(system, ids, BatchState.DONE)
        said = (system.directory(ids[0]) / "stdout").read_text()
        assert said == "{'SLURM_NNODES': '2', 'SLURM_CPUS_PER_TASK': '3'}\n"

    def test_the_window_is_what_is_idle_until_the_first_that_waits_is_expected(self, cluster, system, tmp_path):
        whole = Needs(whole_nodes=True, wall_time=1200.0)
        pinned = {"partition": "debug"}
        self.wait(system, [], lambda _: system.window(pinned) == Window(1, None))
        self.starts(system, tmp_path, needs=whole, options=pinned)
        self.wait(system, [], lambda _: system.window(pinned) == Window(0, None))
        ids = self.submit(system, "next", script("pass"), needs=whole, options=pinned)
        seconds = []

        def reckoned(_):
            found = system.window(pinned)
            seconds.append(found and found.seconds)
            return seconds[-1] is not None

        self.wait(system, ids, reckoned)
        assert 600 < seconds[-1] <= 1200
        assert system.window({"partition": "debug", "constraint": "gpu"}) is None

    @pytest.mark.parametrize("value", ["x\n#SBATCH --wrap=id", "$(id)", "a b", "--wrap=id", "x;id", "x'"])
    def test_a_value_that_could_be_more_than_one_is_refused_and_nothing_is_submitted(self, system, value):
        with pytest.raises(BatchMisconfigured, match="batch system slurm: job options.account"):
            self.submit(system, "hostile", SLEEP, options={"account": value})
        assert system.find("hostile") == {}

    def test_words_that_a_shell_would_read_come_to_the_job_as_they_are(self, system):
        odd = ("/bin/echo", "$HOME", "`id`", "a b", "'", '"', "\\", "x\ny", "é")
        ids = self.submit(system, "odd-words", odd)
        self.wait_for(system, ids, BatchState.DONE)
        assert (system.directory(ids[0]) / "stdout").read_text() == " ".join(odd[1:]) + "\n"

    def test_a_python_that_is_not_on_the_nodes_is_told(self, cluster, tmp_path, system):
        (job,) = self.submit(open_slurm(cluster, tmp_path, "other", python="/no/such/python"), "lame", SLEEP)
        found = self.wait_for(open_slurm(cluster, tmp_path, "other"), [job], BatchState.DONE)[job]
        assert found.exit_status == 127
        assert "/no/such/python" in found.words

    def test_files_are_forgotten_job_by_job_and_what_goes_on_keeps_its_own(self, system, tmp_path):
        ids, gate = self.starts(system, tmp_path, count=2)
        home = system.directory(ids[0]).parent
        system.forget(ids)
        assert all(system.directory(job).is_dir() for job in ids)
        gate.touch()
        self.wait_for(system, ids, BatchState.DONE)
        system.forget(ids[:1])
        assert (home / "1").is_dir()
        assert not (home / "0").exists()
        system.forget(ids)
        assert not home.exists()
        assert system.status(ids)[ids[1]].state is BatchState.LOST
        self._ids = []

    def test_another_process_under_the_same_folder_knows_all_jobs(self, cluster, system, tmp_path):
        ids = self.submit(system, "again", script("print('x')"), count=2)
        again = open_slurm(cluster, tmp_path)
        assert again.find("again") == dict(enumerate(ids))
        self.wait_for(again, ids, BatchState.DONE)

    def die(self, cluster, folder, key, text):
        """Submit in a process of its own, whose sbatch is a script that may kill it; answer the system it leaves."""
        programs = folder / "programs"
        programs.mkdir()
        for program in (cluster.programs / "usr/bin").iterdir():
            (programs / program.name).symlink_to(program)
        (programs / "sbatch").unlink()
        real = cluster.programs / "usr/bin/sbatch"
        heard = f"cat >{folder}/heard"  # what dies before it has said that has submitted nothing
        (programs / "sbatch").write_text(
            f"#!/bin/sh\nreal={real} folder={folder}\n{heard}\nexec <{folder}/heard\n{text}\n"
        )
        (programs / "sbatch").chmod(0o755)
        words = ["slurm", str(folder / "slurm"), cluster.environment["SLURM_CONF"], str(programs), key]
        done = subprocess.run([sys.executable, "-c", SUBMIT, *words], cwd=Path.cwd(), timeout=60)
        assert done.returncode == -9

    def test_a_server_that_dies_after_slurm_has_taken_a_submission_finds_it(self, cluster, system, tmp_path):
        self.die(cluster, tmp_path, "after", '"$real" "$@" >/dev/null; kill -9 $PPID')
        ids = [job for _, job in sorted(self.found(system, "after").items())]
        assert len(ids) == 3
        self._ids += ids
        with pytest.raises(BatchFailed, match="exists"):
            self.submit(system, "after", SLEEP)
        self.wait_for(system, ids, BatchState.DONE)
        assert [(system.directory(job) / "stdout").read_text() for job in ids] == ["ran\n"] * 3

    def found(self, system, key):
        """Answer what is found once the command that a dead server has left is over."""
        looked = []

        def met(_):
            with suppress(BatchFailed):
                looked.append(system.find(key))
            return looked

        self.wait(system, [], met)
        return looked[-1]

    def test_a_server_that_dies_before_slurm_has_its_script_has_submitted_nothing(
        self, cluster, system, tmp_path, monkeypatch
    ):
        def dies(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("server.batch.slurm.script", dies)
            with pytest.raises(KeyboardInterrupt):
                self.submit(system, "before", SLEEP)
        assert system.find("before") == {}
        assert "before" not in cluster.run("squeue", "-h", "-o", "%j")

    def test_a_submission_that_is_still_under_way_is_waited_for(self, cluster, system, tmp_path):
        os.mkfifo(tmp_path / "go")
        self.die(cluster, tmp_path, "under-way", 'kill -9 $PPID; read x <"$folder/go"; "$real" "$@"')
        with pytest.raises(BatchFailed, match="still being submitted"):
            system.find("under-way")
        (tmp_path / "go").write_text("go\n")
        self._ids += self.found(system, "under-way").values()
        assert len(self._ids) == 3
        self.wait_for(system, self._ids, BatchState.DONE)

    def test_a_submission_that_comes_too_late_starts_nothing(self, cluster, system, tmp_path):
        late = 'for word; do printf "%s\\0" "$word"; done >"$folder/said"; kill -9 $PPID'
        self.die(cluster, tmp_path, "late", late)
        assert self.found(system, "late") == {}
        words = (tmp_path / "said").read_text().split("\0")[:-1]
        array = cluster.run("sbatch", "--wait", *words, str(tmp_path / "heard"), check=False).split()[0]
        home = tmp_path / "slurm" / "jobs" / "late"
        assert "does not start: its part of the submission is closed" in (home / f"batch-{array}_0.log").read_text()
        assert not (home / "0").exists()
        assert system.find("late") == {}


@pytest.mark.campaign
def test_a_job_whose_program_stands_still_is_ended_by_slurm_when_it_is_cancelled_again_after_its_grace(
    cluster, tmp_path
):
    system = open_slurm(cluster, tmp_path)
    ids = system.submit(Template("stuck", SLEEP, ENVIRONMENT, 0.0), 1)
    claim = system.directory(ids[0]) / "identity.json"
    cluster.until(claim.exists, "it does not begin")
    for process in psutil.process_iter(["cmdline"]):
        if str(claim.parents[1] / "node.pyz") in (process.info["cmdline"] or []):
            process.suspend()
    system.cancel(ids)
    assert system.status(ids)[ids[0]].state is BatchState.RUNNING
    (system.directory(ids[0]) / "stop").write_text("0\n")
    system.cancel(ids)
    cluster.until(lambda: system.history(ids), "it does not end")
    assert "cancelled (CANCELLED)" in system.history(ids)[ids[0]].words


def test_two_clusters_live_side_by_side_and_each_knows_its_own(cluster, small_cluster, tmp_path):
    one, other = open_slurm(cluster, tmp_path, "one"), open_slurm(small_cluster, tmp_path, "other")
    template = Template("both", ("/bin/sh", "-c", "echo $SLURMD_NODENAME"), ENVIRONMENT)
    (here,), (there,) = one.submit(template, 1), other.submit(template, 1)
    small_cluster.until(lambda: one.history([here]) and other.history([there]), "they do not end")
    assert (one.directory(here) / "stdout").read_text() != "\n"
    assert other.history([there])[there].node == "m1"
    assert one.directory(here) != other.directory(there)


def test_more_jobs_than_an_array_may_have_are_several_arrays_in_order(small_cluster, tmp_path):
    system = open_slurm(small_cluster, tmp_path)
    ids = system.submit(Template("parts", ("/bin/sh", "-c", "echo $COMPASS_BATCH_DIRECTORY"), ENVIRONMENT), 6)
    assert [job.partition("_")[2] for job in ids] == ["0", "1", "2", "3", "0", "1"]
    small_cluster.until(lambda: len(system.history(ids)) == 6, "they do not end")
    home = tmp_path / "slurm/jobs/parts"
    assert [(system.directory(job) / "stdout").read_text() for job in ids] == [f"{home}/{n}\n" for n in range(6)]


def test_a_queue_that_is_full_says_so_and_what_it_took_is_found(small_cluster, tmp_path):
    system = open_slurm(small_cluster, tmp_path)
    with pytest.raises(BatchFailed, match="full: sbatch: .*queue is full"):
        system.submit(Template("full", SLEEP, ENVIRONMENT, 1.0), 24)
    ids = list(system.find("full").values())
    assert 0 < len(ids) < 24
    system.cancel(ids)
    small_cluster.until(lambda: len(system.history(ids)) == len(ids), "they do not end")
    assert system.find("full") == dict(enumerate(ids))


def test_a_job_is_told_before_its_wall_time_is_over_and_ends_in_its_own_way(cluster, limited):
    system, (kind, _) = limited
    cluster.until(lambda: system.history([kind]), "nobody told it")
    found = system.history([kind])[kind]
    assert found.words == "stopped before its wall time was over"
    assert found.exit_status in (7, 128 + signal.SIGUSR1)  # Slurm may look the moment that it starts


def test_a_job_whose_time_limit_was_over_says_so(cluster, limited):
    system, (_, deaf) = limited
    cluster.until(lambda: system.history([deaf]), "it does not end")
    found = system.history([deaf])[deaf]
    assert "its time limit was over (TIMEOUT, TimeLimit)" in found.words
    assert found.exit_status == 143


def test_a_controller_that_is_away_is_no_verdict_and_what_runs_goes_on(cluster, tmp_path):
    system, impatient = open_slurm(cluster, tmp_path), open_slurm(cluster, tmp_path, timeout=0.3)
    gate = tmp_path / "gate"
    text = f"import os, time\nopen('up', 'w').close()\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.1)"
    template = Template("long", script(text), ENVIRONMENT)
    ids = system.submit(template, 2)
    cluster.until(lambda: all((system.directory(job) / "work/up").exists() for job in ids), "they do not run")
    cluster.stop_controller()
    try:
        gate.touch()  # they end while nobody is there to be told
        for ask in (impatient.status, impatient.cancel, lambda _: impatient.submit(replace(template, key="away"), 1)):
            with pytest.raises(BatchFailed, match="did not answer|Unable to contact"):
                ask(ids)
    finally:
        cluster.start_controller()
    cluster.until(lambda: len(answered(system.history, ids)) == 2, "they do not end")
    assert [job.exit_status for job in system.history(ids).values()] == [0, 0]
    assert system.find("away") == {}


def answered(ask, ids):
    """Answer what is said, nothing while the controller is coming up."""
    with suppress(BatchFailed):
        return ask(ids)
    return {}
