"""The rules by which a queue may be given a job."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.brokerage.choose import judge
from server.brokerage.policy import GB
from server.brokerage.snapshot import FailureRate, Input, JobNeeds, Load, Part, Snapshot, UserFacts
from tests.server.brokerage.worlds import NOW, POLICY, queue, snapshot

ADA = {"ada": UserFacts("ada", country="it")}
JOB = JobNeeds(cores=4, memory=8 * GB, disk=10 * GB, walltime=3600)


def refusals(job: JobNeeds, world: Snapshot) -> list[str]:
    (one,) = world.queues.facts.values()
    return [finding.tag for finding in judge(job, one, world, POLICY).refused]


def test_a_good_queue_passes_every_rule():
    found = judge(JOB, queue(), snapshot(queue()), POLICY)
    assert found.passed
    assert found.weight > 0
    assert len({finding.criterion for finding in found.findings}) == 20


@pytest.mark.parametrize(
    ("tag", "job", "there"),
    [
        ("-status", {}, {"status": "offline"}),
        ("-status", {}, {"status": "brokeroff"}),
        ("-status", {}, {"status": "test"}),
        ("-type", {"label": "user"}, {"type": "production"}),
        ("-type", {"label": "managed"}, {"type": "analysis"}),
        ("-cpucore", {"cores": 16}, {}),
        ("-lowmemory", {"memory": 32 * GB}, {}),
        ("-highmemory", {}, {"min_memory": 12 * GB}),
        ("-disk", {"disk": 200 * GB}, {}),
        ("-disk", {"inputs": (Input("d", "f", 95 * GB),)}, {}),
        ("-inputsize", {"inputs": (Input("d", "f", 2 * GB),)}, {"max_input": GB}),
        ("-shortwalltime", {"walltime": 90000}, {}),
        ("-longwalltime", {}, {"min_walltime": 7200}),
        ("-regexpcmtconfig", {"platform": "aarch64-el9"}, {"platforms": ("x86_64-.*", "[")}),
        ("-cache", {"release": "v9"}, {"releases": ("v7", "v8")}),
        ("-container", {"container": "an/image"}, {}),
        ("-country", {"user": "ada"}, {"countries": ("de",), "other_countries": False}),
        ("-country", {}, {"countries": ("de",), "other_countries": False}),
        ("-workinggroup", {"group": "drell-yan"}, {"groups": ("exotic",)}),
        ("-workinggroup", {}, {"groups": ("exotic",)}),
        ("-workinggroup", {"group": "exotic"}, {"groups": ("!exotic",)}),
        ("-non_pledged", {"priority": 900}, {"pledged": -1}),
        ("-processing", {"processing_type": "merge"}, {"processing": ("simul", "reco")}),
        ("-processing", {"processing_type": "merge"}, {"processing": ("!merge",)}),
    ],
)
def test_each_rule_refuses_by_its_tag_and_names_the_remedy(tag, job, there):
    one = queue(**there)
    (refused,) = judge(replace(JOB, **job), one, snapshot(one, users=ADA), POLICY).refused
    assert refused.tag == tag
    assert len(refused.words) > 20


@pytest.mark.parametrize(
    ("job", "there"),
    [
        ({"label": "test"}, {"status": "test"}),
        ({"label": "user"}, {"type": "unified"}),
        ({"memory": 0}, {"min_memory": 12 * GB}),
        ({"memory": 900 * GB}, {"memory": 0}),
        ({"walltime": 10**7}, {"max_walltime": 0}),
        ({"platform": "x86_64-el9"}, {"platforms": ("x86_64-.*",)}),
        ({"platform": "["}, {"platforms": ("[",)}),
        ({"release": "v8"}, {"releases": ("v7", "v8")}),
        ({"container": "an/image"}, {"containers": True}),
        ({"user": "ada"}, {"countries": ("de",)}),
        ({"user": "ada"}, {"countries": ("it",), "other_countries": False}),
        ({"group": "exotic"}, {"groups": ("exotic",)}),
        ({"group": "drell-yan"}, {"groups": ("!exotic",)}),
        ({"priority": 100}, {"pledged": -1}),
        ({"priority": 900}, {"pledged": 16}),
        ({"processing_type": "reco"}, {"processing": ("simul", "reco")}),
        ({"processing_type": "reco"}, {"processing": ("!merge",)}),
    ],
)
def test_what_nobody_forbids_passes(job, there):
    assert refusals(replace(JOB, **job), snapshot(queue(**there), users=ADA)) == []


def test_a_banned_user_is_refused_everywhere_and_told_why():
    users = {"ada": UserFacts("ada", banned="mined coins")}
    (refused,) = judge(replace(JOB, user="ada"), queue(), snapshot(queue(), users=users), POLICY).refused
    assert (refused.tag, refused.lasting) == ("-banned", True)
    assert "mined coins" in refused.words


def test_a_user_with_all_his_jobs_queued_waits():
    users = {"ada": UserFacts("ada", max_queued=5, queued=5)}
    assert refusals(replace(JOB, user="ada"), snapshot(queue(), users=users)) == ["-quota"]
    assert refusals(replace(JOB, user="bob"), snapshot(queue(), users=users)) == []


def test_a_black_hole_is_refused_once_enough_attempts_are_known():
    few, many = FailureRate(9, 9), FailureRate(20, 19)
    assert refusals(JOB, snapshot(queue(), failures={"GOOD": few})) == []
    assert refusals(JOB, snapshot(queue(), failures={"GOOD": many})) == ["-closed"]


def test_beyond_its_pledge_a_queues_cores_are_borrowed():
    one, urgent = queue(pledged=16), replace(JOB, priority=900)
    full, free = {"GOOD": Load(running=4, running_cores=16)}, {"GOOD": Load(running=3, running_cores=15)}
    assert refusals(urgent, snapshot(one, loads=full)) == ["-over_pledged"]
    assert refusals(urgent, snapshot(one, loads=free)) == []
    assert refusals(JOB, snapshot(one, loads=full)) == []

    def factor(loads):
        return {f.name: f.value for f in judge(JOB, one, snapshot(one, loads=loads), POLICY).factors}["pledge"]

    assert (factor(full), factor(free)) == (POLICY.borrowed, 1.0)


HOUR = 3600.0


@pytest.mark.parametrize(
    ("load", "tags"),
    [
        ({"queued": 10, "waits_since": 4 * HOUR}, ["-nopilot"]),
        ({"queued": 10, "waits_since": 4 * HOUR, "heard": 4 * HOUR}, ["-nopilot"]),
        ({"queued": 10, "waits_since": 4 * HOUR, "heard": 2 * HOUR}, []),
        ({"queued": 10, "waits_since": 2 * HOUR, "heard": 90 * HOUR}, []),
        ({"queued": 9, "waits_since": 4 * HOUR}, []),
        ({"heard": 90 * HOUR}, []),
        ({}, []),
    ],
)
def test_a_queue_whose_jobs_wait_in_vain_for_pilots_gets_no_more(load, tags):
    at = {name: value if name == "queued" else NOW - value for name, value in load.items()}
    assert refusals(JOB, snapshot(queue(), loads={"GOOD": Load(**at)})) == tags
    assert refusals(JOB, snapshot(queue(without_pilots=True), loads={"GOOD": Load(**at)})) == []


def test_a_backlog_of_transfers_is_refused_unless_as_many_run():
    waiting = {"GOOD_DISK": 3000}
    assert refusals(JOB, snapshot(queue(), backlogs=waiting)) == ["-network"]
    assert refusals(JOB, snapshot(queue(transferring_limit=5000), backlogs=waiting)) == []
    assert refusals(JOB, snapshot(queue(), backlogs=waiting, loads={"GOOD": Load(running=2000)})) == []


@pytest.mark.parametrize(("jobs", "tag"), [(999, "-network"), (1001, "-transferring")])
def test_the_tag_of_a_backlog_says_whether_files_or_outputs_of_jobs_make_it(jobs, tag):
    world = snapshot(queue(transferring_limit=1), loads={"GOOD": Load(transferring=jobs)}, backlogs={"GOOD_DISK": 1000})
    (refused,) = judge(JOB, queue(transferring_limit=1), world, POLICY).refused
    assert (refused.tag, refused.there) == (tag, f"{jobs} of jobs, 1000 at its storages")


def test_old_facts_of_queues_are_not_believed_and_nothing_is_sent():
    found = judge(JOB, queue(), snapshot(queue(), age=900.0), POLICY)
    assert [finding.tag for finding in found.refused] == ["-status"]
    assert "900 s old" in found.refused[0].words


def test_old_facts_that_would_refuse_are_not_believed_and_halve_the_weight():
    fresh = snapshot(queue(), failures={"GOOD": FailureRate(50, 50)}, backlogs={"GOOD_DISK": 10**6})
    assert refusals(JOB, fresh) == ["-network", "-closed"]
    later = replace(fresh, now=fresh.now + 900, queues=Part(fresh.queues.facts, fresh.now + 900))
    old = judge(JOB, queue(), later, POLICY)
    assert old.passed
    assert sum("too old" in finding.words for finding in old.findings) == 2
    assert old.weight == judge(JOB, queue(), snapshot(queue()), POLICY).weight / 4
