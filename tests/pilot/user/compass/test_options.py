"""Options files of jobs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.errors import JobFailed
from pilot.user.compass import frames, options
from pilot.user.compass.kinds import KINDS
from pilot.user.compass.orders import ProgramOrder

MASS = KINDS["mass-production"]
OUTPUTS = ("mDST-278473-12-1-8.root", "278473-12-1.root", "evtdump1-12-278473.raw", "gfile_278473-12.gfile")
SPEC = JobSpec(
    1,
    1,
    "coral.exe",
    release="v1",
    inputs=(FileSpec("cdr12-278473.raw", Role.INPUT),),
    outputs=tuple(FileSpec(name, Role.OUTPUT) for name in OUTPUTS),
)


def order(**more):
    return ProgramOrder(**{"run": 278473, "chunk": 12, "slot": 1, "phast": 8, **more})


def written(release, folder, spec=SPEC, kind=MASS, values=None, **more):
    options.write(kind, order(**more), spec, release, values or {}, folder / "coral.opt")
    return (folder / "coral.opt").read_text()


def failure(release, folder, **more):
    with pytest.raises(JobFailed) as caught:
        written(release, folder, **more)
    assert not (folder / "coral.opt").exists()
    return caught.value


def test_all_that_is_known_of_a_job_can_be_asked_for(tree, tmp_path):
    known = options.values_of(order(events=500), SPEC)
    (tree.release / "template.opt").write_text("\n".join(f"@{{{name}}}" for name in [*known, "input", "release"]))
    lines = written(tree.release, tmp_path, events=500).splitlines()
    assert lines == [*known.values(), "cdr12-278473.raw", str(tree.release)]
    assert set(known.values()) == {"278473", "12", "1", "8", "500", *OUTPUTS}


def test_no_limit_of_events_is_no_value(tree, tmp_path):
    assert "events to read" not in written(tree.release, tmp_path, events=0)


def test_the_experiments_variables_say_the_same():
    assert options.variables_of(order(), SPEC) == {
        "TMPRAWFILE": "cdr12-278473.raw",
        "TMPMDSTFILE": OUTPUTS[0],
        "TMPHISTFILE": OUTPUTS[1],
        "EVTDUMPFILE": OUTPUTS[2],
        "TMPRICHFILE": OUTPUTS[3],
        "TMPRUNNB": "278473",
        "prodSlt": "1",
        "PRODSOFT": "v1",
    }


def test_a_template_that_would_write_somewhere_else_is_refused(tree, tmp_path):
    (tree.release / "template.opt").write_text(
        "Data file @{input}\nmDST file mine.root\nhistograms home @{histograms}\n"
    )
    failed = failure(tree.release, tmp_path)
    assert failed.code is ErrorCode.BAD_JOB_DEFINITION
    assert "template plain: @{mdst} or $TMPMDSTFILE is nowhere in it" in failed.detail


def test_a_limit_that_a_template_passes_over_is_refused(tree, tmp_path):
    (tree.release / "template.opt").write_text("@{input} @{mdst} @{histograms}")
    assert "@{events} is nowhere in it" in failure(tree.release, tmp_path, events=5).detail


def test_a_template_that_reads_the_first_of_several_inputs_only_is_refused(tree, tmp_path):
    (tree.release / "template.opt").write_text("$TMPRAWFILE @{mdst} @{histograms}")
    assert written(tree.release, tmp_path)
    (tmp_path / "coral.opt").unlink()
    two = replace(SPEC, inputs=(*SPEC.inputs, FileSpec("cdr12-278473b.raw", Role.INPUT)))
    assert "template plain: @{input} is nowhere in it" in failure(tree.release, tmp_path, spec=two).detail


def test_a_variant_that_the_release_lacks_is_named(tree, tmp_path):
    (tree.release / "template_mu-.opt").unlink()
    failed = failure(tree.release, tmp_path, template="mu-")
    assert failed.code is ErrorCode.SETUP_FAILURE
    assert "template_mu-.opt, the template 'mu-': No such file" in failed.detail
    with pytest.raises(JobFailed, match="template 'mu-'"):
        options.check(MASS, order(template="mu-"), tree.release)


def test_a_template_of_the_release_needs_a_release(tmp_path):
    assert "homepackage names none" in failure(None, tmp_path).detail


@pytest.mark.parametrize("name", frames.FRAMES)
def test_the_frames_of_the_pilot_can_be_filled(tree, tmp_path, name):
    (tree.release / "coral.opt").write_text("")
    server = {"calibration_use": "MySQLDB", "calibration_server": "cdb1", "calibration_port": "3306"}
    text = written(tree.release, tmp_path, template=f"pilot:{name}", values=server)
    assert "CDB use MySQLDB\nCDB server cdb1\nCDB portnumber 3306\n" in text
    assert "@{" not in text
    assert "location" not in text


def test_the_frames_of_the_pilot_need_the_releases_options(tree, tmp_path):
    assert f"{tree.release} has none" in failure(tree.release, tmp_path, template="pilot:plain").detail
    assert "there is no release" in failure(None, tmp_path, template="pilot:plain").detail
    failed = failure(tree.release, tmp_path, template="pilot:e+")
    assert failed.code is ErrorCode.BAD_JOB_DEFINITION
    assert "there are pilot:plain, pilot:mu+, pilot:mu-" in failed.detail


def test_a_file_of_the_job_is_not_overwritten(tree, tmp_path):
    (tmp_path / "coral.opt").write_text("an input")
    with pytest.raises(JobFailed, match=r"coral\.opt cannot be written: File exists") as caught:
        written(tree.release, tmp_path)
    assert caught.value.code is ErrorCode.FILE_HANDLING
    assert (tmp_path / "coral.opt").read_text() == "an input"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@{rum}", r"template plain: @\{rum\} is no placeholder; did you mean @\{run\}"),
        ("@{zzzzz?}", r"@\{zzzzz\} is no placeholder; there are calibration_place"),
        ("x\n@{Run}", "line 2: .* is not a placeholder"),
    ],
)
def test_a_template_that_no_job_could_fill_is_refused_before_the_inputs_are_fetched(tree, text, words):
    (tree.release / "template.opt").write_text(text)
    with pytest.raises(JobFailed, match=words) as caught:
        options.check(MASS, order(), tree.release)
    assert caught.value.code is ErrorCode.BAD_JOB_DEFINITION


@pytest.mark.parametrize("text", frames.FRAMES.values(), ids=list(frames.FRAMES))
def test_the_frames_ask_for_known_values_only(text):
    assert options.names(text) <= options.PLACEHOLDERS


def test_all_that_a_job_may_have_is_a_placeholder():
    asked = {name for must in options._MUST for name in must.placeholders}
    known = {*options.values_of(order(events=1, seed=2), SPEC), *options.VARIABLES, *asked}
    assert known <= options.PLACEHOLDERS


@pytest.mark.parametrize("sign", ["@{generated}", "@{mc_name}", "$MCGENFILE", "${MCGENFILEOUT}"])
def test_a_generator_is_given_the_whole_name_or_what_it_adds_its_ending_to(tree, tmp_path, sign):
    (tree.release / "tgeant.xml").write_text(f"<output>{sign}</output>")
    spec = JobSpec(1, 1, "TGEANT", outputs=(FileSpec("mcr00012-278473_run000.tgeant", Role.OUTPUT),))
    text = written(tree.release, tmp_path, spec=spec, kind=KINDS["mcgen"])
    assert ("$" in sign) or text in (
        "<output>mcr00012-278473_run000.tgeant</output>",
        "<output>mcr00012-278473</output>",
    )
    assert options.variables_of(order(), spec)["MCGENFILE"] == "mcr00012-278473"
