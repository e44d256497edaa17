"""The factory's cycle: with a batch system that the test plays, and with the real local one."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.batch.base import BatchJob, BatchState
from server.batch.local import LocalBatch
from server.factory import logic, queries
from server.factory.models import FactoryCycle, FactoryQueue
from server.factory.readings import limits_of
from server.pandaconfig.logic import define_queue
from server.pilots import logic as pilot_logic
from server.pilots.models import Pilot
from server.taskbuffer.models import Ready
from tests.server.factory.played import NOW, PlayedBatch, activate

pytestmark = pytest.mark.django_db


def test_jobs_that_wait_get_pilots_and_no_second_ones(cycle, batch):
    activate(2)
    assert cycle().submitted == 2
    assert cycle(1).submitted == 0
    assert len(batch.jobs) == 2
    pilot = Pilot.objects.first()
    assert (pilot.state, pilot.batch_id) == ("queued", f"{pilot.submission}/{pilot.number}")
    assert pilot.directory.endswith(pilot.batch_id)


def test_a_pilot_is_followed_to_its_end(cycle, batch):
    activate(1)
    cycle()
    batch.all_become(BatchJob(BatchState.RUNNING, started=NOW))
    cycle(1)
    assert Pilot.objects.get().started_at == NOW
    batch.all_become(BatchJob(BatchState.DONE, 82, NOW, NOW + timedelta(seconds=9)))
    Ready.objects.all().delete()
    assert cycle(10) == logic.Cycle(ended=1)
    pilot = Pilot.objects.get()
    assert (pilot.state, pilot.exit_code, pilot.words) == ("done", 82, "there was no work for it")
    assert pilot.ended_at == NOW + timedelta(seconds=9)


def test_a_pilot_that_has_just_started_is_on_its_way_to_a_job(cycle, batch):
    activate(1)
    cycle()
    batch.all_become(BatchJob(BatchState.RUNNING, started=NOW))
    assert cycle(1).submitted == 0
    assert cycle(50).submitted == 0
    assert cycle(70).submitted == 1


def test_a_crash_before_the_submission_loses_the_rows_and_submits_nothing_twice(cycle, batch):
    pilot_logic.order("LOCAL", "local", "crashed", 2, now=NOW)
    activate(2)
    assert cycle().submitted == 2
    assert Pilot.objects.filter(submission="crashed", state="lost").count() == 2
    assert "stopped before it was submitted" in Pilot.objects.filter(submission="crashed")[0].words


def test_a_crash_after_the_submission_finds_its_pilots_again(cycle, batch):
    pilot_logic.order("LOCAL", "local", "crashed", 2, now=NOW)
    batch.jobs = {"crashed/0": BatchJob(BatchState.RUNNING, started=NOW), "crashed/1": BatchJob(BatchState.QUEUED)}
    activate(2)
    assert cycle().submitted == 0
    assert sorted(Pilot.objects.values_list("state", flat=True)) == ["queued", "running"]


def test_a_submission_that_fails_in_the_middle_keeps_what_was_taken(cycle, batch):
    activate(3)
    batch.takes = 1
    assert cycle() == logic.Cycle(submitted=1, failed=1)
    assert (FactoryCycle.objects.get().submitted, len(batch.jobs)) == (1, 1)
    assert Pilot.objects.filter(state="lost", words="the batch system did not take it: the queue is full").count() == 2
    assert queries.decisions()[0].reason == "the queue is full"


def test_a_batch_system_that_refused_is_offered_more_after_a_while_and_no_node_is_blamed(cycle, batch):
    activate(4)
    batch.takes = 0
    assert cycle().failed == 1
    assert cycle(29) == logic.Cycle()
    assert "took no more, the next try is 30 s later: the queue is full" in queries.decisions()[0].reason
    batch.takes = None
    assert cycle(31).submitted == 3
    batch.all_become(BatchJob(BatchState.RUNNING, started=NOW))
    FactoryQueue.objects.update(slots=4)
    assert cycle(32 + 60).submitted == 1


def test_a_batch_system_that_does_not_answer_gets_no_pilots_and_nothing_is_concluded(cycle, batch):
    activate(1)
    cycle()
    batch.answers = False
    activate(5)
    assert cycle(1) == logic.Cycle(failed=1)
    assert Pilot.objects.get().state == "queued"
    assert queries.decisions()[0].reason == "the scheduler is down"


def test_one_queue_that_fails_does_not_keep_another_from_its_pilots(queue, batch, launch, tmp_path):
    broken = PlayedBatch(tmp_path)
    broken.answers = False
    define_queue({"nickname": "AAA", "status": "online"})
    logic.define_queue("AAA", slots=1)
    activate(1, "AAA")
    activate(1)
    system_of = {"AAA": broken, "LOCAL": batch}
    done = logic.cycle(NOW, system_of=lambda name, queue: system_of[queue], launch=launch)
    assert (done.submitted, done.failed) == (1, 1)


def test_what_every_pilot_needs_and_is_missing_is_said_and_nothing_is_ordered(cycle, launch):
    activate(1)
    launch.bundle.unlink()
    assert cycle().failed == 1
    assert not Pilot.objects.exists()
    assert "pilot.pyz is not there" in FactoryCycle.objects.get().words


def test_a_lost_pilot_is_cancelled_for_what_it_may_have_left(cycle, batch):
    activate(1)
    cycle()
    batch.all_become(BatchJob(BatchState.LOST, words="its process is gone"))
    (job,) = batch.jobs
    cycle(1)
    assert batch.cancelled == [job]
    assert Pilot.objects.get(batch_id=job).words == "its process is gone"


def test_a_queue_that_is_switched_off_or_offline_gets_none_but_its_pilots_are_followed(cycle, batch, queue):
    activate(1)
    cycle()
    FactoryQueue.objects.update(enabled=False)
    batch.all_become(BatchJob(BatchState.DONE, 0, NOW, NOW))
    assert cycle(1) == logic.Cycle(ended=1)
    FactoryQueue.objects.update(enabled=True)
    define_queue({"nickname": "LOCAL", "status": "offline"})
    assert cycle(2).submitted == 0
    assert queries.decisions()[0].reason == "the queue is offline"


def test_pilots_that_all_fail_at_once_are_submitted_one_at_a_time(cycle, batch):
    activate(10)
    assert cycle().submitted == 3
    batch.all_become(BatchJob(BatchState.DONE, 94, NOW, NOW + timedelta(seconds=1)))
    assert cycle(2).submitted == 0
    assert cycle(40).submitted == 1
    assert "failed within 20 s (exit codes 94): one at a time" in queries.decisions()[0].reason


def test_the_same_decision_again_is_one_line_that_counts_it(cycle):
    for second in range(5):
        cycle(second)
    line = FactoryCycle.objects.get()
    assert (line.times, line.latest) == (5, NOW + timedelta(seconds=4))
    assert [step["rule"] for step in line.trace][:2] == ["ready", "queue_status"]


def test_the_sign_of_life_between_queues_can_end_a_cycle(cycle):
    def stop():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        cycle(keep=stop)


class TestWithTheRealLocalBatchSystem:
    """Nothing is played: wrappers that are scripts of the test run as processes."""

    @pytest.fixture
    def system(self, tmp_path):
        return LocalBatch(tmp_path / "pilots", slots=3)

    @pytest.fixture
    def cycle(self, queue, system, launch, tmp_path):
        yield lambda: logic.cycle(
            datetime.now(UTC), system_of=lambda name, queue: LocalBatch(tmp_path / "pilots", 3), launch=launch
        )
        deadline = time.monotonic() + 30
        while logic.stop_pilots(datetime.now(UTC), system_of=lambda name, queue: system):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def follow(self, cycle, state: str) -> Pilot:
        deadline = time.monotonic() + 20
        while not (found := Pilot.objects.filter(state=state).first()):
            assert time.monotonic() < deadline
            cycle()
            time.sleep(0.05)
        return found

    def test_a_pilot_runs_its_wrapper_with_queue_and_server(self, cycle, launch):
        launch.wrapper.write_text('echo "$COMPASS_PILOT__QUEUE__NAME $COMPASS_PILOT__SERVER__URL"; exit 82')
        activate(1)
        cycle()
        Ready.objects.all().delete()
        pilot = self.follow(cycle, "done")
        assert pilot.exit_code == 82
        with open(f"{pilot.directory}/stdout") as file:  # noqa: PTH123
            assert file.read() == "LOCAL http://127.0.0.1:1\n"

    def test_pilots_outlive_the_factory_and_are_stopped_by_order(self, cycle, launch, tmp_path):
        launch.wrapper.write_text("trap 'exit 143' TERM; sleep 600 & wait $!")
        activate(2)
        assert cycle().submitted == 2
        Ready.objects.all().delete()
        self.follow(cycle, "running")
        again = LocalBatch(tmp_path / "pilots", slots=3)
        deadline = time.monotonic() + 20
        while logic.stop_pilots(datetime.now(UTC), system_of=lambda name, queue: again):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert list(Pilot.objects.values_list("state", "exit_code")) == [("done", 143)] * 2


def test_limits_are_those_of_the_queues_row(queue):
    assert replace(limits_of(queue), slots=9).slots == 9
    assert limits_of(queue).slots == 3
