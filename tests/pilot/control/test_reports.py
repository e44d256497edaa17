from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pilot.contract.codec import Dialect, decode, encode
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.messages import JobUpdate, StoredFile
from pilot.contract.states import JobState
from pilot.control import reports
from pilot.control.reports import Course, Facts
from pilot.job import Job, Memory, PayloadOutcome, Phase, Problem, Traffic, Usage
from pilot.site import batch

SPEC = JobSpec(
    id=7, attempt=2, transformation="x", cores=4, outputs=(FileSpec("out", Role.OUTPUT),), log=FileSpec("log", Role.LOG)
)
FILES = (StoredFile("out", 1, "adler32:00000001"), StoredFile("log", 2, "adler32:00000002"))
COURSE = Course(
    "Q", 1e9, {Phase.STAGING_IN: 1.2, Phase.RUNNING: 10.0, Phase.STAGING_OUT: 2.0, Phase.STAGING_LOG: 0.6}, 3.0
)
FACTS = Facts("node", "pilot", "batch", "scheduler", "CPU")


def test_cores_are_those_that_an_allocation_gives_each_payload_where_there_is_one():
    assert reports.running(Job(SPEC, metrics={"actualCoreCount": 8}), COURSE, FACTS, 1e9).cores == 8
    assert reports.running(Job(SPEC), COURSE, FACTS, 1e9).cores == 4


def test_events_that_are_done_are_told_while_the_job_runs():
    assert reports.running(Job(SPEC, metrics={"nEvents": 8}), COURSE, FACTS, 1e9).events == 8
    assert reports.running(Job(SPEC), COURSE, FACTS, 1e9).events is None


def outcome(**more):
    return PayloadOutcome(
        **{
            "status": 0,
            "signal": None,
            "workdir": Path(),
            "stdout": Path(),
            "stderr": Path(),
            "cpu_time": 7.6,
            "max_rss": 4096,
            **more,
        }
    )


def final(**more):
    return reports.final(Job(SPEC, phase=Phase.REPORTING, stored=FILES, **more), COURSE, FACTS, 1e9 + 20)


@pytest.mark.parametrize(
    ("phase", "state"),
    [(Phase.STAGING_IN, JobState.STARTING), (Phase.RUNNING, JobState.RUNNING), (Phase.STOPPING, JobState.RUNNING)],
)
def test_a_phase_is_reported_as_its_state(phase, state):
    assert reports.running(Job(SPEC, phase=phase), COURSE, FACTS, 1e9).state is state


def test_a_finished_job_names_every_file_that_was_stored():
    update = final()
    assert (update.state, update.files, update.pilot_error) == (JobState.FINISHED, FILES, 0)


def test_a_failed_job_names_its_log_only():
    update = final(problem=Problem(ErrorCode.STAGE_OUT_FAILED, "no"))
    assert (update.state, update.files) == (JobState.FAILED, FILES[1:])
    assert (update.pilot_error, update.pilot_error_words) == (1137, "no")


def test_the_experiments_own_number_has_its_own_field():
    update = final(problem=Problem(ErrorCode.PAYLOAD_FAILED, "fatal", payload_code=1235))
    assert (update.pilot_error, update.payload_error, update.payload_error_words) == (1305, 1235, "fatal")


@pytest.mark.parametrize(
    ("transformation", "code", "told"),
    [
        ("https://panda.example/trf/run", ErrorCode.STAGE_OUT_FAILED, -1137),
        ("https://panda.example/trf/run", ErrorCode.STAGE_OUT_TIMEOUT, -1152),
        ("https://panda.example/trf/run", ErrorCode.STAGE_IN_FAILED, 1099),
        ("/bin/sim", ErrorCode.STAGE_OUT_FAILED, 1137),
    ],
)
def test_pandas_server_is_asked_to_let_another_pilot_try_a_users_job(transformation, code, told):
    job = Job(dataclasses.replace(SPEC, transformation=transformation), problem=Problem(code, "no"))
    assert reports.final(job, COURSE, FACTS, 1e9, negative=True).pilot_error == told
    assert reports.final(job, COURSE, FACTS, 1e9).pilot_error == abs(told)


def test_a_problem_without_words_gets_those_of_its_code():
    assert final(problem=Problem(ErrorCode.STAGE_OUT_FAILED, "")).pilot_error_words == ErrorCode.STAGE_OUT_FAILED.words


@pytest.mark.parametrize(("ended", "status"), [({"status": 3}, 3), ({"status": None, "signal": 9}, 137)])
def test_a_payloads_end_is_told_as_a_shell_tells_it(ended, status):
    update = final(outcome=outcome(**ended))
    assert (update.exit_status, update.cpu_time, update.max_rss) == (status, 8, 4)


