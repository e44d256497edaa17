"""Jobs come in."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pilot.contract import signature
from pilot.contract.codec import ContractError
from pilot.contract.job import FileSpec, Role
from pilot.contract.job_wire import from_panda
from pilot.runtime.signing import is_signed
from server.lib.ed25519 import SigningFailed, make_keys
from server.taskbuffer import logic
from server.taskbuffer.hot.handout import hand_out
from server.taskbuffer.models import Bucket, Job, JobEvent, JobFile, JobParameters, Ready
from tests.server import jobs


def test_a_job_is_born_activated_with_everything_that_a_pilot_needs(queue):
    (job_id,) = jobs.submit(arguments=("-n", "10 events"), name="mc-1", task_id=5, priority=7, cores=2)
    job = Job.objects.get(pk=job_id)
    assert (job.state, job.attempt, job.name, job.task_id, job.priority) == ("activated", 1, "mc-1", 5, 7)
    assert jobs.moves_of(job_id) == [(1, "activated")]
    assert Ready.objects.filter(job=job_id).exists()
    (given,) = jobs.claim()
    spec = from_panda(given)
    assert (spec.id, spec.attempt, spec.arguments) == (job_id, 1, ("-n", "10 events"))
    assert [file.lfn for file in spec.files] == ["out.root", "job.log.tgz"]


def test_a_job_that_waits_is_not_queued(queue):
    (job_id,) = jobs.submit(waits=True)
    assert jobs.state_of(job_id) == "defined"
    assert not Ready.objects.exists()
    assert jobs.claim() == []


def test_numbers_come_in_the_order_of_the_jobs(queue):
    names = [f"job-{number}" for number in range(300)]
    numbers = logic.submit([jobs.order(name=name) for name in names], by="test")
    assert numbers == sorted(numbers)
    assert [Job.objects.get(pk=number).name for number in numbers] == names


def test_jobs_with_the_same_wishes_share_a_bucket(queue):
    jobs.submit(3, cores=4)
    jobs.submit(2, cores=2)
    jobs.submit(1, cores=4, share="merge")
    assert Bucket.objects.count() == 3


def test_statements_grow_far_slower_than_jobs(queue):
    with CaptureQueriesContext(
        connection,
    ) as few:
        jobs.submit(1)
    with CaptureQueriesContext(connection) as many:
        jobs.submit(100)
    assert len(many) <= len(few) + 20


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"queue": "NOWHERE"}, "computingSite: queue 'NOWHERE' is not known here"),
        ({"name": "x" * 257}, "jobName: .* has 257 characters; at most 256"),
        ({"priority": 2**23}, "currentPriority: 8388608 is not between"),
        ({"label": "x" * 21}, "prodSourceLabel"),
        ({"transformation": "x" * 251}, "transformation"),
    ],
)
def test_one_bad_job_refuses_all_and_is_named(queue, fields, words):
    with pytest.raises(ContractError, match=words):
        logic.submit([jobs.order(), jobs.order(**fields)], by="test")
    for table in (Job, JobParameters, JobFile, JobEvent, Ready):
        assert not table.objects.exists()


def test_inputs_are_ready_unless_the_job_waits_for_them(queue):
    source = FileSpec("in.raw", Role.INPUT, size=5, checksum=jobs.SUM)
    one, two = jobs.submit(inputs=(source,)) + jobs.submit(inputs=(source,), waits=True)
    assert jobs.file_states(one) == {"in.raw": "ready", "out.root": "unknown", "job.log.tgz": "unknown"}
    assert jobs.file_states(two)["in.raw"] == "pending"


@pytest.mark.programs("openssl")
def test_a_job_is_signed_over_what_its_pilots_will_read_at_every_attempt(queue, settings, tmp_path):
    settings.SIGNING_KEY, public = tmp_path / "key.pem", tmp_path / "key.pub"
    make_keys(settings.SIGNING_KEY, public)
    (job_id,) = jobs.submit(arguments=("a b", "NULL"), task_id=5, cores=2)
    (given,) = jobs.claim()
    for attempt in (1, 2):
        spec = from_panda(hand_out(dict(given), job_id=job_id, attempt=attempt, priority=9))
        assert is_signed(signature.signed_text(spec), signature.read(spec.signature), [str(public)])


def test_without_a_key_no_job_is_signed(queue, settings):
    settings.SIGNING_KEY = None
    jobs.submit()
    assert "compassSignature" not in jobs.claim()[0]


def test_a_key_that_is_gone_takes_no_job(queue, settings, tmp_path):
    settings.SIGNING_KEY = tmp_path / "gone.pem"
    with pytest.raises(SigningFailed, match=r"gone\.pem"):
        jobs.submit()
    assert not Job.objects.exists()
