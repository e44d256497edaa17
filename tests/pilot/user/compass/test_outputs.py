"""A job's files after its program."""

from __future__ import annotations

import pytest

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.errors import JobFailed
from pilot.job import PayloadOutcome
from pilot.user import compass
from pilot.user.compass import outputs
from pilot.user.compass.kinds import KINDS

DUMP = naming.event_dump(278473, 12, 1)
MDST = naming.mdst(278473, 12, 1, 8)


def spec(*names, kind="mass-production"):
    return JobSpec(1, 1, "coral.exe", processing_type=kind, outputs=tuple(FileSpec(n, Role.OUTPUT) for n in names))


def test_the_dump_is_stored_under_its_name(tmp_path):
    (tmp_path / naming.WRITTEN_DUMP).write_text("events")
    outputs.settle(spec(MDST, DUMP), tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(DUMP, "events")]


def test_a_dump_that_is_not_ordered_stays_where_it_is(tmp_path):
    (tmp_path / naming.WRITTEN_DUMP).write_text("events")
    outputs.settle(spec(MDST), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [naming.WRITTEN_DUMP]


@pytest.mark.parametrize("there", ["", naming.WRITTEN_DUMP, DUMP])
@pytest.mark.parametrize("dump", [DUMP, naming.merged_dump(278473, 1, 2)])
def test_an_empty_dump_becomes_a_marker(tmp_path, there, dump):
    if there:
        (tmp_path / (dump if there == DUMP else there)).write_text("")
    outputs.settle(spec(dump), tmp_path)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(dump, naming.EMPTY_DUMP)]


def test_a_dump_that_the_program_has_named_itself_is_not_touched(tmp_path):
    (tmp_path / DUMP).write_text("mine")
    (tmp_path / naming.WRITTEN_DUMP).write_text("other")
    outputs.settle(spec(DUMP), tmp_path)
    assert (tmp_path / DUMP).read_text() == "mine"


def test_an_empty_file_under_the_dumps_name_hides_no_events(tmp_path):
    (tmp_path / DUMP).write_text("")
    (tmp_path / naming.WRITTEN_DUMP).write_text("events")
    outputs.settle(spec(DUMP), tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(DUMP, "events")]


def test_a_link_is_no_dump_and_no_want_of_one(tmp_path):
    (tmp_path / "raw").write_text("input")
    (tmp_path / naming.WRITTEN_DUMP).symlink_to("raw")
    with pytest.raises(JobFailed, match=f"{DUMP}: testevtdump.raw is no file") as caught:
        outputs.settle(spec(DUMP), tmp_path)
    assert caught.value.code is ErrorCode.FILE_HANDLING
    assert not (tmp_path / DUMP).exists()


def test_a_dump_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(JobFailed, match=f"{DUMP}: No such file") as caught:
        outputs.settle(spec(DUMP), tmp_path / "gone")
    assert caught.value.code is ErrorCode.FILE_HANDLING


@pytest.mark.parametrize(("status", "kind"), [(1, "mass-production"), (0, "somebody else's")])
def test_nothing_is_made_for_a_job_that_failed_or_is_not_ours(tmp_path, status, kind):
    outcome = PayloadOutcome(status, None, tmp_path, tmp_path / "o", tmp_path / "e")
    compass.settle_outputs(spec=spec(DUMP, kind=kind), outcome=outcome)
    assert list(tmp_path.iterdir()) == []


def test_the_dump_of_a_failed_job_is_left_out_of_its_log():
    assert naming.WRITTEN_DUMP in compass.redundant_files(spec=spec())


@pytest.mark.parametrize("row", KINDS.values(), ids=list(KINDS))
def test_each_file_that_a_kind_always_writes_is_missed_and_no_other(tmp_path, row):
    numbers = {"run": 1, "chunk": 2, "slot": 3, "phast": 7, "group": 0}
    for expected in row.outputs:
        name = naming.build(naming.Name(expected.kind, **numbers))
        problem = outputs.missing(row, spec(name), tmp_path)
        assert (problem is None) == expected.optional
        if problem:
            assert (problem.code, f"{name} is missing" in problem.detail) == (ErrorCode.OUTPUT_MISSING, True)
        (tmp_path / name).write_text("")
        problem = outputs.missing(row, spec(name), tmp_path)
        assert (problem is None) == expected.optional
        assert problem is None or problem.code is ErrorCode.EMPTY_OUTPUT
        (tmp_path / name).write_text("x")
        assert outputs.missing(row, spec(name, "mine.txt"), tmp_path) is None
