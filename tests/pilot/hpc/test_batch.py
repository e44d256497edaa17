"""What is said to batch systems and read from them, without one; PBS's answers are recorded ones, none is here."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError, JobFailed
from pilot.hpc import batch, batch_pbs, batch_slurm
from pilot.hpc.batch import Said
from pilot.hpc.batch_pbs import Pbs
from pilot.hpc.batch_slurm import Slurm
from pilot.hpc.values import BatchState, Launch, Shape, Status

SHAPE = Shape(3, 6, 2, 4, 2, 5400.0, 6, "compass", "long")
OPTIONS = {"--qos": True, "--exclusive": False}


def launch(folder, *argv, name="compass-1-a", options=(), **shape):
    return Launch(name, argv or ("srun", "true"), SHAPE._replace(**shape), folder, options)


class Answers:
    """Gives recorded answers in their order, and remembers what was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, argv):
        self.asked.append(list(argv))
        answer = self.answers.pop(0)
        return answer if isinstance(answer, Said) else Said(0, answer, "")


def code_of(call, *given):
    with pytest.raises(JobFailed) as caught:
        call(*given)
    return caught.value.code, caught.value.detail


# What may be said


@pytest.mark.parametrize("name", ["", "-a", "a b", "a;b", "a" * 61, "a_b", "é", "a\n"])
def test_a_name_is_of_letters_digits_and_dashes(tmp_path, name):
    code, words = code_of(batch.check, launch(tmp_path, name=name), OPTIONS)
    assert code is ErrorCode.ALLOCATION_REJECTED
    assert repr(name) in words


def test_an_option_may_be_added_as_the_list_says(tmp_path):
    batch.check(launch(tmp_path, options=("--qos=high", "--exclusive")), OPTIONS)


@pytest.mark.parametrize("field", ["project", "queue"])
@pytest.mark.parametrize("word", ["-x", "a b", "$(id)", "a;b", "a\n", "a'b"])
def test_names_of_the_batch_system_hold_nothing_that_a_shell_or_an_option_begins_with(tmp_path, field, word):
    code, words = code_of(batch.check, launch(tmp_path, **{field: word}), OPTIONS)
    assert code is ErrorCode.ALLOCATION_REJECTED
    assert f"hpc.{field}" in words


@pytest.mark.parametrize("option", ["--wrap=x", "script", "--qos", "--exclusive=", "--qos=a b", "--qos=`id`", "-q"])
def test_options_are_those_of_a_list(tmp_path, option):
    code, words = code_of(batch.check, launch(tmp_path, options=(option,)), OPTIONS)
    assert code is ErrorCode.ALLOCATION_REJECTED
    assert "--exclusive, --qos=..." in words


@pytest.mark.parametrize("option", ["-Wumask=022,stagein=a@b:c", "-lmem=1gb,walltime=99:00:00"])
def test_an_option_of_pbs_brings_no_other_along(tmp_path, option):
    code, words = code_of(Pbs(Answers(), {}).submit, launch(tmp_path, options=(option,)))
    assert (code, option in words) == (ErrorCode.ALLOCATION_REJECTED, True)
    assert Pbs(Answers("12.server"), {}).submit(launch(tmp_path, options=("-Wgroup_list=a@b,c",))) == "12.server"


@pytest.mark.parametrize("shape", [{"nodes": 0}, {"ranks": 0}, {"wall_time": 0.0}, {"cores_per_rank": -1}])
def test_an_allocation_of_nothing_is_refused(tmp_path, shape):
    assert code_of(batch.check, launch(tmp_path, **shape), OPTIONS)[0] is ErrorCode.ALLOCATION_REJECTED


def test_a_command_is_of_words_that_a_program_can_be_given(tmp_path):
    assert code_of(batch.check, launch(tmp_path, "a\0b"), OPTIONS)[0] is ErrorCode.ALLOCATION_REJECTED


