"""A real Slurm behind a login node: what each system promises, over OpenSSH's real server."""

from __future__ import annotations

import sys

import pytest

from server.batch.base import BatchMisconfigured, BatchState, Needs, Template, Window
from tests.kits.batch import ENVIRONMENT, Patient, script
from tests.server.batch.ssh_systems import SshKit, open_ssh
from tests.services import slurm
from tests.services import sshd as service

pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def cluster():
    """A real Slurm of one node."""
    with slurm.running(("m1",)) as found:
        yield found


@pytest.fixture(scope="module")
def sshd():
    """A real OpenSSH server."""
    with service.running() as server:
        yield server


@pytest.fixture(scope="module")
def login(sshd, cluster, tmp_path_factory):
    """A system whose connections are used by one test after the other."""
    programs = str(cluster.programs / "usr/bin")
    there = {"conf": cluster.environment["SLURM_CONF"], "programs": programs, "python": sys.executable}
    return open_ssh(sshd, tmp_path_factory.mktemp("login"), kind="slurm", there=there)


class TestSlurmOverSsh(SshKit):
    patience = 40.0

    @pytest.fixture
    def system(self, login):
        return login

    @pytest.fixture(autouse=True)
    def _cluster(self, cluster):
        self.cluster = cluster

    def restart(self, system):
        self.cluster.stop_controller()
        self.cluster.start_controller()

    @pytest.mark.parametrize("status", [82])  # each takes Slurm a second
    def test_the_exit_status_is_the_jobs_own(self, system, status):
        super().test_the_exit_status_is_the_jobs_own(system, status)

    def test_what_could_start_now_is_told(self, cluster, system):
        cluster.until(lambda: cluster.idle() == ["m1"], "the node is not idle")
        assert Patient(system).window({"partition": "debug"}) == Window(1)

    def test_a_queues_options_are_slurms_and_what_it_does_not_have_is_refused_before_anybody_is_asked(self, system):
        with pytest.raises(BatchMisconfigured, match=r"extra\.wrap"):
            system.submit(Template("odd", ("true",), ENVIRONMENT, options={"extra": {"wrap": "x"}}), 1)

    def test_needs_and_options_reach_slurm(self, cluster, system):
        wants = {"needs": Needs(cores=2, wall_time=600.0), "options": {"partition": "debug"}}
        (job,) = self.submit(system, "needs", script("import os; print(os.environ['SLURM_CPUS_PER_TASK'])"), **wants)
        self.wait_for(system, [job], BatchState.DONE)
        assert (system.directory(job) / "stdout").read_text() == "2\n"
        assert "debug" in cluster.run("scontrol", "show", "job", job)

    def test_what_waits_is_taken_back(self, cluster, system):
        cluster.run("scontrol", "update", "nodename=m1", "state=drain", "reason=test")
        try:
            (waits,) = self.submit(system, "waits", script("pass"))
            assert system.cancel_waiting([waits]) == (waits,)
            self.wait(system, [waits], lambda found: found[waits].state in (BatchState.DONE, BatchState.LOST))
        finally:
            cluster.run("scontrol", "update", "nodename=m1", "state=resume")
