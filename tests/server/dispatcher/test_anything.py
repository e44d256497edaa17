"""Whatever a peer sends, it gets an answer in words: never a breakdown."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilot.contract.codec import Dialect
from pilot.contract.messages import JobUpdate, WorkRequest
from tests.server import jobs

MODEST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["1", "LOCAL", "running", "finished", "failed", "NULL", "{}", '{"out.root": {"fsize": 1}}']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
JOB_KEYS = ("computingSite", "transformation", "files", "jobParameters", "maxAttempt", "coreCount", "minRamCount")
FILE_KEYS = ("lfn", "type", "fsize", "checksum", "scope", "dataset")


def names(message: type, dialect: Dialect) -> list[str]:
    return [spec.metadata["names"][dialect] for spec in fields(message) if spec.metadata["names"][dialect]]


def bodies(keys: list[str], **fixed: st.SearchStrategy) -> st.SearchStrategy:
    some = st.dictionaries(st.sampled_from(keys), VALUES, max_size=6)
    return st.builds(lambda one, two: {**one, **two}, st.fixed_dictionaries(fixed), some)


LEGACY, V1 = Dialect.LEGACY, Dialect.V1
ONE = st.just(1)
STATES = st.sampled_from(["starting", "running", "holding", "transferring", "finished", "failed"])
FILES = st.lists(st.dictionaries(st.sampled_from(FILE_KEYS), VALUES, max_size=6), max_size=2)
SUBMITTED = st.lists(bodies([*JOB_KEYS], computingSite=st.just("LOCAL"), transformation=st.just("a"), files=FILES))
CALLS = {
    "/server/panda/getJob": bodies(names(WorkRequest, LEGACY), siteName=st.just("LOCAL")),
    "/server/panda/updateJob": bodies(names(JobUpdate, LEGACY), jobId=ONE, state=STATES),
    "/api/v1/pilot/acquire_jobs": bodies(names(WorkRequest, V1), site_name=st.just("LOCAL")),
    "/api/v1/pilot/update_job": bodies(names(JobUpdate, V1), job_id=ONE, job_status=STATES, attempt_nr=ONE),
    "/api/v1/job/submit": st.fixed_dictionaries({"jobs": SUBMITTED}) | bodies(["jobs"]),
    "/api/v1/job/kill": bodies(["job_ids", "code"]),
}


@pytest.mark.parametrize("path", CALLS)
def test_any_fields_get_an_answer_in_words(queue, pilot, manager, path):
    jobs.submit(3)
    jobs.claim()
    peer = manager if "/job/" in path else pilot

    @MODEST
    @given(CALLS[path])
    def send(fields):
        answer = peer.post(path, json.dumps(fields).encode(), "application/json")
        said = answer.json()
        assert answer.status_code in {200, 400}
        if said.get("success") is False or said.get("StatusCode") == 30:
            assert said.get("message") or said.get("errorDialog")

    send()
    jobs.audit()


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""])
def test_any_bytes_get_an_answer_in_words(queue, pilot, content_type):
    @MODEST
    @given(st.binary(max_size=60) | st.builds(lambda tail: b"\x1f\x8b\x08" + tail, st.binary(max_size=40)))
    def send(body):
        for path in ("/server/panda/updateJob", "/api/v1/pilot/update_job"):
            assert pilot.post(path, body, content_type).status_code in {200, 400}

    send()