def test_the_script_gives_a_command_its_words_and_environment_as_they_are(tmp_path):
    folder = tmp_path / "it's; here"
    folder.mkdir()
    words = ("printf", "%s\n", "a b", "$HOME", "`id`", "it's", "x\ny")
    path = batch.write_script(
        launch(folder, *words), {"GREETING": "a'b$c", "PATH": os.environ["PATH"], "BAD-NAME": "1"}
    )
    done = subprocess.run([str(path)], capture_output=True, text=True, check=True, env={})
    assert done.stdout == "a b\n$HOME\n`id`\nit's\nx\ny\n"
    assert f"export GREETING={shlex.quote('a' + chr(39) + 'b$c')}" in path.read_text()
    assert "BAD-NAME" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_takes_no_script_is_said(tmp_path):
    assert code_of(batch.write_script, launch(tmp_path / "gone"), {})[0] is ErrorCode.FILE_HANDLING


def test_a_batch_job_gets_no_secret_of_the_pilot():
    pilot = {"PATH": "/bin", "SLURM_CONF": "/s", "COMPASS_PILOT_TOKEN": "t", "X509_USER_PROXY": "/p", "LC_ALL": "C"}
    assert batch.job_environment(pilot) == {"PATH": "/bin", "SLURM_CONF": "/s", "LC_ALL": "C"}
    assert batch.job_environment({"MINE": "1", "OTHER": "2"}, ["MINE"]) == {"PATH": batch.DEFAULT_PATH, "MINE": "1"}


@pytest.mark.parametrize(("seconds", "text"), [(1, "00:01:00"), (5400.5, "01:30:00"), (172800, "48:00:00")])
def test_wall_times_are_whole_minutes(seconds, text):
    assert batch.clock(seconds) == text


# Commands


def test_a_command_that_hangs_is_ended_with_all_that_it_has_started(tmp_path):
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    ask = batch.asking({"PATH": os.environ["PATH"]}, 0.3)
    began = time.monotonic()
    code, words = code_of(ask, ["sh", "-c", f"sleep 60 > {fifo} & wait"])
    assert code is ErrorCode.SERVICE_NOT_AVAILABLE
    assert "0.3 s" in words
    assert time.monotonic() - began < 30
    assert os.read(reading, 1) == b""  # nobody holds it any more
    os.close(reading)


def test_a_command_that_is_not_there_is_named():
    code, words = code_of(batch.asking({"PATH": "/nowhere"}), ["no-such-sbatch"])
    assert code is ErrorCode.SERVICE_NOT_AVAILABLE
    assert "no-such-sbatch" in words


def test_a_command_has_only_the_environment_that_it_is_given():
    said = batch.asking({"PATH": os.environ["PATH"], "ONLY": "this"})(["sh", "-c", "echo $ONLY $HOME; exit 3"])
    assert (said.status, said.output.strip()) == (3, "this")


def test_a_failure_is_told_on_one_line():
    assert Said(1, "", "sbatch: error: a\n\nsbatch: error: b\n").words == "sbatch: error: a; sbatch: error: b"
    assert Said(4, "", "").words == "status 4"


def test_an_unknown_batch_system_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="slurm, pbs, torque"):
        batch.submission_by("cobalt", {})
    assert isinstance(batch.submission_by("slurm", {}), Slurm)
    assert isinstance(batch.submission_by("torque", {}), Pbs)


# Slurm


def slurm(*answers):
    ask = Answers(*answers)
    return Slurm(ask, {"PATH": "/bin"}, user=1000), ask


