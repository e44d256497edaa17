"""Users' tasks from their submission to their end, with a pilot that is only played."""

from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from pilot.contract.states import JobState
from server.dataservice.logic import NewFile, add_files, register_dataset
from server.dataservice.models import Dataset
from server.dataservice.states import DatasetKind
from server.pandaconfig.logic import define_queue
from server.production import logic, queries
from server.production.models import Chunk, Output, Task
from server.production.panda_words import status_of
from server.production.reference.models import Site, TaskKind
from server.production.steering import change_task
from server.production.steps import collect
from server.production.steps.submit import submit_chunks
from server.production.user_definition import read_parameters
from server.production.user_tasks import submit_task
from server.taskbuffer.logic import reap_lost
from server.taskbuffer.models import Job, JobFile, Live, Ready
from tests.server.production.conftest import failed, reload, turn, work
from tests.server.production.test_user_definition import INPUT, LOG, OUTPUT, PLAIN

SIMPLE = {**PLAIN, "site": "LOCAL", "jobParameters": [OUTPUT], "log": LOG, "nFiles": 3, "maxAttempt": 1}


def submit(**said) -> Task:
    wanted = {**SIMPLE, **said}
    definition = read_parameters(wanted)
    return submit_task(definition, wanted, by="notebook", owner="alice", label="user", priority=5)


def states(task: Task) -> list[str]:
    return list(Chunk.objects.filter(task=task).order_by("number").values_list("state", flat=True))


def jobs_of(task: Task) -> dict[str, str]:
    return dict(Job.objects.filter(task_id=task.pk).order_by("pk").values_list("name", "state"))


@pytest.fixture
def dataset(queue):
    made = register_dataset("mc.events", kind=DatasetKind.INPUT, by="test", scope="mc")
    rows = [NewFile(f"events-{number}.root", 100, "adler32:0000000a") for number in range(3)]
    add_files(made, [*rows, NewFile("job.log.tgz", 5)], by="test", endpoint="DISK")
    return made


def test_a_submitted_task_has_its_jobs_at_once_and_is_done_with_the_last_of_them(queue, pilot):
    task = submit()
    assert (task.state, status_of(task), task.owner) == ("running", "running", "alice")
    assert jobs_of(task) == {f"user.alice.test.{number:06d}": "activated" for number in (1, 2, 3)}
    assert set(Job.objects.values_list("user", "label", "priority", "queue")) == {("alice", "user", 5, "LOCAL")}
    work(pilot)
    assert (reload(task).state, status_of(task)) == ("done", "done")
    assert [job.outputs[0].lfn for job in pilot.jobs] == [f"user.alice.{task.pk}._{n:06d}.out.root" for n in (1, 2, 3)]
    assert not Output.objects.exists()  # a user's files stand nowhere among a production's
    (step,) = queries.task_json(task)["steps"]
    assert (step["label"], step["done"], step["total"]) == ("jobs", 3, 3)


def test_a_task_that_would_write_into_a_dataset_of_another_is_refused_with_all_of_it(queue):
    register_dataset(OUTPUT["dataset"].rstrip("/"), kind=DatasetKind.OUTPUT, by="test", scope="compass")
    with pytest.raises(ContractError, match=r"^dataset: .* is the productions', and no other jobs write into it; name"):
        submit()
    assert not Task.objects.exists()
    assert not Job.objects.exists()


def test_datasets_that_are_named_by_job_are_all_claimed_with_the_task(queue):
    said = {"jobParameters": [{**OUTPUT, "dataset": "user.alice.${SN}"}]}
    register_dataset("user.alice.000002", kind=DatasetKind.OUTPUT, by="test", scope="compass")
    with pytest.raises(ContractError, match=r"^dataset: 'compass:user.alice.000002' is the productions'"):
        submit(**said)
    Dataset.objects.all().delete()
    submit(**said)
    names = Dataset.objects.filter(owner="alice").exclude(kind="log").values_list("name", flat=True)
    assert sorted(names) == [f"user.alice.00000{n}" for n in (1, 2, 3)]


def test_more_jobs_than_one_cycle_takes_follow_later(queue, settings):
    settings.PRODUCTION = {"jobs_per_task": 2}
    task = submit()
    assert len(jobs_of(task)) == 2
    turn()
    assert len(jobs_of(task)) == 3


def test_a_task_of_which_a_part_failed_is_finished_and_a_retry_sends_that_part_again(queue, pilot):
    pilot.spoil = lambda job: failed() if job.name.endswith("2") else {}
    task = submit()
    work(pilot)
    assert (states(task), status_of(reload(task))) == (["finished", "failed", "finished"], "finished")
    pilot.spoil = lambda job: {}
    logic.move_task(task.name, "resend_failed", by="alice")
    work(pilot)
    assert (states(task), status_of(reload(task))) == (["finished"] * 3, "done")


