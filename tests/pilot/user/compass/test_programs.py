"""Jobs of every kind, run by stand-ins for COMPASS's programs from a release in a tree as CVMFS has it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role
from pilot.contract.payload_codes import PayloadCode
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed

CHUNK = ("--run", "278473", "--chunk", "12", "--slot", "1", "--phast", "8")
RAW, MDST = naming.raw(278473, 12), naming.mdst(278473, 12, 1, 8)
HISTOGRAMS, DUMP = naming.histograms(278473, 12, 1), naming.event_dump(278473, 12, 1)
RECONSTRUCTED = (MDST, HISTOGRAMS, DUMP)
PRODUCTIONS = ["test-production", "mass-production", "technical-production", "mcreco"]


def reconstruction(node, kind="mass-production", *arguments, outputs=RECONSTRUCTED, **more):
    return node.spec(kind, "coral.exe", *CHUNK, *arguments, inputs=(RAW,), outputs=outputs, **more)


@pytest.mark.parametrize("kind", PRODUCTIONS)
@pytest.mark.parametrize("template", ["plain", "mu+", "mu-"])
def test_a_reconstruction_gets_its_environment_options_and_names(node, kind, template):
    ended = node.run(reconstruction(node, kind, "--template", template), raw="keep 1\n2\n3\n")
    assert (ended.problem, ended.outcome.status) == (None, 0), ended.outcome.stderr.read_text()
    assert ended.metrics["nEvents"] == 3
    assert ended.read(MDST) == "mdst\n"
    assert ended.read(DUMP) == "keep 1\n"
    assert not (ended.folder / naming.WRITTEN_DUMP).exists()
    assert f"Data file {RAW}\nmDST file {MDST}" in ended.read("coral.opt")


def test_where_no_event_is_kept_a_marker_is_stored(node):
    ended = node.run(reconstruction(node), raw="1\n2\n")
    assert ended.problem is None
    assert (ended.folder / DUMP).read_bytes() == naming.EMPTY_DUMP


def test_a_limit_of_events_reaches_the_program(node):
    assert node.run(reconstruction(node, "mcreco", "--events", "2"), raw="1\n2\n3\n").metrics["nEvents"] == 2


def test_a_releases_own_template_reads_the_same_from_its_environment(node):
    (node.tree.release / "template.opt").write_text(
        "Data file $TMPRAWFILE\nmDST file $TMPMDSTFILE\nhistograms home $TMPHISTFILE\n"
    )
    ended = node.run(reconstruction(node), raw="1\n")
    assert ended.problem is None
    assert ended.read(MDST) == "mdst\n"


def test_a_template_of_the_pilots_includes_the_releases_options(node):
    (node.tree.release / "coral.opt").write_text("detector table here\n")
    ended = node.run(reconstruction(node, "mcreco", "--template", "pilot:mu-"), raw="1\n")
    assert ended.problem is None
    assert f"include {node.tree.release}/coral.opt\n" in ended.read("coral.opt")
    assert "BeamRecons BmChrg -1" in ended.read("coral.opt")


def test_a_program_that_stops_without_its_marker_has_failed(node):
    path = node.tree.release / "phast" / "coral" / "coral.exe"
    path.write_text(path.read_text().replace('echo "End of Job"', ""))
    assert node.run(reconstruction(node), raw="1\n").problem.payload_code == PayloadCode.NO_END_OF_JOB


@pytest.mark.parametrize(("text", "code"), [("rm", ErrorCode.OUTPUT_MISSING), (": >", ErrorCode.EMPTY_OUTPUT)])
def test_a_program_that_ended_well_without_its_mdst_has_failed(node, text, code):
    path = node.tree.release / "phast" / "coral" / "coral.exe"
    path.write_text(path.read_text() + f"{text} {MDST}\n")
    problem = node.run(reconstruction(node), raw="1\n").problem
    assert problem.code is code
    assert f"the mDST {MDST} is" in problem.detail


def test_a_file_that_the_job_allows_to_be_missing_may_be(node):
    path = node.tree.release / "phast" / "coral" / "coral.exe"
    path.write_text(path.read_text() + f"rm {MDST}\n")
    assert node.run(reconstruction(node, allow_no_output=(MDST,)), raw="1\n").problem is None


def test_a_program_that_is_killed_has_the_experiments_number(node):
    path = node.tree.release / "phast" / "coral" / "coral.exe"
    path.write_text("#!/bin/sh\nkill -9 $$\n")
    problem = node.run(reconstruction(node), raw="1\n").problem
    assert (problem.code, problem.payload_code) == (ErrorCode.PAYLOAD_SIGNALLED, PayloadCode.KILLED)


def test_filtering_writes_the_dump_under_its_name(node):
    spec = node.spec("ddd", "ddd", *CHUNK[:6], inputs=(RAW,), outputs=(DUMP,))
    ended = node.run(spec, raw="keep\nlose\n")
    assert ended.problem is None
    assert "filter --filter-CAL" in ended.said
    assert ended.read(DUMP) == "keep\n"


def test_the_filters_of_a_job_are_its_own(node):
    words = (*CHUNK[:6], "--", "--filter-LED")
    ended = node.run(node.spec("ddd", "ddd", *words, inputs=(RAW,), outputs=(DUMP,)), raw="x\n")
    assert "--filter-CAL" not in ended.said
    assert (ended.folder / DUMP).read_bytes() == naming.EMPTY_DUMP


def test_a_generation_gets_its_settings_from_the_releases_template(node):
    generated = naming.generated(278473, 12)
    words = ("--run", "278473", "--chunk", "12", "--seed", "17", "--events", "500")
    ended = node.run(node.spec("mcgen", "TGEANT", *words, outputs=(generated,)))
    assert (ended.problem, ended.metrics["nEvents"]) == (None, 500)
    assert "<seed>17</seed>" in ended.read("tgeant.xml")
    assert ended.read(generated) == "generated\n"


def test_settings_that_come_as_an_input_are_taken_as_they_are(node):
    generated, settings = naming.generated(278473, 12), "mcr00012-278473.xml"
    (node.tree.release / "tgeant.xml").unlink()
    spec = node.spec("mcgen", "TGEANT", "--run", "278473", "--chunk", "12", inputs=(settings,), outputs=(generated,))
    ended = node.run(spec, settings=f"<events>5</events>\n<output>{generated}</output>\n")
    assert (ended.problem, ended.metrics["nEvents"]) == (None, 5)


def test_mdsts_are_merged_with_a_limit_and_held_against_what_went_in(node):
    merged, parts = naming.merged_mdst(278473, 1, 8), [naming.mdst(278473, chunk, 1, 8) for chunk in (1, 2)]
    spec = node.spec("merge-mdst", "phast", "--expected-events", "4", inputs=parts, outputs=(merged,))
    ended = node.run(spec, one="1\n2\n", two="3\n")
    assert ended.problem is None
    assert {name: ended.metrics[name] for name in ("nEvents", "eventsExpected", "eventsLost")} == {
        "nEvents": 3,
        "eventsExpected": 4,
        "eventsLost": 1,
    }
    assert ended.read(merged) == "1\n2\n3\n"


def test_a_merge_that_the_program_refuses_fails(node):
    spec = node.spec(
        "merge-mdst", "phast", "--max-size", "3", inputs=("a.root",), outputs=(naming.merged_mdst(278473, 1, 8),)
    )
    ended = node.run(spec, one="12345\n")
    assert ended.problem.code is ErrorCode.PAYLOAD_FAILED
    assert "inputs have 6 bytes" in ended.problem.detail


def test_histograms_are_merged_by_a_program_that_says_nothing_at_its_end(node):
    merged = naming.merged_histograms(278473, 1, 8, 1)
    ended = node.run(node.spec("merge-hist", "hadd", inputs=("a.root", "b.root"), outputs=(merged,)), one="1", two="2")
    assert (ended.problem, ended.read(merged)) == (None, "12")


def test_dumps_are_joined_without_the_markers_of_empty_ones_and_no_shell_reads_their_names(node):
    merged, marker = naming.merged_dump(278473, 1), naming.EMPTY_DUMP.decode()
    spec = node.spec("merge-dump", "cat", inputs=("it's.raw", "-b.raw", "$(rm *).raw"), outputs=(merged,))
    ended = node.run(spec, one="x" * 40, two=marker, three="y" * 40)
    assert (ended.problem, ended.read(merged)) == (None, "x" * 40 + "y" * 40)


def test_dumps_that_are_all_empty_make_an_empty_one(node):
    merged, marker = naming.merged_dump(278473, 1), naming.EMPTY_DUMP.decode()
    ended = node.run(node.spec("merge-dump", "cat", inputs=("a", "b"), outputs=(merged,)), one=marker, two=marker)
    assert (ended.problem, (ended.folder / merged).read_bytes()) == (None, naming.EMPTY_DUMP)


def test_an_analysis_calls_its_user_function(node):
    words = ("--user", "17", "--", "-h", "mine.root")
    ended = node.run(node.spec("user-analysis", "phast", *words, inputs=("a.root",)), one="x")
    assert ended.problem is None
    assert "user function 17" in ended.said
    assert "-h mine.root a.root" in ended.said


def test_a_program_of_a_user_runs_in_the_releases_environment(node):
    ended = node.run(node.spec("user-analysis", "/bin/sh", "-c", "echo $ROOTSYS $CORAL"))
    assert (ended.problem, ended.said) == (None, f"/opt/root {node.tree.release}/coral\n")


def test_a_job_of_no_kind_is_run_as_any_other(node):
    ended = node.run(node.spec("", "/bin/sh", "-c", "echo ${ROOTSYS:-none}; exit 3", home_package=""))
    assert (ended.said, ended.problem.code) == ("none\n", ErrorCode.PAYLOAD_FAILED)


def test_a_program_without_a_release_is_found_on_the_path_of_the_site(node, tmp_path):
    tools = node.tree.release / "coral" / "bin"
    node.queue = QueueData(name="Q", environ=f"PATH={tools}:/usr/bin:/bin")
    spec = node.spec("merge-hist", "hadd", inputs=("a",), outputs=(naming.merged_histograms(1, 0, 7),), home_package="")
    assert node.run(spec, one="1").problem is None


def test_an_input_that_is_not_there_is_left_to_the_program_that_misses_it(node, tmp_path):
    spec = node.spec("merge-dump", "cat", inputs=("gone.raw",), outputs=(naming.merged_dump(278473, 1),))
    words = {"queue": node.queue, "environment": {"PATH": "/bin:/usr/bin"}, "image": ""}
    argv = node.hook.payload_command(spec=spec, workdir=tmp_path, **words)
    assert argv[-1] == "gone.raw"


def test_a_job_that_nobody_verified_fails_as_a_wrong_definition(node, tmp_path):
    spec = reconstruction(node, "mcreco", "--energy", "160")
    with pytest.raises(JobFailed, match="'--energy' is no argument") as caught:
        node.hook.payload_environment(spec=spec, queue=node.queue, workdir=tmp_path)
    assert caught.value.code is ErrorCode.BAD_JOB_DEFINITION


REFUSED = [
    ("NO_SOFTWARE_DIR .*/elsewhere is not there; is CVMFS mounted", {"home_package": "/elsewhere/"}),
    ("SETUP_FAILURE .*the template 'mu.opt': No such file", {"arguments": (*CHUNK, "--template", "mu.opt")}),
    ("BAD_JOB_DEFINITION homepackage and swRelease", {"home_package": "/cvmfs/../x/"}),
    ("jobPars: --chunk missing", {"arguments": ("--run", "1", "--slot", "0", "--phast", "7")}),
    ("jobPars: '--energy' is no argument", {"arguments": (*CHUNK, "--energy", "160")}),
    ("outFiles: .* writes a mdst file", {"outputs": (FileSpec(HISTOGRAMS, Role.OUTPUT),)}),
    ("of run 278473, but the job of run 5", {"arguments": ("--run", "5", *CHUNK[2:])}),
    ("BAD_JOB_DEFINITION jobPars: --calibration", {"arguments": (*CHUNK, "--calibration", "http://x")}),
]


@pytest.mark.parametrize(("words", "changes"), REFUSED)
def test_a_job_that_does_not_fit_its_kind_is_refused_with_the_field(node, words, changes):
    spec = replace(reconstruction(node), **changes)
    try:
        said = node.verify(spec)
    except JobFailed as failed:
        said = [f"{failed.code.name} {failed.detail}"]
    assert len(said) == 1
    assert re.search(words, said[0])