def test_slurm_is_asked_for_nodes_ranks_and_time(tmp_path):
    made, ask = slurm("77;cluster\n")
    assert made.submit(launch(tmp_path, options=("--qos=high",))) == "77"
    (argv,) = ask.asked
    assert argv[:3] == ["sbatch", "--parsable", "--job-name=compass-1-a"]
    assert argv[-1] == str(tmp_path / "batch.sh")
    for word in ("--nodes=3", "--ntasks=6", "--ntasks-per-node=2", "--cpus-per-task=2", "--time=01:30:00"):
        assert word in argv
    assert {"--no-requeue", "--partition=long", "--account=compass", "--qos=high"} <= set(argv)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (Said(1, "", "sbatch: error: Batch job submission failed: Invalid account"), ErrorCode.ALLOCATION_REJECTED),
        (Said(1, "", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"), None),
        (Said(1, "", "sbatch: error: Batch job submission failed: Unable to contact slurm controller"), None),
        (Said(0, "what?\n", ""), None),
    ],
)
def test_a_refusal_is_told_from_an_answer_that_got_lost(tmp_path, said, code):
    got, words = code_of(slurm(said)[0].submit, launch(tmp_path))
    assert got is (code or ErrorCode.SERVICE_NOT_AVAILABLE)
    assert said.words in words


def test_a_batch_job_is_found_by_name_in_the_queue_or_in_the_accounts():
    assert slurm("12\n")[0].find("a") == "12"
    assert slurm("", "14\n")[0].find("a") == "14"
    assert slurm("", Said(1, "", "Slurm accounting storage is disabled"))[0].find("a") is None
    made, ask = slurm("", "")
    assert made.find("abc") is None
    assert "--user=1000" in ask.asked[0]
    assert "--name=abc" in ask.asked[1]


@pytest.mark.parametrize(
    "answers", [[Said(1, "", "slurm_load_jobs error: x")], ["", Said(1, "", "sacct: error: Connection refused")]]
)
def test_when_nobody_can_be_asked_a_batch_job_is_not_taken_for_lost(answers):
    assert code_of(slurm(*answers)[0].find, "a")[0] is ErrorCode.SERVICE_NOT_AVAILABLE
    assert code_of(slurm(*answers)[0].status, "1")[0] is ErrorCode.SERVICE_NOT_AVAILABLE


def row(state, restarts=0, code=0, nodes="", reason="None"):
    return f"{state:<24}{restarts:<12}{code:<12}{nodes:<4096}{reason:<256}\n"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (row("PENDING", reason="(Resources)"), Status(BatchState.QUEUED, "PENDING, Resources")),
        (row("PENDING", reason="JobHeldUser"), Status(BatchState.HELD, "PENDING, JobHeldUser")),
        (row("PENDING", 1, reason="BeginTime"), Status(BatchState.RESCHEDULED, "PENDING, BeginTime")),
        (row("PENDING", 2, reason="(launch failed requeued held)"), (BatchState.HELD, None)),
        (row("RUNNING", nodes="n[1-3]"), Status(BatchState.RUNNING, "RUNNING", ("n1", "n2", "n3"))),
        (row("COMPLETED", nodes="n1"), Status(BatchState.ENDED, "COMPLETED, exit status 0", ("n1",))),
        (
            row("FAILED", code=256, reason="NonZeroExitCode"),
            (BatchState.ENDED, "FAILED, NonZeroExitCode, exit status 1"),
        ),
        (row("FAILED", code=9), (BatchState.ENDED, "FAILED, ended by signal 9")),
        (row("TIMEOUT", reason="TimeLimit"), (BatchState.TIMED_OUT, "TIMEOUT, TimeLimit")),
        (row("OUT_OF_MEMORY"), (BatchState.FAILED, "OUT_OF_MEMORY")),
        (row("NODE_FAIL", reason="NodeDown"), (BatchState.FAILED, "NODE_FAIL, NodeDown")),
        (row("CANCELLED"), (BatchState.CANCELLED, "CANCELLED")),
        (row("PREEMPTED"), (BatchState.FAILED, "PREEMPTED")),
        (row("NEW_WORD_OF_A_LATER_ONE"), (BatchState.UNKNOWN, None)),
    ],
)
def test_each_state_of_slurm_is_told_apart(line, status):
    got = slurm(line)[0].status("1")
    assert got[: len(status)] == tuple(got[at] if word is None else word for at, word in enumerate(status))


