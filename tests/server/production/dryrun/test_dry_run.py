"""A dry run says what a definition would do, from the rows that there are, and writes nothing."""

from __future__ import annotations

import csv
import json
from datetime import timedelta

import pytest
from django.db.models import F

from server.pandaconfig.logic import define_storage
from server.production import logic
from server.production.definition import BadDefinition
from server.production.dryrun import dry_run
from server.production.dryrun.dry_run import NoDryRun, Part
from server.production.dryrun.values import Job, Made, MergeJob, Piece
from server.production.models import CatalogueFile, Chunk, Output, Run, Task
from server.production.reference.models import Site
from server.production.states import ON_DATA, OutputKind
from server.production.steps.define import define_jobs
from server.taskbuffer.models import Job as SentJob
from tests.server.production.conftest import DATA, GENERATION, RECONSTRUCTION, define_data, turn, work
from tests.server.production.test_defining import TAPE


def answer(said, **part):
    return dry_run.of_definition(said).answer(Part(**part))


def test_a_generation_is_planned_and_nothing_is_written(queue):
    found = answer(GENERATION)
    totals = found["totals"]
    assert (totals["runs"], totals["chunks"], totals["jobs"], totals["events"]) == (2, 6, 6, 600)
    assert [row["chunk"] for row in found["jobs"]["rows"]] == [1, 2, 3, 1, 2, 3]
    assert totals["outputs"][0]["dataset"] == "mc_prod/CERN/2016/P07/mc2016-1/mcgen"
    assert found["learnt"]["alike"] == ""
    assert not Task.objects.exists()


def test_what_is_planned_is_what_is_defined_sent_and_merged(queue, pilot):
    logic.define_task(GENERATION, by="manager", start=True)
    planned = dry_run.of_definition(RECONSTRUCTION)
    names = [made.lfn for row in planned.rows() for made in getattr(row, "outputs", ())]
    merged = [row["lfn"] for row in planned.answer(Part())["merges"]["rows"]]
    logic.define_task(RECONSTRUCTION, by="manager", start=True)
    work(pilot)
    made = Output.objects.filter(task__name="mc2016_reco").exclude(kind="log")
    assert sorted(made.filter(chunk__isnull=False).values_list("lfn", flat=True)) == sorted(names)
    assert set(made.filter(group__isnull=False).values_list("lfn", flat=True)) == set(merged)
    # What was measured is used for the next one.
    found = answer({**RECONSTRUCTION, "name": "again", "slot": 2})
    assert (found["learnt"]["alike"], found["learnt"]["tasks"]) == ("type and software", ["mc2016_reco"])
    assert (found["learnt"]["jobs"], found["totals"]["outputs"][0]["size"]) == (6, 3000)
    assert [row["input"]["size"] for row in found["jobs"]["rows"]] == [1000] * 6
    assert found["conflicts"] == []
    assert found["there"]["files"] == 0
    # Times are whole, also those of days.
    SentJob.objects.update(started_at=F("ended_at") - timedelta(hours=30))
    assert answer({**RECONSTRUCTION, "name": "again", "slot": 2})["jobs"]["rows"][0]["seconds"] == 108_000
    # In the same slot every file is there already.
    there = answer({**RECONSTRUCTION, "name": "again"})
    assert [(one["task"], one["runs"]) for one in there["conflicts"]] == [("mc2016_reco", 2)]
    assert (there["there"]["files"], there["there"]["all"]) == (18, True)


@pytest.mark.parametrize("kind", [*ON_DATA, "mc_generation", "mc_reconstruction"])
def test_every_name_of_every_type_of_task_is_the_one_that_is_sent(queue, pilot, kind):
    said = {**DATA, "type": kind, "rich": kind != "ddd_filtering"}
    if kind == "mc_generation":
        said = GENERATION
    elif kind == "mc_reconstruction":
        said = RECONSTRUCTION
        logic.define_task(GENERATION, by="manager", start=True)
        work(pilot)
        pilot.jobs.clear()
    planned = list(dry_run.of_definition(said).rows())
    logic.define_task(said, by="manager", start=True)
    work(pilot)
    sent = {spec.name: {(file.lfn, file.dataset) for file in spec.outputs} for spec in pilot.jobs}
    read = {spec.name: [(file.lfn, file.dataset) for file in spec.inputs] for spec in pilot.jobs}
    jobs, merges = (
        [row for row in planned if isinstance(row, Job)],
        [row for row in planned if isinstance(row, MergeJob)],
    )
    assert len(jobs) == (6 if kind.startswith("mc_") else 2)
    assert sent == {job.name: {(made.lfn, made.dataset) for made in job.outputs} for job in jobs} | {
        merge.name: {(merge.lfn, merge.dataset)} for merge in merges
    }
    assert all(read[job.name] == [(job.piece.lfn, job.piece.dataset)] for job in jobs if job.piece.lfn)
    assert all(len(read[merge.name]) == merge.files for merge in merges)


