"""Tasks on the detector's data go through their whole chain in the words of COMPASS's own programs."""

from __future__ import annotations

import pytest

from pilot.contract.queue import local_storage
from server.pandaconfig.logic import define_queue, define_storage
from server.production import logic
from server.production.models import Chunk, CrossCheck, MergeGroup, Output, RawFile, Task
from server.production.queries import task_json
from server.production.steps import submit
from tests.server.production.conftest import GENERATION, RECONSTRUCTION, define_data, reload, turn, work

pytestmark = pytest.mark.one_python

PRODUCTIONS = ("test_production", "mass_production", "technical_production")


def programs(pilot) -> dict[str, int]:
    found: dict[str, int] = {}
    for job in pilot.jobs:
        found[job.transformation] = found.get(job.transformation, 0) + 1
    return found


@pytest.mark.parametrize("kind", PRODUCTIONS)
def test_a_production_goes_from_raw_files_to_merged_and_checked_ones(queue, pilot, kind):
    task = define_data(kind)
    work(pilot)
    assert reload(task).state == "done"
    assert programs(pilot) == {"coral.exe": 6, "phast": 2, "hadd": 2, "cat": 2}
    first = pilot.jobs[0]
    assert [(file.lfn, file.dataset, file.endpoint, file.size) for file in first.inputs] == [
        ("cdr1-278473.raw", "raw/2016", "DISK", 1000)
    ]
    assert (first.processing_type, first.release) == (kind.replace("_", "-"), "dvcs2016P07t1")
    assert first.home_package == "/cvmfs/compass.cern.ch/generalprod/"
    (merge, *_) = pilot.of_type("merge-mdst")
    assert merge.arguments == ("--max-size", "6000000000", "--expected-events", "270")
    # Dumps of the detector have no head: 83 bytes of each of three chunks.
    assert set(CrossCheck.objects.values_list("kind", "verdict", "expected", "found")) == {
        ("mdst", "yes", 270, 270),
        ("dump", "yes", 249, 249),
    }
    told = task_json(reload(task))
    assert [(step["step"], step["state"]) for step in told["steps"]] == [
        *(("reconstruction", "done"), ("merge_mdst", "done"), ("crosscheck", "done")),
        *(("merge_hist", "done"), ("merge_dump", "done"), ("check_dump", "done")),
    ]
    area = f"data_prod/CERN/2016/P07/dvcs2016P07t1/{kind.partition('_')[0]}"
    merged = Output.objects.filter(run__number=278473, group__isnull=False).exclude(kind="log")
    assert set(merged.values_list("dataset", "lfn")) == {
        (f"{area}/mDST", "mDST-278473-1-7.root"),
        (f"{area}/histos", "histsum-278473-1-7.root"),
        (f"{area}/mergedDump/slot1", "evtdump1-278473.raw"),
    }


def test_filtering_makes_dumps_merges_them_and_compares_their_bytes(queue, pilot):
    task = define_data("ddd_filtering")
    work(pilot)
    assert reload(task).state == "done"
    assert programs(pilot) == {"ddd": 6, "cat": 2}
    assert set(CrossCheck.objects.values_list("kind", "verdict", "found")) == {("dump", "yes", 249)}
    told = task_json(task)["steps"]
    assert [(step["step"], step["done"], step["total"]) for step in told] == [
        *(("filtering", 6, 6), ("merge_dump", 2, 2), ("check_dump", 2, 2))
    ]


def test_filtering_that_keeps_nothing_is_done_without_a_merge(queue, pilot):
    pilot.outcome = lambda job: (0, {file.lfn: 33 for file in job.outputs})
    task = define_data("ddd_filtering")
    work(pilot)
    assert reload(task).state == "done"
    assert programs(pilot) == {"ddd": 6}
    assert set(CrossCheck.objects.values_list("words", flat=True)) == {
        "no event of this run was dumped: there is nothing to merge"
    }


def test_of_some_empty_dumps_the_others_are_merged_and_every_group_is_checked(queue, pilot, settings):
    settings.PRODUCTION = {"retry_delay": 0, "dump_target": 100}
    success = pilot.outcome

    def second_is_empty(job):
        events, sizes = success(job)
        return events, {lfn: 33 if "-2-" in lfn else size for lfn, size in sizes.items()}

    pilot.outcome = second_is_empty
    pilot.spoil = lambda job: {}
    task = define_data("ddd_filtering", runs=1)
    work(pilot)
    assert reload(task).state == "done"
    groups = MergeGroup.objects.order_by("number")
    assert [(group.number, group.size_expected, group.size) for group in groups] == [(0, 83, 83), (1, 83, 83)]
    assert "evtdump1-2-278473.raw" not in {file.lfn for job in pilot.of_type("merge-dump") for file in job.inputs}