def test_a_task_without_a_good_job_has_failed(queue, pilot):
    pilot.spoil = lambda job: failed(exit_status=1)
    task = submit()
    work(pilot)
    assert (reload(task).state, status_of(task)) == ("finished", "failed")


def test_a_paused_task_gives_pilots_nothing_until_it_goes_on(queue, pilot):
    task = submit()
    logic.move_task(task.name, "paused", by="alice")
    assert (states(task), status_of(reload(task))) == (["paused"] * 3, "paused")
    assert pilot.run() == 0
    logic.move_task(task.name, "running", by="alice")
    work(pilot)
    assert status_of(reload(task)) == "done"


def lose(job) -> None:
    """Let a pilot that had a job fall silent."""
    Live.objects.filter(job=job.id).update(heartbeat=0)
    assert reap_lost().again == 1


@pytest.mark.parametrize("is_seen_before", [True, False])
def test_a_job_that_loses_its_pilot_while_its_task_is_paused_waits_until_that_goes_on(queue, pilot, is_seen_before):
    task = submit(nFiles=1, maxAttempt=3)
    job = pilot.claim()
    pilot.report(job, JobState.RUNNING)
    if is_seen_before:
        turn()
    logic.move_task(task.name, "paused", by="alice")
    lose(job)
    turn()
    assert states(task) == ["paused"]
    assert pilot.run() == 0
    assert Chunk.objects.get(task=task).words == "its pilot was lost while the task is paused"
    logic.move_task(task.name, "running", by="alice")
    work(pilot)
    assert status_of(reload(task)) == "done"


def test_a_job_that_came_back_while_its_task_was_being_paused_is_found_by_the_sweep(queue, pilot):
    task = submit(nFiles=1, maxAttempt=3)
    Task.objects.filter(pk=task.pk).update(state="paused")  # as if it had been sent in the same moment
    assert collect.sweep() == 1
    assert states(task) == ["paused"]
    assert pilot.run() == 0


def test_what_pilots_have_of_a_paused_task_stays_theirs(queue, pilot):
    task = submit(nFiles=1)
    job = pilot.claim()
    turn()
    logic.move_task(task.name, "paused", by="alice")
    assert collect.sweep() == 0
    assert states(task) == ["running"]
    pilot.end(job)
    turn()
    assert states(task) == ["finished"]


def test_tasks_that_name_no_queue_wait_when_the_queues_are_full(queue):
    queue.PRODUCTION = {"queued_per_queue": 4, "jobs_per_task": 3}
    first, second = submit(site="", nFiles=5), submit(site="", nFiles=5, taskName="user.alice.more/")
    assert Job.objects.filter(queue="LOCAL", state="activated").count() == 4  # the first ones are bound, too
    assert submit_chunks() == 0
    Ready.objects.filter(job__task_id=first.pk).delete()
    assert submit_chunks() == 3
    assert [states(task).count("sent") for task in (first, second)] == [5, 2]


def test_a_task_that_was_sent_elsewhere_has_its_next_jobs_there(queue):
    queue.PRODUCTION = {"jobs_per_task": 1, "probe_jobs": 3}
    storages = {name: ["DISK"] for name in ("pr", "pw", "pl")}
    define_queue({"nickname": "OTHER", "status": "online", "astorages": storages})
    task = submit()
    change_task(task.name, {"queue": "OTHER", "max_attempts": 7}, by="ada", why="it is nearer")
    turn()
    later = Job.objects.filter(task_id=task.pk).order_by("-pk").first()
    assert (later.queue, later.max_attempts) == ("OTHER", 7)


def test_users_tasks_may_be_switched_off_as_a_type(queue):
    TaskKind.objects.update_or_create(
        word="user_analysis", defaults={"label": "user analysis", "chain": "user_analysis", "enabled": False}
    )
    with pytest.raises(ContractError, match="user analysis is switched off here"):
        submit()


def test_a_site_has_its_own_bound_for_users_tasks(queue):
    Site.objects.create(name="LOCAL", limits={"user_task_jobs": 2})
    with pytest.raises(ContractError, match="1 to 2 are possible"):
        submit(nFiles=3)


