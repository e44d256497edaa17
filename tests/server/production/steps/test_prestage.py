"""Raw files on tape are asked for in whole runs, in bulk, as many as there is room for; others go on at once."""

from __future__ import annotations

import pytest

from server.dataservice.logic import NewFile, add_files, register_dataset
from server.dataservice.models import Dataset, DatasetFile, Replica, Transfer, TransferRequest
from server.dataservice.states import DatasetKind
from server.pandaconfig.logic import define_storage
from server.production import logic
from server.production.files import SCOPE
from server.production.models import Chunk, RawFile, Task, TaskEvent
from server.production.reference.models import Site
from server.production.staging.models import Prestage, StagedFile, TaskStaging
from server.production.steps import collect, submit
from server.production.submission.explain import explain
from tests.server.dataservice.conftest import audit
from tests.server.production.conftest import define_data, failed, reload
from tests.server.production.staging.conftest import define_on_tape, states, tapes

__all__ = ["tapes"]


def test_raw_files_on_tape_come_to_disk_and_jobs_are_sent_when_they_are_there(tapes):
    task = define_on_tape(tapes)
    assert submit.submit_chunks() == 0
    assert states(task) == ["defined"] * 6
    assert tapes.ask() == 6
    assert states(task) == ["staging"] * 6
    assert reload(task).started == tapes.now
    request, one = TransferRequest.objects.get(), Prestage.objects.get()
    assert (request.files, request.endpoint, request.by, request.lifetime) == (6, "TAPE", "production.prestage", 604800)
    assert (one.request, one.runs, one.files) == (request.pk, [278473, 278474], 6)
    assert submit.submit_chunks() == 0
    assert tapes.check() == 0
    tapes.bring()
    assert tapes.check() == 6
    assert states(task) == ["staged"] * 6
    assert submit.submit_chunks() == 6
    event = TaskEvent.objects.filter(chunk__task=task, after="staging").first()
    assert event.words == f"request {request.pk} at TAPE"
    assert tapes.tape.calls.count("recall") == 1
    audit()


def test_at_most_five_runs_of_a_task_go_in_a_cycle_in_their_order(tapes):
    task = define_on_tape(tapes, runs=7, chunks=2)
    assert [tapes.ask(), tapes.ask(), tapes.ask()] == [10, 4, 0]
    assert [one.runs for one in Prestage.objects.order_by("pk")] == [
        [278473, 278474, 278475, 278476, 278477],
        [278478, 278479],
    ]
    assert set(states(task)) == {"staging"}


def test_no_more_is_asked_for_than_may_be_there_and_the_explanation_says_so(tapes, settings):
    settings.PRODUCTION = {"staged_cap": 4}
    task = define_on_tape(tapes, runs=3, chunks=2)
    assert [tapes.ask(), tapes.ask()] == [4, 0]
    assert states(task) == ["staging"] * 4 + ["defined"] * 2
    words = "4 chunks come from tape or wait on disk for their jobs, of at most 4: run 278475 waits until some of them "
    assert TaskStaging.objects.get().words == words + "are sent"
    tapes.bring()
    tapes.check()
    assert tapes.ask() == 0
    submit.submit_chunks()
    assert tapes.ask() == 2
    assert TaskStaging.objects.get().words == ""


def test_two_tasks_share_the_room_and_the_more_urgent_one_comes_first(tapes, settings):
    settings.PRODUCTION = {"staged_cap": 6}
    later = define_on_tape(tapes, name="later")
    first = define_on_tape(tapes, name="first", slot=2, priority=3000)
    assert tapes.ask() == 6
    assert (set(states(first)), set(states(later))) == ({"staging"}, {"defined"})


def test_what_is_on_disk_already_goes_straight_on_and_nothing_is_asked_for(tapes):
    task = define_on_tape(tapes)
    first = RawFile.objects.order_by("pk").first()
    dataset = register_dataset("raw/2016", kind=DatasetKind.INPUT, by="manager", scope=SCOPE)
    add_files(dataset, [NewFile(first.lfn)], by="manager", endpoint="TAPE")
    assert tapes.ask() == 6
    assert states(task) == ["staged"] + ["staging"] * 5
    assert TransferRequest.objects.get().files == 5
    assert StagedFile.objects.get(chunk=first.chunk).prestage is None


@pytest.mark.parametrize("where", ["on a disk", "at a supercomputer"])
def test_inputs_that_are_not_on_tape_are_staged_as_ever(tapes, where):
    task = define_data() if where == "on a disk" else define_on_tape(tapes)
    Site.objects.create(name="BW", queue="LOCAL", hpc=where != "on a disk")
    assert tapes.ask() == 0
    assert submit.submit_chunks() == 6
    assert set(states(task)) == {"sent"}
    assert not StagedFile.objects.exists()


