from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilot.contract.codec import ContractError
from pilot.contract.job import PANDA_MB, FileSpec, JobOrder, JobSpec, Role
from pilot.contract.order import order_from_wire, order_to_wire
from tests.contract.strategies import jobs, plain

orders = st.builds(
    JobOrder,
    jobs(numbered=False, sized_outputs=True),
    plain.filter(bool),
    st.integers(1, 100),
    plain,
    st.booleans(),
    country=st.just(""),  # the server's own word, which no order names
    first_attempt=st.just(1),  # this one, too
)


def order(**said):
    return {"computingSite": "Q", "transformation": "true", **said}


def with_file(**said):
    return order(files=[{"lfn": "a", "type": "input", **said}])


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(orders)
def test_an_order_survives_the_wire(ordered):
    assert order_from_wire(json.loads(json.dumps(order_to_wire(ordered)))) == ordered


def test_the_barest_order_is_understood_and_written_short():
    bare = JobOrder(JobSpec(0, 0, "true"), "Q")
    assert order_from_wire(order()) == bare
    assert order_to_wire(bare) == {"computingSite": "Q", "maxAttempt": 3, "transformation": "true"}


def test_what_says_nothing_leaves_the_default():
    keys = ("maxAttempt", "gshare", "waits", "jobParameters", "coreCount", "jobName", "loopingCheck")
    for nothing in (None, "", "NULL"):
        assert order_from_wire(order(**dict.fromkeys(keys, nothing))) == order_from_wire(order())
    assert order_from_wire(order(files=None, allowNoOutput=None)) == order_from_wire(order(files=[]))


def test_numbers_and_truths_may_come_as_text():
    ordered = order_from_wire(order(coreCount="8", maxAttempt="5", minRamCount="2000", waits="true", debug="1"))
    assert (ordered.spec.cores, ordered.max_attempts, ordered.waits, ordered.spec.debug) == (8, 5, True, True)
    assert ordered.spec.memory == 2000 * PANDA_MB


def test_arguments_come_as_a_list_or_as_a_shell_would_have_them():
    assert order_from_wire(order(jobParameters=["a b", 5, ""])).spec.arguments == ("a b", "5", "")
    assert order_from_wire(order(jobParameters="'a b' 5 ''")).spec.arguments == ("a b", "5", "")


def test_files_are_sorted_by_what_they_are_to_the_job():
    files = [
        {"lfn": "l", "type": "log", "scope": "s"},
        {"lfn": "o", "type": "output", "dataset": "d/e"},
        {"lfn": "i", "type": "input", "fsize": "5", "checksum": "1e720467"},
    ]
    spec = order_from_wire(order(files=files)).spec
    assert spec.files == (
        FileSpec("i", Role.INPUT, size=5, checksum="adler32:1e720467"),
        FileSpec("o", Role.OUTPUT, dataset="d/e"),
        FileSpec("l", Role.LOG, "s"),
    )


