"""How allocations are made for payloads, by settings, queue and plugins."""

from __future__ import annotations

import os

import pytest

from pilot import plugins
from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.hookspecs import hookimpl
from pilot.hpc import record
from pilot.hpc.allocation import Payload
from pilot.hpc.launching import Launching
from pilot.hpc.record import Record, Stage
from pilot.hpc.values import BatchState, NodeService, Resource, Status
from pilot.hpc.worklist import NAME, WorkList
from pilot.job import PayloadCommand
from pilot.runtime.limits import NO_LIMITS
from pilot.settings.hpc import Hpc

QUEUE = QueueData(name="Q")


class Batch:
    """Takes everything, and knows what it has taken."""

    def __init__(self):
        self.taken, self.silent = {}, False

    def submit(self, launch):
        self.taken[launch.name] = launch
        return str(len(self.taken))

    def find(self, name):
        if self.silent:
            raise JobFailed(ErrorCode.SERVICE_NOT_AVAILABLE, "no answer")
        return "1" if name in self.taken else None

    def status(self, number):
        return Status(BatchState.QUEUED)

    def cancel(self, number):
        pass


class Plugin:
    def __init__(self):
        self.batch, self.shapes = Batch(), []

    @hookimpl
    def hpc_resource(self, name, shape):
        self.shapes.append(shape)
        return Resource(("run", "-n", str(shape.ranks if shape else 0)), self.batch) if name == "theirs" else None

    @hookimpl
    def node_services(self, queue):
        return [NodeService("db", ("db", queue.name))]


class Bench:
    def __init__(self, folder, **settings):
        self.folder, self.plugin = folder, Plugin()
        manager = plugins.load("generic")
        manager.register(self.plugin)
        environment = {"PATH": os.environ["PATH"], "SLURM_JOB_NUM_NODES": "2"}
        self.launching = Launching(Hpc(**settings), manager, folder, environment, 1.0, lambda: 500.0)

    def begin(self, count=3, queue=QUEUE):
        payloads = []
        for number in range(1, count + 1):
            place = self.folder / f"job-{number}"
            place.mkdir()
            payloads.append(Payload((number, 1), PayloadCommand(("true",), {}, place), NO_LIMITS, 0.0, 1))
        return self.launching.begin(payloads, queue, lambda *_: None, lambda: None)


@pytest.fixture
def theirs(tmp_path):
    return Bench(tmp_path, resource="theirs")


def test_a_plugins_supercomputer_starts_ranks_and_has_allocations_in_its_own_way(theirs):
    made = theirs.begin()
    (launch,) = theirs.plugin.batch.taken.values()
    assert launch.argv[:3] == ("run", "-n", "3")
    assert launch.argv[-1] == str(made.folder / NAME)
    found = record.read(made.folder)
    assert (found.stage, found.number, found.batch) == (Stage.SUBMITTED, "1", "resource:theirs")
    assert theirs.launching.state(made) is BatchState.QUEUED
    made.close()


def test_what_plugins_want_on_each_node_stands_in_the_work_list(theirs):
    made = theirs.begin()
    assert WorkList(made.folder / NAME).head.services[0]["argv"] == ["db", "Q"]
    made.close()


def test_an_allocation_is_as_large_as_what_the_pilot_is_in(tmp_path):
    bench = Bench(tmp_path, launcher="srun", ranks_per_node=1, wall_time=3600.0)
    with pytest.raises(JobFailed, match="srun"):
        bench.begin()  # there is none here
    head = record.read(next(record.allocations(tmp_path)))
    assert (len(head.keys), head.stage) == (2, Stage.OVER)


@pytest.mark.parametrize("settings", [{"resource": "nobodys"}, {"batch": "slurm", "resource": "nobodys"}])
def test_a_supercomputer_that_nobody_knows_is_named(tmp_path, settings):
    with pytest.raises(JobFailed, match="'nobodys'") as failed:
        Bench(tmp_path, **settings).begin()
    assert failed.value.code is ErrorCode.BAD_CONFIGURATION


def test_settings_are_as_the_queue_wants_them(theirs):
    theirs.launching.heed(QueueData(name="Q", params={"hpc": {"quiet": 7}}))
    assert theirs.launching.settings.quiet == 7.0
    theirs.launching.heed(QueueData(name="Q", params={"hpc": {"quiet": "long"}}))
    assert theirs.launching.settings.quiet == 7.0
    with pytest.raises(JobFailed, match="quiet"):
        theirs.begin(queue=QueueData(name="Q", params={"hpc": {"quiet": "long"}}))


def left(bench, stage, number=""):
    folder = bench.folder / "allocation-x"
    folder.mkdir()
    record.write(folder, Record("x", stage, 1.0, ((1, 1),), number, 1, "resource:theirs"))
    return folder


@pytest.mark.parametrize("stage", [Stage.PLANNED, Stage.STARTED, Stage.OVER])
def test_what_cannot_go_on_is_not_resumed(theirs, stage):
    assert theirs.launching.resume(left(theirs, stage), lambda *_: None) is None


def test_what_was_submitted_is_followed_by_its_number_without_a_question(theirs):
    theirs.plugin.batch.silent = True
    found = theirs.launching.resume(left(theirs, Stage.SUBMITTED, "7"), lambda *_: None)
    assert found.started.number == "7"
    assert theirs.plugin.shapes == [None]
    found.close()


def test_what_may_have_been_submitted_is_looked_for_until_somebody_knows(theirs):
    theirs.plugin.batch.silent = True
    found = theirs.launching.resume(left(theirs, Stage.SUBMITTING), lambda *_: None)
    assert theirs.launching.state(found) is BatchState.QUEUED  # nothing else is known of it
    assert found.started is None
    theirs.plugin.batch.silent = False
    assert theirs.launching.state(found) is BatchState.UNKNOWN
    theirs.plugin.batch.taken = {"x": None}
    assert theirs.launching.state(found) is BatchState.QUEUED
    assert (found.started.number, record.read(found.folder).stage) == ("1", Stage.SUBMITTED)
    found.close()


def test_what_was_never_submitted_never_will_be(theirs):
    folder = left(theirs, Stage.SUBMITTING)
    assert theirs.launching.resume(folder, lambda *_: None) is None
    assert record.read(folder).stage is Stage.OVER
    assert theirs.plugin.batch.taken == {}


def test_when_a_plugin_breaks_while_it_submits_no_rank_begins(theirs):
    theirs.plugin.batch.taken = None
    with pytest.raises(TypeError):
        theirs.begin()
    assert not list(theirs.folder.glob(f"allocation-*/{NAME}"))
    (folder,) = record.allocations(theirs.folder)
    assert record.read(folder).stage is Stage.OVER


def test_an_allocation_of_a_batch_system_that_was_taken_out_of_the_settings_is_unknown(tmp_path):
    bench = Bench(tmp_path)
    folder = tmp_path / "allocation-x"
    folder.mkdir()
    record.write(folder, Record("x", Stage.SUBMITTED, 1.0, ((1, 1),), "12", batch="resource:gone"))
    made = bench.launching.resume(folder, lambda *_: None)
    assert bench.launching.state(made) is BatchState.UNKNOWN
    assert "gone" in made.status.words
    made.close()