def test_figures_are_told_and_events_have_their_own_field():
    update = final(metrics={"nEvents": "12", "leak": 0.5})
    assert (update.events, update.metrics) == (12, "nEvents=12 leak=0.5")
    for strange in ("many", None, float("inf"), float("nan")):
        assert final(metrics={"nEvents": strange}).events is None


def test_times_are_told_in_pandas_order():
    assert final().pilot_timing == "3|1|10|3|0|0"


@pytest.mark.parametrize("dialect", Dialect)
def test_a_report_survives_the_wire(dialect):
    update = final(outcome=outcome(), metrics={"nEvents": 3})
    assert dataclasses.replace(
        decode(JobUpdate, encode(update, dialect), dialect), timestamp=None
    ) == dataclasses.replace(update, timestamp=None)


def test_a_pilot_says_where_it_runs():
    facts = reports.facts_of({"GTAG": "http://out", "PANDA_JSID": "factory-1", "SLURM_JOB_ID": "12"}, "node", "CPU")
    assert (facts.batch_id, facts.scheduler_id) == ("12", "factory-1")
    assert facts.pilot_id.startswith("http://out|slurm|compass-pilot|")
    assert reports.facts_of({}, "node", "CPU").pilot_id.startswith("unknown|")


def test_a_report_on_a_running_job_tells_its_phase_and_how_long_each_has_taken():
    update = reports.running(Job(SPEC, phase=Phase.STAGING_OUT), COURSE, FACTS, 1e9)
    assert (update.sub_status, update.pilot_timing) == ("staging-out", "3|1|10|3|0|0")


def test_a_report_during_stage_in_and_stage_out_tells_what_was_copied():
    spec = dataclasses.replace(SPEC, inputs=(FileSpec("in", Role.INPUT), FileSpec("more", Role.INPUT)))
    update = reports.running(Job(spec, phase=Phase.STAGING_IN), COURSE, FACTS, 1e9, fetched=(1, 700))
    assert update.metrics == "filesIn=1/2 bytesIn=700"
    update = reports.running(Job(spec, phase=Phase.STAGING_OUT, stored=FILES), COURSE, FACTS, 1e9)
    assert update.metrics == "filesOut=1/1 bytesOut=1"
    assert reports.running(Job(SPEC, phase=Phase.RUNNING), COURSE, FACTS, 1e9).metrics is None


def test_what_is_shown_of_the_output_is_told():
    assert reports.running(Job(SPEC, phase=Phase.RUNNING), COURSE, FACTS, 1e9, "event 7").stdout == "event 7"
    assert reports.running(Job(SPEC, phase=Phase.RUNNING), COURSE, FACTS, 1e9).stdout is None


def test_the_last_words_of_a_payload_are_the_log_that_a_failed_job_is_reported_with():
    job = Job(SPEC, phase=Phase.REPORTING, problem=Problem(ErrorCode.PAYLOAD_FAILED, "no"))
    update = reports.final(job, COURSE, FACTS, 1e9, "y" * 2000 + "the end")
    written = encode(update, Dialect.V1)["pilot_log"]
    assert len(written) == 1024
    assert written.endswith("the end")


def used(**more):
    memory = {"peak": Memory(4096, 2048, 3072, 0), "mean": Memory(2048, 1024, 1536, 0)}
    moved = Traffic(rchar=6000, wchar=600, read_bytes=1200, write_bytes=120)
    return Usage(
        **{"wall_time": 60.0, "cpu_time": 90.4, "processes": 3, "workdir": 500, "traffic": moved, **memory, **more}
    )


def test_what_a_payload_uses_rides_in_each_report_by_prmons_names_and_units():
    update = reports.running(Job(SPEC, phase=Phase.RUNNING, usage=used()), COURSE, FACTS, 1e9)
    assert (update.max_vmem, update.max_pss, update.max_rss, update.max_swap) == (4, 2, 3, 0)
    assert (update.mean_vmem, update.mean_pss, update.mean_rss, update.mean_swap) == (2, 1, 1, 0)
    assert (update.total_rchar, update.total_wchar, update.total_rbytes, update.total_wbytes) == (6000, 600, 1200, 120)
    assert (update.rate_rchar, update.rate_wchar, update.rate_rbytes, update.rate_wbytes) == (100, 10, 20, 2)
    assert (update.cpu_time, update.mean_cores) == (90, 1.51)
    assert update.metrics == "workDirSize=500 nProcesses=3"


def test_a_payload_that_was_never_looked_at_has_no_figures():
    update = reports.running(Job(SPEC, phase=Phase.RUNNING), COURSE, FACTS, 1e9)
    assert (update.max_pss, update.cpu_time, update.metrics) == (None, None, None)