@pytest.mark.parametrize(
    ("text", "state", "words"),
    [
        ("CANCELLED by 1000|0:0|n1\n", BatchState.CANCELLED, "CANCELLED by 1000"),
        ("NODE_FAIL|1:0|n1\nCOMPLETED|0:0|n[1-2]\n", BatchState.ENDED, "COMPLETED, exit status 0"),
        ("OUT_OF_MEMORY|0:125|n1\n", BatchState.FAILED, "OUT_OF_MEMORY"),
        ("", BatchState.UNKNOWN, "neither squeue nor sacct knows of it"),
    ],
)
def test_what_the_controller_has_forgotten_stands_in_the_accounts(text, state, words):
    got = slurm(Said(1, "", "slurm_load_jobs error: Invalid job id specified"), text)[0].status("1")
    assert (got.state, got.words) == (state, words)


def test_ending_what_is_over_is_no_failure():
    slurm(Said(1, "", "scancel: error: Kill job error on job id 1: Invalid job id specified"))[0].cancel("1")
    words = "scancel: error: Kill job error on job id 1: Unable to contact slurm controller (connect failure)"
    assert code_of(slurm(Said(1, "", words))[0].cancel, "1")[0] is ErrorCode.SERVICE_NOT_AVAILABLE


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("", ()),
        ("(null)", ()),
        ("n1", ("n1",)),
        ("nid[00098-00101],login1", ("nid00098", "nid00099", "nid00100", "nid00101", "login1")),
        ("r[1-2]n[3,5]", ("r1n3", "r1n5", "r2n3", "r2n5")),
    ],
)
def test_lists_of_nodes_are_written_out(text, nodes):
    assert batch_slurm.nodes_of(text) == nodes


# PBS: answers as OpenPBS 22.05 and Torque 6 write them


def pbs(*answers, torque=False):
    ask = Answers(*answers)
    return Pbs(ask, {"PATH": "/bin"}, torque=torque), ask


def qstat(**job):
    name = {"Job_Name": "compass-1-a", "Variable_List": {batch_pbs.NAMED_BY: "compass-1-a"}}
    return json.dumps({"timestamp": 1700000000, "pbs_version": "22.05.11", "Jobs": {"12.head": {**name, **job}}})


TORQUE = """Job Id: 12.head
    Job_Name = compass-1-a
    Job_Owner = prod@login1
    resources_used.walltime = 01:30:04
    job_state = C
    exec_host = n1/0-3+n2/0-3
    Resource_List.walltime = 01:30:00
    Variable_List = PBS_O_HOME=/users/prod,
\tCOMPASS_ALLOCATION=compass-1-a-long-name,PBS_O_QUEUE=long
    exit_status = 271
    Exit_status = 271

"""


def test_openpbs_is_asked_for_chunks_and_torque_for_nodes(tmp_path):
    made, ask = pbs("12.head\n")
    assert made.submit(launch(tmp_path, options=("-lplace=excl",))) == "12.head"
    (argv,) = ask.asked
    assert argv[:5] == ["qsub", "-N", "compass-1-a", "-v", "COMPASS_ALLOCATION=compass-1-a"]
    assert {"select=3:ncpus=4:mpiprocs=2", "walltime=01:30:00", "-lplace=excl", "long", "compass"} <= set(argv)
    made, ask = pbs("12\n", torque=True)
    assert made.submit(launch(tmp_path, name="a-name-longer-than-fifteen")) == "12"
    assert "nodes=3:ppn=4" in ask.asked[0]
    assert "a-name-longer-t" in ask.asked[0]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (Said(188, "", "qsub: Unauthorized Request"), ErrorCode.ALLOCATION_REJECTED),
        (Said(170, "", "qsub: Unknown queue"), ErrorCode.ALLOCATION_REJECTED),
        (Said(1, "", "qsub: cannot connect to server head (errno=15010)"), ErrorCode.SERVICE_NOT_AVAILABLE),
        (Said(0, "", ""), ErrorCode.SERVICE_NOT_AVAILABLE),
    ],
)
def test_pbs_may_refuse_or_not_answer(tmp_path, said, code):
    assert code_of(pbs(said)[0].submit, launch(tmp_path))[0] is code


