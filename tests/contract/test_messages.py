from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilot.contract.codec import ContractError, Dialect, decode, encode
from pilot.contract.messages import Command, JobUpdate, StoredFile, UpdateAnswer, WorkRequest
from pilot.contract.states import REPORTABLE, JobState
from tests.contract.strategies import checksums, names, plain

#: Every argument of PanDA's ``/api/v1/pilot`` methods.
ACQUIRE = """
site_name timeout memory disk_space prod_source_label node computing_element prod_user_id get_proxy_key task_id n_jobs
background resource_type harvester_id worker_id scheduler_id job_type via_topic remaining_time
"""
UPDATE = """
job_id job_status job_output_report node cpu_consumption_time cpu_consumption_unit scheduler_id pilot_id site_name
pilot_log meta_data cpu_conversion_factor trans_exit_code pilot_error_code pilot_error_diag exe_error_code
exe_error_diag pilot_timing start_time end_time n_events n_input_files batch_id attempt_nr job_metrics stdout
job_sub_status core_count max_rss max_vmem max_swap max_pss avg_rss avg_vmem avg_swap avg_pss tot_rchar tot_wchar
tot_rbytes tot_wbytes rate_rchar rate_wchar rate_rbytes rate_wbytes corrupted_files mean_core_count
cpu_architecture_level grid source_site destination_site timeout
"""


@pytest.mark.parametrize(("kind", "arguments"), [(WorkRequest, ACQUIRE), (JobUpdate, UPDATE)])
def test_v1_has_pandas_arguments_and_no_other(kind, arguments):
    names_in_v1 = [spec.metadata["names"][Dialect.V1] for spec in dataclasses.fields(kind)]
    ours = [name for name in names_in_v1 if name.startswith("compass_")]
    assert sorted({*filter(None, names_in_v1)} - {*ours}) == sorted(arguments.split())
    assert ours == (["compass_transfers"] if kind is JobUpdate else [])  # said to servers of our contract only


@pytest.mark.parametrize("kind", [WorkRequest, JobUpdate, UpdateAnswer])
@pytest.mark.parametrize("dialect", Dialect)
def test_no_two_fields_share_a_name(kind, dialect):
    said = [name for spec in dataclasses.fields(kind) if (name := spec.metadata["names"][dialect])]
    assert len(said) == len(set(said))


times = st.none() | st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001
short = plain.map(lambda text: text[:20])
files = st.lists(
    st.builds(StoredFile, names, st.integers(0, 2**60), checksums, short, short, short),
    unique_by=lambda file: file.lfn,
    max_size=3,
).map(tuple)
numbers = st.none() | st.integers(-(2**40), 2**40)
rare = st.none() | short.filter(bool)
updates = st.builds(
    JobUpdate,
    job_id=st.integers(1, 2**60),
    state=st.sampled_from(sorted(REPORTABLE, key=lambda state: state.value)),
    attempt=st.none() | st.integers(0, 99),
    queue=short,
    node=short,
    start_time=times,
    end_time=times,
    files=st.none() | files,
    metadata=rare,
    pilot_error=st.integers(-2000, 2000),
    pilot_error_words=short,
    exit_status=numbers,
    pilot_log=rare,
    metrics=rare,
    events=numbers,
    mean_cores=st.none() | st.floats(0, 1000),
    max_rss=numbers,
    rate_wbytes=numbers,
    source_site=rare,
    timeout=numbers,
)


def in_v1(update):
    """Say what v1 can keep of a report: whole seconds and whole numbers of cores."""
    return dataclasses.replace(
        update,
        start_time=update.start_time and update.start_time.replace(microsecond=0),
        end_time=update.end_time and update.end_time.replace(microsecond=0),
        mean_cores=None if update.mean_cores is None else round(update.mean_cores),
    )


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(updates)
def test_a_report_survives_both_dialects_within_their_precision(update):
    for dialect, kept in ((Dialect.LEGACY, update), (Dialect.V1, in_v1(update))):
        assert decode(JobUpdate, json.loads(json.dumps(encode(update, dialect))), dialect) == kept


@settings(max_examples=100, deadline=None)
@given(updates)
def test_a_report_survives_a_form_in_which_everything_is_text(update):
    form = {name: str(value) for name, value in encode(update, Dialect.LEGACY).items()}
    assert decode(JobUpdate, form, Dialect.LEGACY) == update


def test_attempt_0_and_number_0_are_written():
    written = encode(JobUpdate(1, JobState.RUNNING, attempt=0, exit_status=0), Dialect.V1)
    assert (written["attempt_nr"], written["trans_exit_code"]) == (0, 0)


def test_long_words_are_cut_to_what_pandas_tables_hold():
    long = "x" * 5000
    update = JobUpdate(1, JobState.FAILED, pilot_error_words=long, pilot_log=long, metrics="a=1 " * 200, node=long)
    written = encode(update, Dialect.LEGACY)
    lengths = {name: len(written[name]) for name in ("pilotErrorDiag", "pilotLog", "jobMetrics", "node")}
    assert lengths == {"pilotErrorDiag": 500, "pilotLog": 1024, "jobMetrics": 499, "node": 128}
    assert written["jobMetrics"].endswith("a=1")


