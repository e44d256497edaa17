"""The jobs of a user's task: what stands for a placeholder in each of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.contract.codec import ContractError
from pilot.contract.job import PANDA_MB
from server.production.user_definition import _ENTRY_KEYS, _PLAIN, _SPECIAL, read_parameters
from server.production.user_orders import InputFile, UserFrame, files_of, order_of
from tests.server.dispatcher.test_anything import VALUES
from tests.server.production.test_user_definition import INPUT, LOG, OUTPUT, PLAIN

FRAME = UserFrame(task_id=77, user="alice", label="user", priority=10, endpoint="DISK", log_endpoint="LOGS")
FILES = [InputFile(f"in-{number}.root", "mc", 10, "adler32:0000000a", "", "DISK") for number in range(5)]


def task(*listed, **said):
    return read_parameters({**PLAIN, "jobParameters": list(listed), **said})


def arguments(text, number=1, inputs=(), **said):
    found = task({"type": "constant", "value": text}, **said)
    return order_of(found, FRAME, number, inputs).spec.arguments


@pytest.mark.parametrize(
    ("text", "number", "filled"),
    [
        ("$JEDITASKID ${SN} ${SN/P}", 3, ("77", "000003", "000003")),
        ("${SEQNUMBER} ${RNDM:100}", 3, ("3", "102")),
        ("${FIRSTEVENT} ${FIRSTEVENT:0} ${SKIPEVENTS} ${MAXEVENTS}", 1, ("1", "0", "0", "40")),
        ("${FIRSTEVENT} ${SKIPEVENTS} ${MAXEVENTS}", 3, ("81", "80", "20")),
        ("-j '' --sourceURL ${SURL}", 1, ("-j", "", "--sourceURL", "http://cache")),
    ],
)
def test_each_job_has_numbers_of_its_own(text, number, filled):
    assert arguments(text, number, nEvents=100, nEventsPerJob=40, sourceURL="http://cache") == filled


def test_the_order_says_whose_job_it_is_what_it_needs_and_what_it_writes():
    found = task({**OUTPUT, "allowNoOutput": True}, log=LOG, ramCount=100, site="LOCAL", maxAttempt=2, coreCount=2)
    order = order_of(found, FRAME, 2)
    spec = order.spec
    assert (order.queue, order.max_attempts, spec.name) == ("LOCAL", 2, "user.alice.test.000002")
    assert (spec.task_id, spec.user, spec.label, spec.priority) == (77, "alice", "user", 10)
    assert (spec.cores, spec.memory, spec.transformation) == (2, 100 * PANDA_MB, "simulate")
    (output,) = spec.outputs
    assert (output.lfn, output.dataset) == ("user.alice.77._000002.out.root", "user.alice.test_out")
    assert (output.endpoint, spec.log.lfn, spec.log.endpoint) == ("DISK", "user.alice.77.000002.log.tgz", "LOGS")
    assert spec.allow_no_output == (output.lfn,)


def test_a_job_reads_its_part_of_the_inputs_and_is_told_their_names():
    found = task(INPUT, {"type": "constant", "value": "${IN}"}, nFilesPerJob=2)
    mine = files_of(found, 3, FILES)
    assert [file.lfn for file in files_of(found, 1, FILES)] == ["in-0.root", "in-1.root"]
    order = order_of(found, FRAME, 3, mine)
    assert order.spec.arguments == ("-i", "['in-4.root']", "in-4.root")
    (file,) = order.spec.inputs
    assert (file.lfn, file.scope, file.dataset, file.size) == ("in-4.root", "mc", "data", 10)
    assert (file.checksum, file.endpoint) == ("adler32:0000000a", "DISK")


def test_parts_without_padding_are_one_word():
    found = task(
        {"type": "constant", "value": '-p "', "padding": False},
        {"type": "constant", "value": "echo%20", "padding": False},
        {"type": "template", "param_type": "number", "value": "${SEQNUMBER}", "offset": 5, "padding": False},
        {"type": "constant", "value": '"'},
    )
    assert order_of(found, FRAME, 2).spec.arguments == ("-p", "echo%206")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (lambda: task({"type": "constant", "value": "'"}), "jobParameters: .* cannot be split"),
        (lambda: task({**OUTPUT, "value": "a/b"}), "lfn"),
        (lambda: task(OUTPUT, OUTPUT), "is named twice"),
        (lambda: task({**OUTPUT, "dataset": "mc_prod/${SN}"}), "dataset: 'mc_prod/000001': productions write into mc_"),
        (lambda: task({**OUTPUT, "dataset": "data_prod/x"}), "'data_prod/x': productions write into data_prod"),
        (lambda: task(log={**LOG, "dataset": "/mc_prod/CERN"}), "dataset: '/mc_prod/CERN': productions write into"),
    ],
)
def test_a_template_that_makes_no_job_is_refused(found, words):
    with pytest.raises(ContractError, match=words):
        order_of(found(), FRAME, 1)


ENTRIES = st.fixed_dictionaries(
    {"type": st.sampled_from(["constant", "template"]), "param_type": st.sampled_from(["input", "output", "number"])},
    optional={"value": st.text(max_size=9) | st.sampled_from(["${SN}.x", "-n ${MAXEVENTS:1}", "'", "${", "${IN/T}"])},
)
STRANGE = st.builds(
    lambda entry, key, value: {**entry, key: value}, ENTRIES, st.sampled_from(sorted(_ENTRY_KEYS)), VALUES
)
KNOWN = st.dictionaries(st.sampled_from([*_PLAIN, *_SPECIAL]), VALUES, max_size=4)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(KNOWN, st.lists(ENTRIES | STRANGE, max_size=3), st.integers(1, 10**6))
def test_whatever_is_said_becomes_a_job_or_a_refusal_in_words(said, entries, number):
    try:
        found = read_parameters({**PLAIN, **said, "jobParameters": entries})
        outcome = order_of(found, FRAME, number).spec.task_id
    except ContractError as refused:
        outcome = refused.field_name
    assert outcome
