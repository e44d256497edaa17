"""Slurm as a batch system with real accounts: two clusters by their names, and what the controllers have forgotten."""

from __future__ import annotations

import functools
import sys

import pytest

from server.batch.base import BatchFailed, BatchState, Needs, Template
from server.batch.place import Place
from server.batch.slurm import SlurmBatch
from tests.kits.batch import ENVIRONMENT
from tests.services import slurm_accounts

pytestmark = [pytest.mark.campaign, pytest.mark.one_python]


@pytest.fixture(scope="module")
def accounts():
    with slurm_accounts.running() as found:
        yield found


@pytest.fixture
def system(accounts, tmp_path):
    cluster = accounts.clusters["alpha"]
    options = {"conf": cluster.environment["SLURM_CONF"], "programs": str(cluster.programs / "usr/bin")}
    options |= {"python": sys.executable, "clusters": "alpha,beta"}
    return SlurmBatch.open(Place("both", tmp_path / "both", options))


def until(accounts, met):
    accounts.clusters["alpha"].until(met, "it does not come to pass")


def ended(accounts, system, ids):
    until(accounts, lambda: len(system.history(ids)) == len(ids))
    return system.history(ids)


def forgotten(accounts):
    """Wait until the controllers have forgotten jobs."""
    for cluster in accounts.clusters.values():
        until(accounts, lambda cluster=cluster: not cluster.run("squeue", "--noheader", "--states=all"))


def test_two_clusters_share_the_work_and_ids_tell_where_a_job_is(accounts, system):
    alpha = accounts.clusters["alpha"]
    alpha.run("scontrol", "update", "nodename=a1", "state=drain", "reason=test")
    try:
        template = Template("shared", ("/bin/sh", "-c", "echo $COMPASS_BATCH_ID"), ENVIRONMENT)
        ids = system.submit(template, 2)
        assert [job.partition("@")[2] for job in ids] == ["beta", "beta"]
        found = ended(accounts, system, ids)
        assert {job.node for job in found.values()} == {"b1"}
        assert (system.directory(ids[0]) / "stdout").read_text() == f"{ids[0]}\n"
        assert system.find("shared") == dict(enumerate(ids))
    finally:
        alpha.run("scontrol", "update", "nodename=a1", "state=resume")


def test_an_exit_status_that_is_nowhere_else_comes_from_the_accounts(accounts, system):
    ids = system.submit(Template("seven", ("/bin/sh", "-c", "exit 7"), ENVIRONMENT), 2)
    ended(accounts, system, ids)
    forgotten(accounts)
    for job in ids:
        for file in ("exit.json", "identity.json", "over.json"):
            (system.directory(job) / file).unlink(missing_ok=True)
    found = system.history(ids)
    assert [found[job].exit_status for job in ids] == [7, 7]
    assert {found[job].node for job in ids} <= {"a1", "b1"}
    assert all(job.started <= job.ended for job in found.values())


def test_what_somebody_else_cancelled_before_it_started_is_known_to_the_accounts(accounts, system):
    whole = Needs(whole_nodes=True, wall_time=3600.0)
    busy: list[str] = []
    for key in ("one", "other"):
        busy += system.submit(Template(key, ("/bin/sleep", "600"), ENVIRONMENT, 1.0, needs=whole), 1)
        until(accounts, functools.partial(runs, system, busy[-1]))
    ids = system.submit(Template("waits", ("/bin/true",), ENVIRONMENT, needs=whole), 2)
    assert {job.state for job in system.status(ids).values()} == {BatchState.QUEUED}
    array, _, name = ids[0].replace("_0", "").partition("@")
    accounts.clusters[name].run("scancel", array)
    found = ended(accounts, system, ids)
    assert {(job.exit_status, job.words) for job in found.values()} == {(None, "cancelled before it started")}
    system.cancel(busy)
    ended(accounts, system, busy)


def test_a_submission_whose_end_nobody_saw_is_found_in_the_accounts_by_its_name(accounts, system):
    ids = system.submit(Template("past", ("/bin/true",), ENVIRONMENT), 2)
    ended(accounts, system, ids)
    forgotten(accounts)
    home = system.directory(ids[0]).parent
    (home / "part-0").unlink()
    assert system.find("past") == dict(enumerate(ids))


def test_nothing_is_concluded_while_the_accounts_are_away(accounts, system):
    ids = system.submit(Template("away", ("/bin/true",), ENVIRONMENT), 1)
    ended(accounts, system, ids)
    accounts.stop_daemon()
    try:
        for ask in (lambda: system.status(ids), lambda: system.cancel(ids)):
            with pytest.raises(BatchFailed):
                ask()
    finally:
        accounts.start_daemon()
    until(accounts, lambda: answers(system, ids))


def runs(system, job):
    return system.status([job])[job].state is BatchState.RUNNING


def answers(system, ids):
    try:
        return system.history(ids)
    except BatchFailed:
        return {}
