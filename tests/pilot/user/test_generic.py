"""What every experiment's jobs get."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec, Program
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.job import PayloadOutcome
from pilot.user import generic

QUEUE = QueueData("Q")


def spec(transformation="true", **changes):
    return JobSpec(id=7, attempt=2, transformation=transformation, **changes)


def outcome(folder, status=0, killed_by=None, out="", err="", **changes):
    stdout, stderr = folder / "payload.stdout", folder / "payload.stderr"
    stdout.write_text(out)
    stderr.write_text(err)
    return PayloadOutcome(status, killed_by, folder, stdout, stderr, **changes)


def environment(job, queue=QUEUE):
    return generic.payload_environment(spec=job, queue=queue, workdir=None)


def command(job, **variables):
    return generic.payload_command(spec=job, queue=QUEUE, workdir=Path("/nowhere"), environment=variables, image="")


def test_a_payload_knows_which_job_it_is():
    assert environment(spec(task_id=3, cores=4)) == {
        "OMP_NUM_THREADS": "4",
        "PANDAID": "7",
        "PANDA_ATTEMPT": "2",
        "PILOT_SITENAME": "Q",
        "PanDA_TaskID": "3",
    }


def test_the_sites_variables_are_set_and_do_not_hide_which_job_it_is():
    queue = QueueData("Q", environ="A=1 B='x y' PANDAID=99 OMP_NUM_THREADS=1", appdir="/cvmfs/compass")
    found = environment(spec(cores=8), queue)
    assert (found["A"], found["B"], found["PANDAID"]) == ("1", "x y", "7")
    assert (found["OMP_NUM_THREADS"], found["APPDIR"]) == ("1", "/cvmfs/compass")


@pytest.mark.parametrize("environ", ["A", "export A=1", "1A=2", "A='x"])
def test_variables_that_cannot_be_read_name_the_queue(environ):
    with pytest.raises(JobFailed, match="environ of queue Q") as caught:
        environment(spec(), QueueData("Q", environ=environ))
    assert caught.value.code is ErrorCode.BAD_QUEUE_CONFIGURATION


def test_a_program_is_looked_for_on_the_payloads_own_path(tmp_path):
    program = tmp_path / "compass-mc"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    job = spec("compass-mc", arguments=("generate", "a b", "$HOME"))
    assert command(job, PATH=str(tmp_path)) == (str(program), "generate", "a b", "$HOME")


def test_an_absolute_path_is_taken_as_it_is():
    assert command(spec("/bin/sh", arguments=("-c", "true"))) == ("/bin/sh", "-c", "true")


@pytest.mark.parametrize(
    ("transformation", "code", "words"),
    [
        ("no-such-program", ErrorCode.PAYLOAD_NOT_STARTED, r"no such program on the payload's PATH \(/bin\)"),
        ("/no/such/program", ErrorCode.PAYLOAD_NOT_STARTED, "/no/such/program: there is no such program$"),
        ("/etc/passwd", ErrorCode.PAYLOAD_NOT_STARTED, "/etc/passwd: the pilot's user may not execute it"),
        ("bin/sh", ErrorCode.BAD_JOB_DEFINITION, "transformation: 'bin/sh' is neither"),
        ("../sh", ErrorCode.BAD_JOB_DEFINITION, "transformation: '../sh' is neither"),
    ],
)
def test_a_transformation_that_cannot_be_run_is_named(transformation, code, words):
    with pytest.raises(JobFailed, match=words) as caught:
        command(spec(transformation), PATH="/bin")
    assert caught.value.code is code


def test_a_transformation_that_was_fetched_is_run_where_it_was_put(tmp_path):
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    asked = JobSpec(id=7, attempt=1, transformation="https://host/trf/run.sh?x=1", arguments=("-n", "3"))
    argv = generic.payload_command(spec=asked, queue=None, workdir=tmp_path, environment={}, image="")
    assert argv == (str(tmp_path / "run.sh"), "-n", "3")


def diagnose(found):
    return generic.diagnose_payload(spec=spec(), outcome=found)


def test_nothing_is_wrong_with_what_ended_well(tmp_path):
    assert diagnose(outcome(tmp_path, err="a warning")) is None


@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [
        ({"status": 7, "err": "a\nb\nc\nd\n"}, ErrorCode.PAYLOAD_FAILED, "status 7; last words: b | c | d"),
        ({"status": 1, "out": "only here\n"}, ErrorCode.PAYLOAD_FAILED, "status 1; last words: only here"),
        ({"status": 1}, ErrorCode.PAYLOAD_FAILED, "it wrote nothing"),
        ({"status": 127}, ErrorCode.PAYLOAD_FAILED, "127: a command was not found"),
        ({"status": 137}, ErrorCode.PAYLOAD_FAILED, "137: a shell's word for SIGKILL"),
        ({"status": 253}, ErrorCode.PAYLOAD_FAILED, "status 253"),
        ({"status": 1, "err": "std::bad_alloc"}, ErrorCode.BAD_ALLOC, "could not allocate memory"),
        ({"status": 1, "err": "write: No space left on device\n"}, ErrorCode.NO_LOCAL_SPACE, "found the disk full"),
        (
            {"status": 1, "err": 'Traceback (most recent call last):\n  File "a"\nValueError: no runs\n'},
            ErrorCode.PAYLOAD_FAILED,
            "status 1: Python raised ValueError: no runs; last words",
        ),
        ({"status": None, "killed_by": signal.SIGSEGV}, ErrorCode.PAYLOAD_SIGNALLED, "ended by SIGSEGV"),
        (
            {"status": None, "killed_by": 35, "err": "x"},
            ErrorCode.PAYLOAD_SIGNALLED,
            "ended by signal 35; last words: x",
        ),
    ],
)
def test_a_failure_is_told_with_the_payloads_last_words(tmp_path, ending, code, words):
    problem = diagnose(outcome(tmp_path, **ending))
    assert problem.code is code
    assert words in problem.detail


def test_how_well_the_cores_were_used(tmp_path):
    found = outcome(tmp_path, wall_time=10.0, cpu_time=15.0)
    assert generic.job_metrics(spec=spec(cores=2), outcome=found) == {"cpuEfficiency": 0.75}
    assert generic.job_metrics(spec=spec(), outcome=outcome(tmp_path)) == {}


def test_memory_images_are_kept_of_a_job_in_debug_mode_only():
    assert "core.[0-9]*" in generic.redundant_files(spec=spec())
    assert "core.[0-9]*" not in generic.redundant_files(spec=spec(debug=True))


def test_what_a_payload_reports_of_itself_comes_first_whatever_its_status(tmp_path):
    (tmp_path / "payload_error_report.json").write_text('{"error_code": 4711, "error_diag": "no beam"}')
    for status in (0, 1):
        problem = diagnose(outcome(tmp_path, status=status, err="std::bad_alloc"))
        assert (problem.code, problem.payload_code) == (ErrorCode.PAYLOAD_FAILED, 4711)
        assert problem.detail == "the payload reports error 4711: no beam"


def test_the_programs_that_a_job_brings_are_run_before_after_and_beside_its_payload():
    brought = {name: Program("/bin/echo", (name, "a b")) for name in ("preprocess", "postprocess", "coprocess")}
    asked = {"spec": spec(**brought), "queue": QUEUE, "workdir": Path("/nowhere"), "environment": {}, "image": ""}
    before, after, beside = generic.utility_commands(**asked)
    assert [one.when.value for one in (before, after, beside)] == ["before", "after", "beside"]
    assert [one.needed for one in (before, after, beside)] == [True, True, False]
    assert before.argv == ("/bin/echo", "preprocess", "a b")
    assert (before.nothing_to_do, after.nothing_to_do) == ((160, 161, 162), ())


def test_a_program_of_a_job_that_is_not_there_names_its_field():
    asked = spec(preprocess=Program("bin/prepare"))
    with pytest.raises(JobFailed, match="preprocess.command: 'bin/prepare' is neither"):
        generic.utility_commands(spec=asked, queue=QUEUE, workdir=Path("/nowhere"), environment={}, image="")


def test_a_search_for_parameters_tells_how_many_iterations_it_has_behind_it(tmp_path):
    search = JobSpec(id=7, attempt=1, transformation="true", iterative=True)
    stdout = tmp_path / "payload.stdout"
    assert generic.payload_progress(search, stdout) == (0, None)
    (tmp_path / "iterations" / "0").mkdir(parents=True)
    assert generic.payload_progress(search, stdout) == (1, None)
    assert generic.payload_progress(JobSpec(id=7, attempt=1, transformation="true"), stdout) is None


@pytest.mark.parametrize("above", [1, 2])
def test_a_file_that_people_make_ends_the_payloads_of_a_pilot(tmp_path, above):
    workdir = tmp_path / "pilot" / "PanDA_Pilot-7-1"
    workdir.mkdir(parents=True)
    assert generic.monitor_checks(workdir) is None
    (workdir.parents[above - 1] / "pilot_kill_payload").touch()
    assert generic.monitor_checks(workdir).code is ErrorCode.KILL_PAYLOAD_FILE
