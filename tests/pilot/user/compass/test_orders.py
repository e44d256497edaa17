"""Reading what a job orders of its program."""

from __future__ import annotations

import pytest

from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.naming import FileKind
from pilot.user.compass import orders
from pilot.user.compass.kinds import KINDS
from pilot.user.compass.orders import BadOrder, ProgramOrder

MASS, MERGE, ANALYSIS = KINDS["mass-production"], KINDS["merge-mdst"], KINDS["user-analysis"]
CHUNK = ("--run", "278473", "--chunk", "12", "--slot", "1", "--phast", "8")


def spec(*outputs, inputs=("in.raw",)):
    files = tuple(FileSpec(name, Role.OUTPUT) for name in outputs)
    return JobSpec(1, 1, "x", outputs=files, inputs=tuple(FileSpec(name, Role.INPUT) for name in inputs))


def test_arguments_become_values():
    words = (*CHUNK, "--template", "mu+", "--events", "500", "--calibration", "cdb1, cdb2:3307")
    assert orders.read(MASS, words) == ProgramOrder(
        run=278473, chunk=12, slot=1, phast=8, template="mu+", events=500, calibration=("cdb1", "cdb2:3307")
    )
    assert orders.read(MERGE, ("--max-size", "10", "--expected-events", "0")).expected_events == 0


def test_what_follows_two_dashes_is_the_programs():
    assert orders.read(ANALYSIS, ("--user", "3", "--", "--user", "-h")).extra == ("--user", "-h")


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        (MASS, (*CHUNK, "--run", "1"), "--run is there twice"),
        (MASS, CHUNK[:-1], "--phast has no value"),
        (MASS, CHUNK[2:], "--run missing"),
        (MASS, (), "--run, --chunk, --slot, --phast missing"),
        (MASS, ("--run", "-1", *CHUNK[2:]), "--run: '-1': a whole number"),
        (MASS, ("--run", "٣", *CHUNK[2:]), "a whole number"),
        (MASS, (*CHUNK, "--seed", "1"), "'--seed' is no argument of a job of kind mass-production; there are --run"),
        (MASS, ("run", "1"), "'run' is no argument"),
        (MASS, (*CHUNK, "--", "-x"), "'-x': a job of kind mass-production hands nothing on to coral.exe"),
        (MASS, (*CHUNK, "--template", "../../etc/passwd"), "--template"),
        (MASS, (*CHUNK, "--template", "/etc/passwd"), "--template"),
        (MASS, (*CHUNK, "--template", "a b"), "--template: 'a b'"),
        (KINDS["merge-hist"], ("--run", "1"), "there are none"),
    ],
)
def test_a_slip_is_told_with_its_argument(kind, arguments, words):
    with pytest.raises(BadOrder, match="^jobPars: ") as caught:
        orders.read(kind, arguments)
    assert words in str(caught.value)


GOOD = ("mDST-278473-12-1-8.root", "278473-12-1.root")


def test_the_files_of_a_job_fit_its_arguments():
    orders.check_files(MASS, orders.read(MASS, CHUNK), spec(*GOOD, "gfile_278473-12.gfile", "mine.txt"))


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (GOOD[1:], r"writes a mdst file, called mDST-\{run\}"),
        (("mDST-278473-12-1-7.root", GOOD[1]), "is of phast 7, but the job of phast 8"),
        ((*GOOD, "evtdump2-12-278473.raw"), "is of slot 2"),
    ],
)
def test_a_file_that_is_missing_or_of_another_chunk_is_refused(outputs, words):
    with pytest.raises(BadOrder, match=f"^outFiles: .*{words}"):
        orders.check_files(MASS, orders.read(MASS, CHUNK), spec(*outputs))


def test_a_merge_of_nothing_is_refused():
    with pytest.raises(BadOrder, match="^inFiles: there is nothing to merge"):
        orders.check_files(MERGE, ProgramOrder(), spec("mDST-1-0-7.root", inputs=()))


def test_a_reconstruction_of_nothing_is_refused():
    with pytest.raises(BadOrder, match="^inFiles: there is nothing to read for a job of kind mass-production"):
        orders.check_files(MASS, orders.read(MASS, CHUNK), spec(*GOOD, inputs=()))


@pytest.mark.parametrize("lfn", ["cdr13-278473.raw", "cdr12-278474.raw", "mcr00011-278473_run000.tgeant"])
def test_an_input_of_another_chunk_is_refused(lfn):
    with pytest.raises(BadOrder, match=f"^inFiles: {lfn} is of (run|chunk) .*, but the job of"):
        orders.check_files(MASS, orders.read(MASS, CHUNK), spec(*GOOD, inputs=(lfn,)))


@pytest.mark.parametrize("lfn", ["mDST-2-12-1-8.root", "mDST-1-12-2-8.root", "mDST-1-12-1-9.root"])
def test_a_merge_of_another_runs_slots_or_versions_file_is_refused(lfn):
    good = "mDST-1-11-1-8.root"
    orders.check_files(MERGE, ProgramOrder(), spec("mDST-1-1-8.root.002", inputs=(good, "mine.root")))
    with pytest.raises(BadOrder, match=f"^inFiles: {lfn} is of .*, but the job of"):
        orders.check_files(MERGE, ProgramOrder(), spec("mDST-1-1-8.root.002", inputs=(good, lfn)))


def test_an_output_is_found_by_its_kind():
    assert orders.output_of(spec("mine", *GOOD), FileKind.HISTOGRAMS, FileKind.DUMP) == GOOD[1]
    assert orders.output_of(spec("mine"), FileKind.DUMP) == ""


@pytest.mark.parametrize("lfn", ["@list", "a b.root", "a.root?filetype=raw", "a.zip#b", "a;b", "ä"])
def test_a_name_that_means_more_than_a_file_is_refused(lfn):
    with pytest.raises(BadOrder, match="inFiles: .* means more than a file"):
        orders.check_files(MERGE, ProgramOrder(), spec("mDST-1-1-8.root", inputs=("mDST-1-12-1-8.root", lfn)))


@pytest.mark.parametrize("lfn", ["testevtdump.raw", "coral.opt", "tgeant.xml"])
def test_an_input_that_would_be_taken_for_what_the_job_writes_is_refused(lfn):
    with pytest.raises(BadOrder, match=f"inFiles: {lfn} is the name of a file that the job writes"):
        orders.check_files(KINDS["ddd"], ProgramOrder(), spec("evtdump1-12-278473.raw", inputs=(lfn,)))
    orders.check_files(ANALYSIS, ProgramOrder(), spec(inputs=(lfn,)))