def test_a_task_that_is_finished_softly_lets_run_what_runs(queue, pilot):
    task = submit()
    running = pilot.claim()
    task = logic.finish_task(task.name, by="alice", soft=True)
    turn()
    assert (states(task), status_of(reload(task))) == (["running", "cancelled", "cancelled"], "finishing")
    pilot.end(running)
    turn()
    assert (states(task), status_of(reload(task))) == (["finished", "cancelled", "cancelled"], "finished")
    logic.move_task(task.name, "resend_failed", by="alice")
    work(pilot)
    assert status_of(reload(task)) == "done"


def test_a_task_that_is_finished_at_once_ends_what_runs(queue, pilot):
    task = submit()
    running = pilot.claim()
    logic.finish_task(task.name, by="alice", soft=False)
    turn()
    assert (states(task), status_of(reload(task))) == (["cancelled"] * 3, "failed")
    assert Job.objects.get(pk=running.id).command == "tobekilled"


def test_a_cancelled_task_ends_also_the_jobs_that_its_owner_has_added(queue, pilot):
    task = submit()
    Job.objects.filter(name__endswith="3").update(name="added")
    Chunk.objects.filter(task=task, number=3).update(job_id=None)
    logic.move_task(task.name, "cancelled", by="alice")
    assert set(jobs_of(task).values()) == {"cancelled"}
    assert status_of(reload(task)) == "aborted"


def test_jobs_read_the_files_of_a_dataset_as_it_is_at_the_submission(dataset, pilot):
    task = submit(jobParameters=[OUTPUT, {**INPUT, "dataset": "mc:mc.events"}], nFiles=2, nFilesPerJob=2)
    job = pilot.claim()
    assert [(file.lfn, file.scope, file.endpoint) for file in job.inputs] == [
        ("events-0.root", "mc", "DISK"),
        ("events-1.root", "mc", "DISK"),
    ]
    assert job.arguments == ("-i", "['events-0.root', 'events-1.root']")
    assert len(jobs_of(task)) == 1


@pytest.mark.parametrize(
    ("entry", "jobs"), [({}, 3), ({"exclude": ""}, 4), ({"offset": 1}, 2), ({"files": ["events-2.root"]}, 1)]
)
def test_a_part_of_a_dataset_may_be_wanted(dataset, entry, jobs):
    said = {**INPUT, "dataset": "mc.events/", **entry}
    assert len(jobs_of(submit(jobParameters=[OUTPUT, said], nFiles=None))) == jobs


@pytest.mark.parametrize(("entry", "names"), [({}, "012"), ({"files": ["events-2.root"]}, "2"), ({"offset": 1}, "12")])
def test_what_is_passed_over_of_a_dataset_is_not_counted_for_what_is_possible(dataset, entry, names):
    logs = [NewFile(f"a{number}.log.tgz", 5) for number in range(4)]  # before all others by their names
    add_files(dataset, logs, by="test", endpoint="DISK")
    Site.objects.create(name="LOCAL", limits={"user_task_files": 3})
    task = submit(jobParameters=[OUTPUT, {**INPUT, "dataset": "mc.events", **entry}], nFiles=None)
    read = JobFile.objects.filter(job__task_id=task.pk, role="input").order_by("lfn")
    assert list(read.values_list("lfn", flat=True)) == [f"events-{name}.root" for name in names]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"site": "LOCL"}, "site: 'LOCL' does not exist; did you mean LOCAL?"),
        ({"jobParameters": [{**OUTPUT, "value": "out.root"}]}, r"3 jobs would write this file; put \${SN}"),
        ({"nFiles": 6000}, "6000 jobs would be made; 1 to 5000"),
        ({"jobParameters": [{"type": "constant", "value": "'"}]}, "jobParameters: .* cannot be split"),
        ({"jobParameters": [{**INPUT, "dataset": "mc:events"}]}, "dataset: 'mc:events' is not known here"),
        ({"jobParameters": [{**INPUT, "dataset": "mc.events", "files": ["x"]}]}, "files: 'x' is not in the dataset"),
        (
            {"jobParameters": [{**INPUT, "dataset": "mc.events", "offset": 9}]},
            "dataset: 0 files of mc.events are",
        ),
        ({"jobParameters": [{**INPUT, "dataset": "mc.new"}]}, "dataset: raw.root of mc.new is on no disk now"),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(dataset, said, words):
    taped = register_dataset("mc.new", kind=DatasetKind.INPUT, by="test")
    add_files(taped, [NewFile("raw.root")], by="test")
    with pytest.raises(ContractError, match=words):
        submit(**said)
    assert not Task.objects.exists()
    assert not Job.objects.exists()


def test_a_name_is_given_once(queue):
    submit()
    with pytest.raises(ContractError, match="taskName: 'user.alice.test' is another task's; give a name that is free"):
        submit()
    assert Task.objects.count() == 1