@pytest.mark.parametrize("said", ["", "NULL", None])
def test_a_job_that_names_no_queue_is_left_to_brokerage(said):
    found = order_from_wire(order(computingSite=said))
    assert found.queue == ""
    assert "computingSite" not in order_to_wire(found)
    assert order_from_wire(order_to_wire(found)) == found


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"transformatoin": "x"}, "transformatoin: no such field in a job; did you mean transformation?"),
        ({"zzz": 1}, "zzz: no such field in a job"),
        ({"transformation": "NULL"}, "transformation: missing; text is expected"),
        ({"transformation": "x" * 251}, "transformation: .* is not text of at most 250 characters"),
        ({"transformation": "a\nb"}, "transformation: 'a\\\\nb' is not text of at most 250 characters without control"),
        ({"computingSite": "q" * 129}, "computingSite: .* is not text of at most 128"),
        ({"gshare": ["a"]}, r"gshare: \['a'\] is not text"),
        ({"coreCount": 0}, "coreCount: 0 is not between 1 and 32767"),
        ({"coreCount": True}, "coreCount: True is not a whole number"),
        ({"minRamCount": -1}, "minRamCount: -1 is not between 0 and"),
        ({"maxDiskCount": 2**40}, "maxDiskCount: .* is not between 0 and"),
        ({"maxWalltime": "1.5"}, "maxWalltime: '1.5' is not a whole number"),
        ({"currentPriority": 10**7}, "currentPriority: .* is not between -1000000 and 1000000"),
        ({"maxAttempt": 0}, "maxAttempt: 0 is not between 1 and 100"),
        ({"maxAttempt": 101}, "maxAttempt: 101 is not between 1 and 100"),
        ({"waits": "later"}, "waits: 'later' is not true or false"),
        ({"jobParameters": "it's"}, "jobParameters: cannot be split into arguments"),
        ({"jobParameters": [None]}, "jobParameters: None is not text"),
        ({"jobParameters": ["a\0b"]}, "jobParameters: .* holds a NUL character"),
        ({"jobParameters": {"a": 1}}, "jobParameters: .* is not text"),
        ({"files": {}}, r"files: \{\} is not a list"),
        ({"files": ["a"]}, r"files\[0\]: 'a' is not a JSON object"),
        ({"allowNoOutput": "a"}, "allowNoOutput: 'a' is not a list"),
        ({"allowNoOutput": ["a"]}, "allowNoOutput: 'a' is not an output"),
    ],
)
def test_a_wrong_order_is_refused_by_field_value_and_expectation(said, words):
    with pytest.raises(ContractError, match=f"^{words}"):
        order_from_wire(order(**said))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"lnf": "b"}, "lnf: no such field in files[0]; did you mean lfn?"),
        ({"type": "inputs"}, "files[0].type: 'inputs' is not input, output or log"),
        ({"type": None}, "files[0].type: None is not input, output or log"),
        ({"lfn": ""}, "files[0].lfn: '' is not a plain file name"),
        ({"lfn": ["a"]}, "files[0].lfn: ['a'] is not text"),
        ({"lfn": "zip://a"}, "files[0].lfn: 'zip://a' is an address inside an archive"),
        ({"fsize": -1}, "files[0].fsize: -1 is less than 0"),
        ({"fsize": "big"}, "files[0].fsize: 'big' is not a whole number"),
        ({"checksum": "ad:zz"}, "checksum: 'ad:zz' is not ad:"),
        ({"scope": "a,b"}, "files[0].scope: 'a,b' holds a comma"),
        ({"scope": "s" * 31}, "files[0].scope: '" + "s" * 31 + "' is not text of at most 30"),
        ({"dataset": "../x"}, "files[0].dataset: '../x' cannot be a folder"),
        ({"endpoint": "a\nb"}, "files[0].endpoint: 'a\\nb' is not text"),
        ({"GUID": {"a": 1}}, "files[0].GUID: {'a': 1} is not text"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(said, words):
    with pytest.raises(ContractError) as caught:
        order_from_wire(with_file(**said))
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (("input", "input"), "files: a is named twice, as input and as input"),
        (("input", "output"), "files: a is named twice, as input and as output"),
        (("output", "log"), "files: a is named twice, as output and as log"),
    ],
)
def test_no_two_files_of_a_job_have_one_name(roles, words):
    with pytest.raises(ContractError, match=words):
        order_from_wire(order(files=[{"lfn": "a", "type": role} for role in roles]))


def test_a_job_has_one_log_at_most():
    with pytest.raises(ContractError, match="files: two logs, a and b; one at most"):
        order_from_wire(order(files=[{"lfn": "a", "type": "log"}, {"lfn": "b", "type": "log"}]))


def test_a_logs_name_leaves_room_for_the_number_of_the_attempt():
    assert order_from_wire(order(files=[{"lfn": "l" * 251, "type": "log"}])).spec.log is not None
    with pytest.raises(ContractError, match=r"files\[0\].lfn: .* is longer than 255 bytes"):
        order_from_wire(order(files=[{"lfn": "l" * 252, "type": "log"}]))


@pytest.mark.parametrize("data", [None, [], "job"])
def test_what_is_no_object_is_no_order(data):
    with pytest.raises(ContractError, match="^job: .* is not a JSON object"):
        order_from_wire(data)