def test_the_end_of_a_log_is_what_is_kept():
    update = JobUpdate(1, JobState.FAILED, pilot_log="noise\n" * 1000 + "the reason", stdout="x" * 3000 + "now")
    written = encode(update, Dialect.V1)
    assert written["pilot_log"].endswith("the reason")
    assert written["stdout"].endswith("now")


@pytest.mark.parametrize("state", set(JobState) - REPORTABLE, ids=lambda state: state.value)
def test_a_pilot_cannot_report_a_state_that_is_not_its_own(state):
    with pytest.raises(ContractError, match=f"^state: '{state.value}' is not one of starting, running, holding, "):
        decode(JobUpdate, {"jobId": 1, "state": state.value}, Dialect.LEGACY)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"jobId": "NULL"}, "jobId: missing; a whole number is expected"),
        ({"jobId": "1001x"}, "jobId: '1001x' is not a whole number"),
        ({"state": []}, r"state: \[\] is not one of"),
        ({"attemptNr": "first"}, "attemptNr: 'first' is not a whole number"),
        ({"startTime": "soon"}, "startTime: 'soon' is not a time"),
        ({"xml": "<xml/>"}, "xml: '<xml/>' is not a JSON object: lfn"),
        ({"xml": "[" * 100_000}, "xml: .* is not a JSON object: lfn"),
        ({"xml": '{"a": 5}'}, "file report: a: 5 is not a JSON object"),
        ({"xml": '{"a": {}}'}, "file report: a: fsize: missing; bytes are expected"),
        ({"xml": '{"a": {"fsize": "NULL"}}'}, "file report: a: fsize: missing"),
        ({"xml": '{"a": {"fsize": "x"}}'}, "file report: a: fsize: 'x' is not a whole number"),
        ({"xml": '{"a": {"fsize": -1}}'}, "file report: a: fsize: -1 is less than 0"),
        ({"xml": '{"a": {"fsize": 1, "adler32": "zz"}}'}, "checksum: 'ad:000000zz|checksum: 'ad:zz' is not ad:"),
        ({"xml": '{"a": {"fsize": 1, "surl": ["x"]}}'}, r"file report: a: surl: \['x'\] is not text"),
        ({"xml": '{"../a": {"fsize": 1}}'}, "file report: '../a' is not a plain file name"),
        ({"maxRSS": "nan"}, "maxRSS: 'nan' is not a number"),
    ],
)
def test_a_wrong_report_is_refused_by_field_value_and_expectation(said, words):
    with pytest.raises(ContractError, match=f"^(?:{words})"):
        decode(JobUpdate, {"jobId": 1, "state": "running", **said}, Dialect.LEGACY)


def test_a_file_report_may_come_unpacked_and_with_either_checksum():
    report = {
        "a": {"fsize": "1", "adler32": "F3902F3", "md5sum": "0a" * 16, "full_lfn": "x:a"},
        "b": {"fsize": 0, "md5": "0A" * 16, "adler32": "NULL", "guid": None},
        "c": {"fsize": 1.0},
    }
    update = decode(JobUpdate, {"jobId": 1, "state": "finished", "xml": report}, Dialect.LEGACY)
    assert update.files == (
        StoredFile("a", 1, "adler32:0f3902f3"),
        StoredFile("b", 0, "md5:" + "0a" * 16),
        StoredFile("c", 1, None),
    )


def test_no_report_and_an_empty_report_are_told_apart():
    for xml, files_read in (("", None), ("{}", ())):
        message = {"jobId": 1, "state": "finished", "xml": xml}
        assert decode(JobUpdate, message, Dialect.LEGACY).files == files_read


def test_metadata_may_come_unpacked():
    update = decode(JobUpdate, {"jobId": 1, "state": "running", "metaData": {"a": [1]}}, Dialect.LEGACY)
    assert update.metadata == '{"a": [1]}'


@pytest.mark.parametrize(
    ("command", "kills"),
    [
        ("tobekilled", True),
        ("debug,tobekilled", True),
        ("debug, tobekilled", True),
        ("NULL", False),
        ("debug", False),
        ("ls tobekilled", False),
        ("nottobekilled", False),
    ],
)
def test_a_job_is_killed_only_by_that_very_word(command, kills):
    assert UpdateAnswer(command).kills is kills


def test_the_commands_are_pandas_words():
    assert [command.value for command in Command] == [
        *("NULL", "tobekilled", "softkill", "debug", "debugoff", "nocleanup")
    ]


def test_no_command_is_said_in_the_manner_of_each_dialect():
    assert encode(UpdateAnswer(), Dialect.LEGACY) == {"command": "NULL"}
    assert encode(UpdateAnswer(), Dialect.V1) == {"command": None}
    for dialect in Dialect:
        assert decode(UpdateAnswer, {"command": None, "pilotSecrets": {}}, dialect) == UpdateAnswer()