def test_chunks_of_simulation_are_never_asked_for(tapes, tasks):
    assert tapes.ask() == 0
    assert submit.submit_chunks() == 6
    assert not TaskStaging.objects.exists()


def test_of_a_task_with_files_on_disk_and_on_tape_each_goes_its_way(tapes):
    task = define_on_tape(tapes, runs=1, chunks=3)
    RawFile.objects.filter(chunk__number=2).update(endpoint="DISK")
    assert tapes.ask() == 3
    assert states(task) == ["staging", "staged", "staging"]
    assert submit.submit_chunks() == 1


def test_a_storage_whose_tapes_are_forgotten_is_a_disk(tapes):
    define_on_tape(tapes)
    define_storage("TAPE", {"is_tape": "perhaps"})
    assert tapes.ask() == 0


def test_files_are_registered_once_and_nobodys_dataset_changes_hands(tapes):
    task = define_on_tape(tapes)
    tapes.ask()
    dataset = Dataset.objects.get()
    assert (dataset.name, dataset.scope, dataset.owner, dataset.files) == ("raw/2016", SCOPE, "", 6)
    assert set(Replica.objects.values_list("state", "on_tape")) == {("on_tape", True)}
    Chunk.objects.filter(task=task).update(state="defined")
    StagedFile.objects.all().delete()
    assert tapes.ask() == 6
    assert (Dataset.objects.count(), DatasetFile.objects.count(), Replica.objects.count()) == (1, 6, 6)
    audit()


def test_a_users_dataset_is_not_taken_from_its_owner_and_other_tasks_go_on(tapes):
    mine = define_on_tape(tapes, name="mine", priority=3000)
    other = define_on_tape(tapes, name="other", slot=2)
    RawFile.objects.filter(chunk__task=other).update(dataset="raw/2017")
    Dataset.objects.create(
        name="raw/2016", scope=SCOPE, kind="output", owner="ada", created=tapes.now, changed=tapes.now
    )
    assert tapes.ask() == 6
    assert (set(states(mine)), set(states(other))) == ({"defined"}, {"staging"})
    assert Dataset.objects.get(name="raw/2016").owner == "ada"
    assert "dataset compass:raw/2016 is ada's" in TaskStaging.objects.get(task=mine).words
    assert any("cannot be asked for" in line for line in explain(mine, tapes.now).waits)


def test_one_file_that_is_refused_holds_up_no_other_of_its_task(tapes):
    task = define_on_tape(tapes, runs=1, chunks=5)
    first, other = RawFile.objects.filter(chunk__number__in=(2, 4)).order_by("pk")
    RawFile.objects.filter(pk=first.pk).update(lfn="")
    RawFile.objects.filter(pk=other.pk).update(dataset="raw/2015")
    Dataset.objects.create(
        name="raw/2015", scope=SCOPE, kind="output", owner="ada", created=tapes.now, changed=tapes.now
    )
    assert tapes.ask() == 3
    assert states(task) == ["staging", "defined", "staging", "defined", "staging"]
    row = StagedFile.objects.get(chunk__number=4)
    assert (row.state, row.attempts) == ("waiting", 1)
    assert "its file cannot be asked for" in row.words
    assert "is ada's" in row.words
    assert "of 2 chunks its file cannot be asked for" in TaskStaging.objects.get().words
    assert tapes.ask() == 0
    for _ in range(2):
        tapes.later(days=1, hours=1)
        tapes.ask()
    assert [states(task)[1], states(task)[3]] == ["manual_check"] * 2


def test_a_file_that_is_being_removed_holds_up_only_its_own_chunk(tapes):
    task = define_on_tape(tapes, runs=1, chunks=2)
    first = RawFile.objects.order_by("pk").first()
    dataset = register_dataset("raw/2016", kind=DatasetKind.INPUT, by="manager", scope=SCOPE)
    add_files(dataset, [NewFile(first.lfn)], by="manager", endpoint="TAPE", on_tape=True)
    Replica.objects.update(state="removing")
    for _ in range(4):
        tapes.ask()
        tapes.later(days=1, hours=1)
    assert states(task) == ["manual_check", "staging"]
    assert Chunk.objects.get(task=task, number=1).words == (
        "after 3 requests: it is being removed from TAPE; when that is mended, resend staging"
    )


def test_a_paused_task_goes_on_with_what_is_still_coming(tapes):
    task = define_on_tape(tapes, runs=1)
    tapes.ask()
    logic.move_task("data", "paused", by="ada")
    assert set(states(task)) == {"paused"}
    logic.move_task("data", "running", by="ada")
    assert tapes.ask() == 3
    assert set(states(task)) == {"staging"}
    assert Prestage.objects.count() == 1
    tapes.bring()
    assert tapes.check() == 3