@pytest.mark.parametrize(
    ("kernel", "seen", "told"), [((7.6, 4096), (90.4, 3072), (90, 4)), ((99.0, 2048), (90.4, 3072), (99, 3))]
)
def test_of_the_kernels_figures_and_those_of_the_looks_the_larger_are_told(kernel, seen, told):
    usage = used(cpu_time=seen[0], peak=Memory(rss=seen[1]))
    update = final(outcome=outcome(cpu_time=kernel[0], max_rss=kernel[1]), usage=usage)
    assert (update.cpu_time, update.max_rss) == told


def test_the_plugins_metrics_win_over_the_pilots():
    assert final(usage=used(), outcome=outcome(), metrics={"nProcesses": 9}).metrics == "workDirSize=500 nProcesses=9"


def test_growing_memory_is_told_as_pandas_pilots_do_in_kb():
    usage = used(growth=2048.0, growth_from=1024.0 * 500, growth_scatter=0.0123, growth_points=8)
    update = reports.running(Job(SPEC, phase=Phase.RUNNING, usage=usage), COURSE, FACTS, 1e9)
    assert update.metrics == "workDirSize=500 nProcesses=3 leak=2.00 chi2=0.01 intersect=500.00"


def test_what_the_payload_runs_on_is_told_when_it_was_looked_at():
    usage = used(cpu="AMD EPYC 2-Socket+AVX2", cpu_level="x86_64-v3", gpu="A100 80GB", gpus=4)
    update = reports.running(Job(SPEC, phase=Phase.RUNNING, usage=usage), COURSE, FACTS, 1e9)
    assert (update.cpu_model, update.cpu_level) == ("s+AMD EPYC 2-Socket+AVX2", "x86_64-v3")
    assert update.metrics == "workDirSize=500 nProcesses=3 GPU_name=A100_80GB nGPU=4"
    before = reports.running(Job(SPEC, phase=Phase.RUNNING), COURSE, FACTS, 1e9)
    assert (before.cpu_model, before.cpu_level) == ("s+CPU", None)
    assert reports.running(Job(SPEC, usage=used()), COURSE, FACTS, 1e9).cpu_model == "s+CPU"


def test_the_number_of_inputs_is_told():
    spec = dataclasses.replace(SPEC, inputs=(FileSpec("in", Role.INPUT), FileSpec("more", Role.INPUT)))
    assert reports.running(Job(spec, phase=Phase.STAGING_IN), COURSE, FACTS, 1e9).input_files == 2


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_report_keeps_to_the_lengths_that_panda_has_room_for(dialect):
    job = Job(
        SPEC,
        phase=Phase.REPORTING,
        problem=Problem(ErrorCode.PAYLOAD_FAILED, "w" * 900, payload_code=7),
        metrics={f"figure{n}": n for n in range(100)},
        usage=used(cpu="C" * 300),
    )
    written = encode(reports.final(job, COURSE, FACTS, 1e9, "y" * 3000), dialect)
    names = {
        Dialect.V1: ("pilot_error_diag", "exe_error_diag", "job_metrics", "pilot_log", "cpu_consumption_unit"),
        Dialect.LEGACY: ("pilotErrorDiag", "exeErrorDiag", "jobMetrics", "pilotLog", "cpuConsumptionUnit"),
    }[dialect]
    assert [len(written[name]) <= most for name, most in zip(names, (500, 500, 500, 1024, 128))] == [True] * 5
    assert written[names[2]].startswith("workDirSize=500 nProcesses=3 figure0=0 ")
    assert written[names[2]].split()[-1].count("=") == 1


def test_the_signs_of_a_batch_job_are_those_by_which_each_system_is_known():
    numbers = {"COMPASS_BATCH_ID": "c", "SLURM_JOB_ID": "s"}
    assert reports.facts_of(numbers, "node", "CPU").batch_id == "c"
    assert "|slurm|" in reports.facts_of(numbers, "node", "CPU").pilot_id
    assert "|local|" not in reports.facts_of({"COMPASS_BATCH_ID": "c"}, "node", "CPU").pilot_id
    assert reports.facts_of({"JOB_ID": "8"}, "node", "CPU").batch_id == "8"
    known = {sign for _, sign, *_ in batch._SYSTEMS if sign != "KUBERNETES_SERVICE_HOST"}
    assert {*reports.BATCH_SIGNS} == known | {"_CONDOR_JOB_AD", "_CONDOR_SLOT"}


def test_what_a_payload_has_written_of_itself_goes_with_the_final_report():
    assert final(outcome=outcome(report='{"events": 5}')).metadata == '{"events": 5}'
    assert final(outcome=outcome()).metadata is None


def test_a_node_may_go_by_another_name():
    assert reports.facts_of({"PANDA_HOSTNAME": "login-17"}, "node", "CPU").node == "login-17"
    assert reports.facts_of({"PANDA_HOSTNAME": ""}, "node", "CPU").node == "node"