def test_a_batch_job_of_pbs_is_found_by_its_whole_name():
    made, ask = pbs("12.head\n")
    assert made.find("compass-1-a") == "12.head"
    assert ask.asked == [["qselect", "-x", "-N", "compass-1-a"]]
    assert pbs("")[0].find("compass-1-a") is None
    assert pbs(TORQUE, torque=True)[0].find("compass-1-a-long-name") == "12.head"
    assert pbs(TORQUE, torque=True)[0].find("compass-1-a-long") is None


def test_an_answer_that_is_no_json_is_no_verdict():
    assert code_of(pbs("{broken")[0].status, "12.head")[0] is ErrorCode.SERVICE_NOT_AVAILABLE
    assert code_of(pbs("[]")[0].status, "12.head")[0] is ErrorCode.SERVICE_NOT_AVAILABLE


@pytest.mark.parametrize(
    ("job", "state"),
    [
        ({"job_state": "Q", "comment": "Not Running: Insufficient amount of resource: ncpus"}, BatchState.QUEUED),
        ({"job_state": "Q", "run_count": 1}, BatchState.RESCHEDULED),
        ({"job_state": "H"}, BatchState.HELD),
        ({"job_state": "R", "exec_host": "n1/0*4+n2/0*4"}, BatchState.RUNNING),
        ({"job_state": "F", "Exit_status": 0, "substate": 92}, BatchState.ENDED),
        ({"job_state": "F", "Exit_status": 3, "substate": 93}, BatchState.ENDED),
        ({"job_state": "F", "Exit_status": -29, "substate": 93}, BatchState.TIMED_OUT),
        ({"job_state": "F", "Exit_status": -27, "substate": 93}, BatchState.FAILED),
        ({"job_state": "F", "Exit_status": 271, "substate": 91}, BatchState.CANCELLED),
        ({"job_state": "F", "substate": 91}, BatchState.CANCELLED),
        ({"job_state": "F", "Exit_status": 265}, BatchState.CANCELLED),
        ({"job_state": "?"}, BatchState.UNKNOWN),
    ],
)
def test_each_state_of_pbs_is_told_apart(job, state):
    assert pbs(qstat(**job))[0].status("12.head").state is state


def test_what_pbs_says_of_a_batch_job_is_passed_on():
    got = pbs(qstat(job_state="R", comment="Job run at Mon", exec_host="n1/0*4+n1/1*4+n2/0*4"))[0].status("12.head")
    assert got == Status(BatchState.RUNNING, "R, Job run at Mon", ("n1", "n2"))


def test_torque_tells_that_the_time_was_over_only_by_the_time():
    assert pbs(TORQUE, torque=True)[0].status("12") == Status(BatchState.TIMED_OUT, "C, exit status 271", ("n1", "n2"))
    early = TORQUE.replace("01:30:04", "00:10:00")
    assert pbs(early, torque=True)[0].status("12").state is BatchState.CANCELLED


def test_a_batch_job_that_pbs_has_forgotten_is_unknown_and_may_be_ended():
    gone = Said(153, "", "qstat: Unknown Job Id 12.head")
    assert pbs(gone)[0].status("12.head") == Status(BatchState.UNKNOWN, "qstat: Unknown Job Id 12.head")
    pbs(Said(153, "", "qdel: Unknown Job Id 12.head"))[0].cancel("12.head")
    pbs(Said(35, "", "qdel: Job has finished 12.head"))[0].cancel("12.head")
    for call in ("status", "cancel", "find"):
        made = pbs(Said(1, "", "cannot connect to server"))[0]
        assert code_of(getattr(made, call), "12.head")[0] is ErrorCode.SERVICE_NOT_AVAILABLE
