"""What jobs write becomes files of datasets, once; what waiting jobs need brings them into the queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pilot.contract.job import FileSpec, Role
from server.dataservice import logic
from server.dataservice.models import Dataset, DatasetEvent, DatasetFile, Follower, Replica, Wait, WaitingJob
from server.dataservice.states import DatasetKind
from server.dataservice.steps import follow
from server.dataservice.steps.outputs import settle_outputs
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer import queries
from server.taskbuffer.logic import reset
from server.taskbuffer.models import Job, JobEvent
from tests.server import jobs
from tests.server.dataservice.conftest import audit, filled, nothing


@pytest.fixture(autouse=True)
def _queue(queue):
    """All of these need one."""


def wanting(*lfns, dataset="raw", endpoint="", scope=""):
    return tuple(FileSpec(lfn, Role.INPUT, dataset=dataset, endpoint=endpoint, scope=scope) for lfn in lfns)


def files_of(dataset):
    return dict(DatasetFile.objects.filter(dataset__name=dataset).values_list("lfn", "state"))


def counters(dataset):
    row = Dataset.objects.get(name=dataset)
    return row.files, row.expected, row.available, row.size


def test_outputs_are_expected_while_a_job_may_write_them_and_available_when_it_has(world):
    (job,) = jobs.submit()
    world.follow()
    assert files_of("prod.out") == {"out.root": "expected"}
    assert files_of("prod.log") == {"job.log.tgz": "expected"}
    assert Dataset.objects.get(name="prod.log").kind == "log"
    jobs.claim()
    jobs.finish(job)
    world.follow()
    assert files_of("prod.out") == {"out.root": "available"}
    assert counters("prod.out") == (1, 0, 1, 10)
    replica = Replica.objects.get(file__lfn="out.root")
    assert (replica.endpoint, replica.path, replica.url) == ("DISK", "prod.out/out.root", "file:///out.root")
    row = DatasetFile.objects.get(lfn="out.root")
    assert (row.size, row.checksum, row.job) == (10, jobs.SUM, job)
    audit()


def test_an_output_that_is_called_as_the_log_beside_it_is_no_earlier_log(world):
    wanted = jobs.order(outputs=(), log="a.log.tgz")
    spec = replace(wanted.spec, outputs=(FileSpec("a.txt", Role.OUTPUT, dataset="prod.log", endpoint="DISK"),))
    (job,) = taskbuffer.submit([wanted._replace(spec=spec)], by="test", now=jobs.NOW)
    world.follow()
    jobs.claim()
    jobs.finish(job, 1, "a.txt", "a.log.tgz")
    world.follow()
    assert files_of("prod.log") == {"a.txt": "available", "a.log.tgz": "available"}
    assert counters("prod.log") == (2, 0, 2, 20)
    audit()


def test_events_that_are_read_again_change_nothing(world):
    (job,) = jobs.submit()
    jobs.claim()
    jobs.finish(job)
    assert world.follow() == 2
    before = list(DatasetFile.objects.order_by("pk").values())
    Follower.objects.all().delete()
    assert world.follow() == 0
    assert list(DatasetFile.objects.order_by("pk").values()) == before
    audit()


def test_jobs_that_write_files_of_the_same_names_do_not_stop_the_others(world):
    one, two, three = jobs.submit(3)
    world.follow()
    jobs.claim(count=3)
    jobs.report(one, "failed", pilot_error=1099)  # its next log has another name
    world.follow()
    jobs.report(three, "failed", pilot_error=1099)
    jobs.finish(two)
    world.follow()
    assert files_of("prod.log") == {"job.log.tgz": "available", "job.log.tgz.2": "expected"}
    found = dict(DatasetFile.objects.filter(dataset__name="prod.log").values_list("lfn", "job"))
    assert found == {"job.log.tgz": two, "job.log.tgz.2": three}
    audit()


def test_a_log_that_changes_its_name_with_a_try_goes_by_that_name_also_for_what_is_read_with_it(world):
    (first,) = jobs.submit(outputs=())
    world.follow()
    dataset = (FileSpec("job.log.tgz.2", Role.OUTPUT, dataset="prod.log"),)
    wanted = jobs.order(log=None)
    (second,) = taskbuffer.submit([wanted._replace(spec=replace(wanted.spec, outputs=dataset))], by="test")
    jobs.claim(count=2)
    jobs.report(first, "failed", pilot_error=1099)
    jobs.finish(second, 1, "job.log.tgz.2")
    (third,) = jobs.submit(outputs=())
    world.follow()
    found = dict(DatasetFile.objects.filter(dataset__name="prod.log").values_list("lfn", "job"))
    assert found == {"job.log.tgz": third, "job.log.tgz.2": second}
    assert counters("prod.log") == (2, 1, 1, 10)
    audit()


@pytest.mark.parametrize("newest_first", [False, True])
def test_of_jobs_that_write_files_of_one_name_the_newest_counts_in_whatever_order_they_are_read(world, newest_first):
    numbers = jobs.submit(3)
    standings = queries.standings(numbers)
    files = sorted(queries.files_of(numbers), key=lambda file: file.pk, reverse=newest_first)
    assert settle_outputs(standings, files, world.now) == 2
    assert set(DatasetFile.objects.values_list("lfn", "job")) == {
        (name, numbers[-1]) for name in ("out.root", "job.log.tgz")
    }
    assert counters("prod.out") == (1, 1, 0, 0)
    audit()


def test_a_file_that_was_removed_is_not_registered_again_by_an_old_event(world):
    (job,) = jobs.submit()
    jobs.claim()
    jobs.finish(job)
    world.follow()
    row = DatasetFile.objects.get(lfn="out.root")
    world.disk.put("prod.out/out.root")
    logic.request_delete([row.pk], "DISK", "manager", now=world.now)
    world.remove()
    Follower.objects.all().delete()
    world.follow()
    assert files_of("prod.out") == {"out.root": "deleted"}
    audit()


def test_a_job_that_failed_leaves_its_files_absent_and_a_retry_expects_them_again(world):
    (job,) = jobs.submit(max_attempts=1)
    jobs.claim()
    jobs.report(job, "failed", pilot_error=1305, files=jobs.stored("job.log.tgz"))
    world.follow()
    assert files_of("prod.out") == {"out.root": "absent"}
    assert files_of("prod.log") == {"job.log.tgz": "available"}
    taskbuffer.retry([job], by="somebody")
    world.follow()
    assert files_of("prod.out") == {"out.root": "expected"}
    jobs.claim()
    jobs.finish(job, 2, "out.root", "job.log.tgz.2")
    world.follow()
    assert files_of("prod.out") == {"out.root": "available"}
    # The log of the last try takes the place of the first one's.
    assert files_of("prod.log") == {"job.log.tgz": "replaced", "job.log.tgz.2": "available"}
    assert counters("prod.log") == (1, 0, 1, 10)
    audit()


def test_a_log_that_came_and_was_replaced_between_two_looks_is_counted_once(world):
    (job,) = jobs.submit()
    world.follow()
    jobs.claim()
    jobs.report(job, "failed", pilot_error=1305, files=jobs.stored("job.log.tgz"))
    taskbuffer.retry([job], by="somebody")
    jobs.claim()
    jobs.finish(job, 2, "out.root", "job.log.tgz.2")
    world.follow()
    assert files_of("prod.log") == {"job.log.tgz": "replaced", "job.log.tgz.2": "available"}
    assert counters("prod.log") == (1, 0, 1, 10)
    audit()


def test_another_job_that_writes_the_same_file_replaces_it_and_an_older_one_does_not(world):
    first, second = jobs.submit(2)
    world.follow()
    jobs.claim(count=2)
    jobs.report(second, "finished", files=(*jobs.stored("job.log.tgz"), jobs.stored("out.root")[0]))
    world.follow()
    assert DatasetFile.objects.get(lfn="out.root").job == second
    jobs.finish(first)
    world.follow()
    assert DatasetFile.objects.get(lfn="out.root").job == second
    assert counters("prod.out") == (1, 0, 1, 10)
    audit()


def test_a_job_waits_until_all_its_inputs_are_ready(world):
    files = filled(world, 2)
    (job,) = jobs.submit(waits=True, inputs=wanting("cdr00000-1.raw", "cdr00001-1.raw"))
    world.follow()
    assert jobs.state_of(job) == "assigned"
    assert WaitingJob.objects.get().missing == 2
    logic.request_prestage(files, "TAPE", 3600, "manager", now=world.now)
    world.submit()
    world.tape.work("raw/cdr00000-1.raw")
    world.turn()
    assert WaitingJob.objects.get().missing == 1
    assert jobs.state_of(job) == "assigned"
    world.tape.work("raw/cdr00001-1.raw")
    world.turn()
    assert jobs.state_of(job) == "activated"
    assert jobs.file_states(job)["cdr00001-1.raw"] == "ready"
    assert not WaitingJob.objects.exists()
    assert not Wait.objects.exists()
    assert len(jobs.claim()) == 1
    jobs.audit()
    audit()


def test_a_job_whose_inputs_are_there_goes_at_once(world):
    filled(world, at="DISK")
    (job,) = jobs.submit(waits=True, inputs=wanting("cdr00000-1.raw"))
    world.follow()
    assert world.activate() == (1, 0)
    assert jobs.moves_of(job) == [(1, "defined"), (1, "assigned"), (1, "activated")]


def test_a_job_waits_for_the_storage_that_it_names(world):
    files = filled(world, at="DISK")
    (job,) = jobs.submit(waits=True, inputs=wanting("cdr00000-1.raw", endpoint="FAR"))
    world.follow()
    assert world.activate() == (0, 0)
    logic.request_replicate(files, "FAR", "manager", now=world.now)
    world.turn()
    world.porter.work()
    world.turn()
    assert jobs.state_of(job) == "activated"


def test_a_job_that_wants_what_nobody_knows_is_waiting_until_somebody_registers_it(world):
    (job,) = jobs.submit(waits=True, inputs=wanting("cdr00000-1.raw"))
    world.follow()
    assert jobs.state_of(job) == "waiting"
    assert JobEvent.objects.get(job=job, after="waiting").detail == "input cdr00000-1.raw is not known yet"
    filled(world, at="DISK")
    world.activate()
    assert jobs.state_of(job) == "activated"
    audit()


def test_a_job_waits_for_the_output_of_another_one(world):
    (first,) = jobs.submit()
    (second,) = jobs.submit(waits=True, outputs=(), log=None, inputs=wanting("out.root", dataset="prod.out"))
    world.follow()
    assert jobs.state_of(second) == "assigned"
    jobs.claim()
    jobs.finish(first)
    world.follow()
    world.activate()
    assert jobs.state_of(second) == "activated"


def test_a_job_without_a_scope_means_the_dataset_of_that_name(world):
    made = logic.register_dataset("raw", kind=DatasetKind.INPUT, scope="compass", by="test")
    logic.add_files(made, [logic.NewFile("a.raw")], by="test", endpoint="DISK")
    (job,) = jobs.submit(waits=True, inputs=wanting("a.raw"))
    world.follow()
    assert world.activate() == (1, 0)
    assert jobs.state_of(job) == "activated"


def test_jobs_whose_inputs_name_no_dataset_are_left_to_who_submitted_them(world):
    (job,) = jobs.submit(waits=True, inputs=wanting("a.raw", dataset=""))
    (bare,) = jobs.submit(waits=True)
    world.follow()
    assert world.activate() == (0, 0)
    assert (jobs.state_of(job), jobs.state_of(bare)) == ("defined", "defined")
    assert taskbuffer.activate([job, bare], by="production") == [job, bare]


def test_a_job_whose_input_is_lost_fails_and_says_why(world):
    files = filled(world)
    (job,) = jobs.submit(waits=True, inputs=wanting("cdr00000-1.raw"))
    world.follow()
    world.tape.files.clear()
    logic.request_prestage(files, "TAPE", 3600, "manager", now=world.now)
    for _ in range(6):
        world.later(days=1).turn()
    row = Job.objects.get(pk=job)
    assert (row.state, row.data_error) == ("failed", 100)
    assert row.server_error_words == "input cdr00000-1.raw is lost: no storage has it any more"
    assert jobs.file_states(job) == {"cdr00000-1.raw": "pending", "out.root": "failed", "job.log.tgz": "failed"}
    assert not WaitingJob.objects.exists()
    jobs.audit()
    audit()


def test_a_job_that_is_killed_waits_for_nothing(world):
    filled(world)
    (job,) = jobs.submit(waits=True, inputs=wanting("cdr00000-1.raw"))
    world.follow()
    taskbuffer.kill([job], by="somebody")
    world.follow()
    assert not WaitingJob.objects.exists()
    assert jobs.state_of(job) == "cancelled"


def test_a_pin_that_ends_lets_a_waiting_job_wait_again(world):
    files = filled(world, 2)
    (job,) = jobs.submit(waits=True, inputs=wanting("cdr00000-1.raw", "cdr00001-1.raw"))
    world.follow()
    logic.request_prestage(files[:1], "TAPE", 3600, "manager", now=world.now)
    world.submit()
    world.tape.work()
    world.turn()
    assert WaitingJob.objects.get().missing == 1
    world.later(hours=2).turn()
    assert WaitingJob.objects.get().missing == 2
    assert jobs.state_of(job) == "assigned"


def test_what_was_passed_by_is_found_ten_minutes_later(world):
    from server.dataservice.steps import follow

    (job,) = jobs.submit()
    last = JobEvent.objects.latest("pk").pk
    Follower.objects.create(name=follow.FOLLOW, position=last)  # as if the event had appeared behind the reader
    assert world.follow() == 0
    JobEvent.objects.update(at=world.now)
    assert follow.sweep(now=world.now + timedelta(minutes=9), keep=nothing) == 0
    assert follow.sweep(now=world.now + timedelta(minutes=11), keep=nothing) == 2
    assert files_of("prod.out") == {"out.root": "expected"}
    assert job


def test_a_wait_that_nobody_told_is_found_by_the_sweep(world):
    from server.dataservice.steps import follow

    filled(world, at="DISK")
    jobs.submit(waits=True, inputs=wanting("cdr00000-1.raw"))
    world.follow()
    Wait.objects.update(ready=False)
    WaitingJob.objects.update(missing=1)
    follow.sweep(now=world.now, keep=nothing)
    assert WaitingJob.objects.get().missing == 0


def test_a_dataset_is_closed_when_all_its_jobs_are_done_and_frozen_later(world):
    first, second = (jobs.submit(outputs=(f"{name}.root",), log=f"{name}.log.tgz")[0] for name in ("a", "b"))
    world.follow()
    jobs.claim(count=2)
    jobs.finish(first, 1, "a.root", "a.log.tgz")
    world.follow()
    assert world.later(days=2).close() == (0, 0)
    jobs.finish(second, 1, "b.root", "b.log.tgz")
    world.follow()
    assert world.later(hours=23).close() == (0, 0)
    assert world.later(hours=2).close() == (2, 0)
    assert set(Dataset.objects.values_list("state", flat=True)) == {"closed"}
    assert world.later(days=15).close() == (0, 2)
    dataset = Dataset.objects.get(name="prod.log")
    assert list(DatasetEvent.objects.filter(dataset=dataset).values_list("after", flat=True)) == [
        "open",
        "closed",
        "frozen",
    ]
    (late,) = jobs.submit(outputs=("late.root",), log=None)
    world.follow()
    assert Dataset.objects.get(name="prod.out").state == "open"
    event = DatasetEvent.objects.filter(dataset__name="prod.out").last()
    assert (event.before, event.words) == ("frozen", f"job {late} writes into it")
    audit()


def test_a_dataset_that_somebody_fills_is_not_closed_by_itself(world):
    filled(world)
    assert world.later(days=100).close() == (0, 0)


def test_names_that_no_catalogue_holds_are_passed_over_with_a_warning(world, caplog):
    jobs.submit(outputs=("x" * 300, "good.root"), log=None)
    world.follow()
    assert files_of("prod.out") == {"good.root": "expected"}
    assert "too long a name" in caplog.text


def test_a_long_history_is_left_to_the_sweep_and_jobs_of_today_do_not_wait_for_it(world, monkeypatch):
    monkeypatch.setattr(follow, "MOST", 2)
    monkeypatch.setattr(follow, "AT_ONCE", 1)
    (waiting,) = jobs.submit(waits=True, outputs=(), log=None, inputs=(FileSpec("a.raw", Role.INPUT, dataset="raw"),))
    (old,) = jobs.submit(outputs=("old.root",), log=None)
    jobs.claim()
    jobs.finish(old, 1, "old.root")
    jobs.submit(2, outputs=("new.root",), log=None)
    world.follow()
    assert list(WaitingJob.objects.values_list("job", flat=True)) == [waiting]
    assert files_of("prod.out") == {"new.root": "expected"}
    world.later(minutes=11)
    for _ in range(JobEvent.objects.count()):
        follow.sweep(now=world.now, keep=nothing)
    assert files_of("prod.out") == {"new.root": "expected", "old.root": "available"}
    audit()


def test_whoever_dies_at_the_begin_of_a_long_history_begins_anew(world, monkeypatch):
    monkeypatch.setattr(follow, "MOST", 1)
    jobs.submit(2, waits=True, outputs=(), log=None, inputs=(FileSpec("a.raw", Role.INPUT, dataset="raw"),))

    def dies():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow.follow(now=world.now, keep=dies)
    assert not Follower.objects.exists()
    world.follow()
    assert WaitingJob.objects.count() == 2


def test_a_job_that_was_closed_while_it_waited_and_is_reset_is_queued_when_its_input_is_there(world):
    (writer,) = jobs.submit()
    (reader,) = jobs.submit(waits=True, inputs=wanting("out.root", dataset="prod.out"), outputs=())
    world.follow()
    taskbuffer.kill([reader], code=2, by="somebody")
    world.follow()
    assert not WaitingJob.objects.exists()
    reset.reset([reader], by="somebody", why="it was closed by mistake")
    world.follow()
    world.activate()
    assert jobs.state_of(reader) == "assigned"
    jobs.claim()
    jobs.finish(writer)
    world.follow()
    world.activate()
    assert jobs.state_of(reader) == "activated"
    audit()
