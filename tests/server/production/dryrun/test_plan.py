"""The plan of a task follows from its pieces, what was learnt and the limits; no table is needed for it."""

from __future__ import annotations

import tracemalloc

import pytest

from server.production.dryrun.plan import Planner
from server.production.dryrun.values import Learnt, Piece, Rate, Wanted
from server.production.files import Names
from server.production.limits import Limits
from server.production.states import OutputKind

DATA = Names("mass_production", "dvcs2016P07t1", 2016, "P07", "dvcs2016P07t1", 1, 7)
GENERATION = Names("mc_generation", "mc2016", 2016, "P07", "mc2016-1", 0, 7)
LEARNT = Learnt(
    sizes={
        OutputKind.MDST: Rate(per_byte=0.5, per_event=10.0, per_job=3.0),
        OutputKind.HISTOGRAMS: Rate(per_job=100.0),
        OutputKind.DUMP: Rate(per_job=33.0),
    },
    seconds=Rate(per_event=2.0, per_job=60.0),
    merge_seconds=30.0,
    jobs=10,
    merges=2,
    tasks=("before",),
    alike="type and software",
)


def pieces(runs: int, chunks: int, *, size: int | None = 1000, events: int | None = 10, at: str = "TAPE"):
    for run in range(1, runs + 1):
        for chunk in range(1, chunks + 1):
            yield Piece(run, chunk, f"cdr{chunk}-{run}.raw", "raw/2016", at, size, events)


def planned(wanted: Wanted, found) -> Planner:
    planner = Planner(wanted)
    for piece in found:
        planner.take(piece)
    return planner


def test_a_job_has_its_input_and_its_outputs_with_estimates():
    job = Planner(Wanted(DATA, Limits(), learnt=LEARNT)).job_of(next(pieces(1, 1)))
    assert job.name == DATA.chunk_job(1, 1)
    area = "data_prod/CERN/2016/P07/dvcs2016P07t1/mass"
    assert [(made.kind.value, made.lfn, made.dataset, made.size) for made in job.outputs] == [
        ("mdst", "mDST-1-1-1-7.root", f"{area}/mDST.chunks", 500),
        ("histograms", "1-1-1.root", f"{area}/TRAFDIC", 100),
        ("dump", "evtdump1-1-1.raw", f"{area}/evtdump/slot1", 33),
    ]
    assert job.seconds == 20.0
    assert job.as_json()["input"] == {"lfn": "cdr1-1.raw", "dataset": "raw/2016", "storage": "TAPE", "size": 1000}


def test_files_without_events_are_left_out_and_counted():
    planner = Planner(Wanted(DATA, Limits()))
    assert not planner.take(Piece(1, 1, "cdr1-1.raw", events=0))
    assert planner.take(Piece(1, 2, "cdr2-1.raw", events=None))
    totals = planner.totals()
    assert (totals["runs"], totals["chunks"], totals["empty"], totals["events_unknown"]) == (1, 1, 1, 1)


def test_merges_are_planned_by_the_estimated_sizes_in_the_order_of_chunks():
    wanted = Wanted(DATA, Limits(merge_target=1000), learnt=LEARNT)
    planner = planned(wanted, reversed(list(pieces(2, 3))))
    merges = [(one.run, one.kind, one.first, one.last, one.lfn, one.size) for one in planner.merges([1])]
    assert merges == [
        (1, "mdst", 1, 2, "mDST-1-1-7.root", 1000),
        (1, "mdst", 3, 3, "mDST-1-1-7.root.001", 500),
        (1, "hist", 1, 3, "histsum-1-1-7.root", 300),
    ]  # the dumps are markers, which are not merged
    assert [(one["kind"], one["files"]) for one in planner.totals()["merges"]] == [
        ("mdst", 4),
        ("hist", 2),
        ("dump", 0),
    ]
    assert planner.totals()["jobs"] == 12


def test_a_file_that_the_merging_program_refuses_is_told():
    planner = planned(Wanted(DATA, Limits(merge_refusal=400), learnt=LEARNT), pieces(1, 2))
    assert [one.refused for one in planner.merges() if one.kind == "mdst"] == [True, True]
    assert planner.totals()["merges"][0]["refused"] == 2


def test_what_is_not_known_is_said_so():
    planner = planned(Wanted(DATA, Limits(), tape="TAPE"), pieces(1, 2, size=None, events=None))
    totals = planner.totals()
    assert totals["outputs"][0]["unknown"] == 2
    assert totals["inputs"] == {"files": 2, "size": 0, "unknown": 2}
    assert {one.size for one in planner.merges()} == {None}
    assert totals["tape"]["archive"]["unknown"] == 3
    assert totals["duration"]["seconds"] is None
    assert "no job of a similar task" in totals["duration"]["words"]


def test_tapes_are_called_in_as_many_requests_as_the_limits_say():
    wanted = Wanted(
        DATA, Limits(prestage_runs=2, archive_files=4), tape="CTA", tapes=frozenset({"TAPE"}), learnt=LEARNT
    )
    tape = planned(wanted, pieces(3, 2)).totals()["tape"]
    assert tape["prestage"] == [{"storage": "TAPE", "files": 6, "size": 6000, "unknown": 0, "requests": 2}]
    assert (tape["archive"]["storage"], tape["archive"]["files"], tape["archive"]["requests"]) == ("CTA", 6, 2)
    assert planned(Wanted(DATA, Limits()), pieces(1, 1)).totals()["tape"] == {"prestage": [], "archive": None}


def test_a_generation_has_neither_inputs_nor_merges_and_its_events_go_to_tape():
    learnt = Learnt(sizes={OutputKind.GENERATED: Rate(per_event=7.0)})
    planner = planned(Wanted(GENERATION, Limits(), tape="CTA", learnt=learnt), [Piece(5, 1, events=100)])
    totals = planner.totals()
    assert totals["inputs"]["files"] == 0
    assert totals["outputs"][0]["size"] == 700
    assert totals["merges"] == []
    assert totals["tape"]["archive"]["kinds"] == [{"kind": "generated", "files": 1, "size": 700, "unknown": 0}]


@pytest.mark.parametrize(
    ("slots", "chunks", "seconds"),
    [(1, 4, 4 * 20 + 2 * 30), (100, 4, 20 + 3 * 30)],  # bound by the slots; by one job and its merges
)
def test_time_is_the_work_among_the_slots_and_never_less_than_one_job_with_its_merges(slots, chunks, seconds):
    duration = planned(Wanted(DATA, Limits(), slots=slots, learnt=LEARNT), pieces(1, chunks)).totals()["duration"]
    assert duration["seconds"] == seconds
    assert (duration["job_seconds"], duration["merge_seconds"], duration["slots"]) == (20.0, 30.0, slots)


def test_optional_dump_merges_are_left_out_where_the_task_does_without():
    planner = planned(Wanted(DATA, Limits(), merge_dumps=False), pieces(1, 1))
    assert {one.kind for one in planner.merges()} == {"mdst", "hist"}
    assert planner.run_lines([1])[0].groups == {"mdst": 1, "hist": 1}


def test_a_chunk_takes_less_than_a_hundred_bytes():
    planner = Planner(Wanted(DATA, Limits(), learnt=LEARNT))
    tracemalloc.start()
    for piece in pieces(1, 4000):
        planner.take(piece)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 400_000