def test_the_first_of_several_dumps_that_lost_bytes_is_found_and_mended(queue, pilot, settings):
    settings.PRODUCTION = {"retry_delay": 0, "dump_target": 100}
    success = pilot.outcome

    def loses(job):
        events, sizes = success(job)
        is_first = job.processing_type == "merge-dump" and job.name.endswith("ch000")
        return events, {lfn: size - is_first for lfn, size in sizes.items()}

    pilot.outcome = loses
    task = define_data("ddd_filtering", runs=1)
    work(pilot)
    assert reload(task).state == "running"
    assert CrossCheck.objects.get().words == ("249 bytes went in, 248 came out: 1 are missing; merge 0: 83 in, 82 out")
    assert list(MergeGroup.objects.order_by("number").values_list("state", flat=True)) == [
        "manual_check",
        "finished",
        "finished",
    ]
    pilot.outcome = success
    logic.move_task("data", "resend_manual_check", by="manager")
    work(pilot)
    assert (reload(task).state, CrossCheck.objects.get().verdict) == ("done", "yes")


def test_jobs_of_data_need_not_write_as_many_events_as_were_read(queue, pilot):
    task = define_data(runs=1)
    Chunk.objects.update(events_ordered=120)
    work(pilot)
    assert reload(task).state == "done"
    assert set(Chunk.objects.values_list("events_done", flat=True)) == {90}


def test_a_chunk_whose_raw_file_nobody_knows_waits(queue, pilot):
    define_data(runs=1)
    RawFile.objects.filter(lfn="cdr2-278473.raw").delete()
    turn()
    assert dict(Chunk.objects.values_list("number", "state")) == {1: "sent", 2: "defined", 3: "sent"}


def test_a_production_may_go_without_merged_dumps(queue, pilot):
    task = define_data(merge_dumps=False)
    work(pilot)
    assert reload(task).state == "done"
    assert programs(pilot) == {"coral.exe": 6, "phast": 2, "hadd": 2}


def test_a_rich_file_that_a_job_did_not_write_is_not_missed(queue, pilot):
    success = pilot.outcome

    def without(job):
        events, sizes = success(job)
        return events, {lfn: size for lfn, size in sizes.items() if lfn != "gfile_278473-2.gfile"}

    pilot.outcome = without
    task = define_data(runs=1, rich=True)
    work(pilot)
    assert reload(task).state == "done"
    kept = Output.objects.filter(kind="rich").order_by("lfn").values_list("lfn", "dataset")
    assert [lfn for lfn, _ in kept] == ["gfile_278473-1.gfile", "gfile_278473-3.gfile"]
    assert {dataset.rpartition("/")[2] for _, dataset in kept} == {"gfiles"}


def other_queue(name: str) -> None:
    define_storage("MERGED", local_storage("MERGED", "/merged"))
    define_queue({"nickname": name, "status": "online", "astorages": {one: ["MERGED"] for one in ("pr", "pw", "pl")}})


@pytest.mark.parametrize(("name", "said"), [("LOCAL_MERGING", ""), ("ELSEWHERE", "ELSEWHERE")])
def test_merges_go_to_their_own_queue_and_its_storage(queue, pilot, name, said):
    other_queue(name)
    define_data(runs=1, merging_queue=said)
    turn()
    pilot.run()
    turn()
    group = MergeGroup.objects.get()
    assert group.state == "sent"
    assert pilot.claim() is None
    pilot.queue = name
    merge = pilot.claim()
    assert (merge.id, merge.outputs[0].endpoint, merge.inputs[0].endpoint) == (group.job_id, "MERGED", "DISK")


def test_a_queue_for_merges_that_is_offline_takes_none(queue, pilot):
    other_queue("LOCAL_MERGING")
    define_queue({"nickname": "LOCAL_MERGING", "status": "offline"})
    task = define_data(runs=1)
    work(pilot)
    assert reload(task).state == "done"


@pytest.mark.parametrize(("by_chunk", "sent"), [(True, 1), (False, 0)])
def test_a_reconstruction_is_fed_chunk_by_chunk_or_waits_for_its_whole_parent(queue, pilot, by_chunk, sent):
    logic.define_task(GENERATION, by="manager", start=True)
    child = logic.define_task(RECONSTRUCTION, by="manager", start=True)
    Task.objects.filter(pk=child.pk).update(by_chunk=by_chunk)
    turn()
    pilot.run(most=1)
    turn(times=2)
    assert Chunk.objects.filter(task=child, state="sent").count() == sent
    pilot.run(most=5)
    turn(times=2)
    assert not Chunk.objects.filter(task=child, state="defined").exists()
    work(pilot)
    assert reload(child).state == "done"


def test_nothing_is_asked_twice_when_every_step_is_run_twice(queue, pilot):
    task = define_data()
    work(pilot, times=2)
    assert reload(task).state == "done"
    assert programs(pilot) == {"coral.exe": 6, "phast": 2, "hadd": 2, "cat": 2}
    assert [submit.submit_chunks(), turn()] == [0, 0]


def test_merges_that_cannot_be_sent_hold_up_no_other_task(queue, pilot):
    queue.PRODUCTION = {"retry_delay": 0, "jobs_per_task": 1}
    define_queue({"nickname": "NOWHERE", "status": "online"})
    stuck = define_data(runs=1, chunks=1, merging_queue="NOWHERE")
    other = define_data("test_production", runs=1, chunks=1, name="other")
    work(pilot)
    assert (reload(stuck).state, reload(other).state) == ("running", "done")
    assert set(MergeGroup.objects.filter(task=stuck).values_list("state", flat=True)) == {"ready"}