def test_what_was_paused_holds_its_place_until_it_goes_on(tapes, settings):
    settings.PRODUCTION = {"staged_cap": 4}
    task = define_on_tape(tapes, runs=2, chunks=2)
    assert tapes.ask() == 4
    tapes.bring()
    logic.move_task("data", "paused", by="ada")
    other = define_on_tape(tapes, name="other", slot=2, runs=1, chunks=2)
    RawFile.objects.filter(chunk__task=other).update(dataset="raw/2017")
    assert tapes.ask() == 0
    logic.move_task("data", "running", by="ada")
    Task.objects.filter(name="other").update(priority=9000)
    assert tapes.ask() == 4
    tapes.check()
    assert (states(task), states(other)) == (["staged"] * 4, ["defined"] * 2)
    submit.submit_chunks()
    assert tapes.ask() == 2
    assert set(states(other)) == {"staging"}


def test_what_was_paused_so_long_that_its_time_is_over_holds_no_place(tapes, settings):
    settings.PRODUCTION = {"staged_cap": 2}
    define_on_tape(tapes, runs=1, chunks=2)
    tapes.ask()
    logic.move_task("data", "paused", by="ada")
    other = define_on_tape(tapes, name="other", slot=2, runs=1, chunks=2)
    RawFile.objects.filter(chunk__task=other).update(dataset="raw/2017")
    Transfer.objects.update(state="expired")
    assert tapes.ask() == 2
    assert set(states(other)) == {"staging"}


def test_a_file_that_two_tasks_need_is_asked_for_once(tapes):
    first = define_on_tape(tapes, runs=1, chunks=2, priority=3000)
    second = define_on_tape(tapes, name="second", slot=2, runs=1, chunks=3)
    assert tapes.ask() == 5
    assert list(TransferRequest.objects.order_by("pk").values_list("files", flat=True)) == [2, 1]
    assert (set(states(first)), set(states(second))) == ({"staging"}, {"staging"})
    words = TaskEvent.objects.filter(chunk__task=second, after="staging").order_by("pk").first().words
    assert "which brings it for data" in words
    assert any(line.startswith("2 chunks wait for request") for line in explain(second, tapes.now).waits)
    logic.move_task("data", "cancelled", by="ada")
    assert tapes.release() == 0
    tapes.bring()
    assert tapes.check() == 3
    assert set(states(second)) == {"staged"}


def test_nothing_of_a_cancelled_task_is_brought_any_more(tapes):
    task = define_on_tape(tapes)
    tapes.ask()
    tapes.submit()
    logic.move_task("data", "cancelled", by="ada")
    assert set(states(task)) == {"cancelled"}
    assert tapes.release() == 6
    tapes.pins()
    assert set(Transfer.objects.values_list("state", flat=True)) == {"expired"}
    assert len(tapes.tape.released) == 6
    assert TransferRequest.objects.get().state == "done"
    assert tapes.release() == 0


def test_a_task_that_is_ended_early_asks_for_nothing_more(tapes):
    task = define_on_tape(tapes)
    tapes.ask()
    logic.finish_task("data", by="ada", soft=True)
    assert set(states(task)) == {"cancelled"}
    assert tapes.release() == 6


def test_a_job_that_could_not_read_its_file_has_it_asked_for_anew_though_it_is_said_to_be_there(tapes, settings, pilot):
    settings.PRODUCTION = {"prestage_attempts": 2, "retry_delay": 0}
    task = define_on_tape(tapes, runs=1, chunks=1)
    pilot.spoil = lambda job: failed(payload_error=1255)
    tapes.ask()
    seen = []
    for _ in range(2):
        tapes.bring()
        assert tapes.check() == 1
        assert submit.submit_chunks() == 1
        pilot.run()
        collect.collect()
        assert states(task) == ["defined"]
        tapes.ask()
        seen.append((states(task), Prestage.objects.count()))
    assert seen == [(["staging"], 2), (["manual_check"], 2)]
    # What was asked for at first is let go.
    assert Transfer.objects.order_by("pk").first().words == "released by production.prestage: it is asked for anew"
    assert "a job could not read it, though it is on the disk of TAPE" in Chunk.objects.get().words


def test_asking_takes_as_many_queries_for_many_chunks_as_for_few(tapes, django_assert_max_num_queries):
    define_on_tape(tapes, runs=5, chunks=2)
    with django_assert_max_num_queries(80) as few:
        tapes.ask()
    Chunk.objects.all().update(state="cancelled")
    define_on_tape(tapes, name="more", slot=2, runs=5, chunks=40)
    with django_assert_max_num_queries(120) as many:
        tapes.ask()
    assert len(many) <= len(few) + 12