def test_raw_files_come_from_the_list_and_those_without_events_are_left_out(queue):
    found = answer({**DATA, "files": DATA["files"] + "\nraw/2016/cdr11003-278474.raw, 0"})
    assert (found["totals"]["runs"], found["totals"]["chunks"], found["totals"]["empty"]) == (1, 2, 1)
    assert found["totals"]["inputs"] == {"files": 2, "size": 1000, "unknown": 1}
    assert found["jobs"]["rows"][0]["input"]["storage"] == "DISK"


def test_runs_are_looked_up_in_the_catalogue_and_called_from_tape(queue, django_assert_max_num_queries):
    define_storage("CTA", TAPE)
    now = "2026-01-01T00:00:00Z"
    CatalogueFile.objects.bulk_create(
        CatalogueFile(
            run=run, chunk=chunk, lfn=f"cdr{chunk}-{run}.raw", dataset="raw/2016", endpoint="CTA", size=10, updated=now
        )
        for run in (278473, 278474)
        for chunk in (1, 2)
    )
    said = {**{name: value for name, value in DATA.items() if name != "files"}, "runs": "278473-278474", "tape": "CTA"}
    with django_assert_max_num_queries(40):
        found = answer(said)
    assert found["totals"]["tape"]["prestage"] == [
        {"storage": "CTA", "files": 4, "size": 40, "unknown": 0, "requests": 1}
    ]
    assert found["totals"]["tape"]["archive"]["files"] == 6
    Site.objects.create(name="HPC", queue="LOCAL", hpc=True)
    assert answer({**said, "site": "HPC"})["totals"]["tape"]["prestage"] == []


def test_a_page_of_a_run_is_answered_with_what_comes_after_it(queue):
    found = answer(GENERATION, run=278474, jobs_from=1, limit=1)
    assert (found["jobs"]["total"], [row["chunk"] for row in found["jobs"]["rows"]]) == (3, [2])
    assert [(row["run"], row["chunks"]) for row in found["runs"]["rows"]] == [(278474, 3)]
    assert found["totals"]["chunks"] == 6
    assert answer(GENERATION, run=5)["jobs"]["total"] == 0


def test_slips_are_those_of_a_definition(queue):
    with pytest.raises(BadDefinition) as bad:
        answer({**GENERATION, "queue": "NOWHERE", "soft": "mc"})
    assert set(bad.value.slips) == {"queue"}


def test_a_draft_and_its_chunks_give_the_same_plan(queue):
    task = logic.define_task({**DATA, "files_endpoint": "DISK"}, by="manager")
    draft = dry_run.of_task(task).answer(Part())
    assert draft["conflicts"] == []
    task.state = "ready"
    task.save()
    assert define_jobs(task, by="test")
    task.refresh_from_db()
    ready = dry_run.of_task(task).answer(Part())
    assert ready.pop("status") == "jobs_ready"
    assert draft.pop("status") == "draft"
    assert ready == draft


def test_a_task_that_has_begun_has_no_dry_run(queue):
    with pytest.raises(NoDryRun, match="is send"):
        dry_run.of_task(define_data())


def test_a_child_of_a_parent_without_chunks_is_planned_from_its_lines(queue):
    logic.define_task(GENERATION, by="manager")
    found = answer(RECONSTRUCTION)
    assert (found["totals"]["chunks"], found["totals"]["events"]) == (6, 600)
    assert found["jobs"]["rows"][0]["input"]["lfn"] == "mcr00001-278473_run000.tgeant"
    assert not Run.objects.exists()
    assert not Chunk.objects.exists()


def test_everything_is_written_as_lines_and_as_csv(queue):
    rows = dry_run.of_definition(DATA)
    lines = [json.loads(line) for line in dry_run.as_lines(rows.rows())]
    assert [line["what"] for line in lines] == ["job", "job", "merge", "merge", "merge"]
    table = list(csv.DictReader("".join(dry_run.as_csv(rows.rows())).splitlines()))
    assert len(table) == 2 * 3 + 3
    assert (table[0]["file"], table[-1]["chunk"]) == ("mDST-278473-11001-1-7.root", "11001-11002")


def test_no_spreadsheet_takes_a_name_for_a_formula():
    merge = MergeJob("=1+1", 1, "mdst", 0, 1, 2, 2, "@SUM(A1)", "-x", 5, refused=False)
    job = Job("+a", Piece(1, 1, lfn="=b"), (Made(OutputKind.MDST, "c", "@d", None),))
    rows = list(csv.reader("".join(dry_run.as_csv(iter([job, merge]))).splitlines()))
    assert rows[1] == ["job", "'+a", "1", "1", "'=b", "", "", "mdst", "c", "'@d", ""]
    assert rows[2] == ["merge", "'=1+1", "1", "1-2", "", "", "", "mdst", "'@SUM(A1)", "'-x", "5"]


def test_turns_of_the_services_see_nothing_of_a_dry_run(queue):
    answer(GENERATION)
    assert turn() == 0
