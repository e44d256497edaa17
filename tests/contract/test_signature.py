from __future__ import annotations

import dataclasses
import json

import pytest

from pilot.contract import signature
from pilot.contract.codec import ContractError
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import from_panda, to_panda
from pilot.contract.naming import log_of_attempt
from pilot.contract.signature import NOT_SIGNED, signed_text

JOB = JobSpec(
    id=7,
    attempt=1,
    transformation="/sw/coral.exe",
    arguments=("a b", "NULL", "é"),
    name="job.7",
    task_id=3,
    user="prod",
    release="v1",
    container="/img.sif",
    inputs=(FileSpec("raw-1.dat", Role.INPUT, "s", "ds", 10, "adler32:00000001", "EOS", "GUID-1"),),
    outputs=(FileSpec("mDST-1.root", Role.OUTPUT, "s", "out"),),
    log=FileSpec("job.7.log.tgz", Role.LOG, "s", "logs", guid="GUID-2"),
)


def changed(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, tuple):
        return (*value, "x") if not value or isinstance(value[0], str) else value[1:]
    return None if value is not None else 1


@pytest.mark.parametrize("field", dataclasses.fields(JobSpec), ids=lambda field: field.name)
def test_every_field_counts_unless_it_is_named_as_one_that_does_not(field):
    other = dataclasses.replace(JOB, **{field.name: changed(getattr(JOB, field.name))})
    assert other != JOB
    assert (signed_text(other) == signed_text(JOB)) is (field.name in NOT_SIGNED)


def test_what_is_not_signed_exists():
    assert {field.name for field in dataclasses.fields(JobSpec)} >= NOT_SIGNED


@pytest.mark.parametrize("name", ["lfn", "scope", "dataset", "size", "checksum", "endpoint"])
def test_everything_that_leads_to_a_file_counts(name):
    (file,) = JOB.inputs
    other = dataclasses.replace(JOB, inputs=(file.evolve(**{name: changed(getattr(file, name))}),))
    assert signed_text(other) != signed_text(JOB)


@pytest.mark.parametrize("name", ["job.7.log.tgz", "logs.tar.gz", "job-7", "job.7.zst", "job.7", "log.2.2"])
@pytest.mark.parametrize("attempt", [1, 2, 17])
def test_a_later_attempt_has_the_same_signature_though_its_log_has_another_name(attempt, name):
    first = dataclasses.replace(JOB, log=JOB.log.evolve(lfn=name))
    log = JOB.log.evolve(lfn=log_of_attempt(name, attempt), guid=f"GUID-{attempt}")
    assert signed_text(dataclasses.replace(JOB, attempt=attempt, log=log)) == signed_text(first)
    assert signed_text(dataclasses.replace(JOB, log=log.evolve(lfn="other.log.tgz"))) != signed_text(first)


def test_the_way_over_the_wire_changes_nothing():
    once = from_panda(to_panda(JOB))
    assert signed_text(once) == signed_text(from_panda(to_panda(once))) == signed_text(JOB)


def test_a_signature_rides_in_a_field_that_pandas_pilots_pass_over():
    carried = dataclasses.replace(JOB, signature=signature.write(bytes(64)))
    assert to_panda(carried)["compassSignature"] == carried.signature
    assert from_panda(to_panda(carried)).signature == carried.signature
    assert "compassSignature" not in to_panda(JOB)


def test_the_text_is_one_line_with_its_version_and_sorted_json_in_ascii():
    head, body = signed_text(JOB).decode("ascii").split("\n")
    assert head == "COMPASS job, version 1"
    assert list(json.loads(body)) == sorted(json.loads(body))
    assert json.loads(body)["arguments"] == ["a b", "NULL", "é"]


def test_a_field_at_its_default_is_left_out_so_that_later_versions_agree():
    assert "container" not in json.loads(signed_text(dataclasses.replace(JOB, container="")).split(b"\n")[1])


def test_a_signature_is_read_as_it_was_written():
    assert signature.read(signature.write(bytes(range(64)))) == bytes(range(64))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2:AAAA", "version 1"),
        ("AAAA", "version 1"),
        ("1:AAAA", "64 bytes"),
        ("1:***", "64 bytes"),
        ("1:" + "é" * 10, "64 bytes"),
        ("1:", "64 bytes"),
    ],
)
def test_what_is_no_signature_is_named(text, words):
    with pytest.raises(ContractError, match=words) as caught:
        signature.read(text)
    assert caught.value.field_name == "compassSignature"


def test_of_two_words_the_stricter_one_counts():
    assert signature.stricter("never", "always", "when_signed") == "always"
    assert signature.stricter("never", "when_signed") == "when_signed"
