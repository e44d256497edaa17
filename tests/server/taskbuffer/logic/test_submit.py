"""Jobs come in."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from pilot.contract import signature
from pilot.contract.codec import ContractError
from pilot.contract.job import FileSpec, Role
from pilot.contract.job_wire import from_panda
from pilot.runtime.signing import is_signed
from server.lib.ed25519 import SigningFailed, make_keys
from server.taskbuffer import logic
from server.taskbuffer.hot.bulk import COPY_FROM, add_rows
from server.taskbuffer.hot.handout import hand_out
from server.taskbuffer.models import Bucket, Job, JobEvent, JobFile, JobParameters, Ready, Waiting
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


def test_a_job_in_the_place_of_another_begins_with_a_later_attempt(queue):
    (job_id,) = logic.submit([jobs.order(name="mc-1")._replace(first_attempt=2)], by="test")
    assert jobs.moves_of(job_id) == [(2, "activated")]
    (given,) = jobs.claim()
    spec = from_panda(given)
    assert (spec.id, spec.attempt, spec.log.lfn) == (job_id, 2, "job.log.tgz.2")


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


def rows_of(number: int) -> list[object]:
    """Answer all that is written of a new job, but its number and what is made of that."""
    job = Job.objects.filter(pk=number).values().get()
    files = JobFile.objects.filter(job=number).order_by("pk").values()
    events = JobEvent.objects.filter(job=number).values()
    ready = Ready.objects.filter(job=number).values()
    found = [job, *files, *events, *ready]
    left_out = {"id", "job_id"}
    return [
        {name: value - number if name == "rank" else value for name, value in row.items() if name not in left_out}
        for row in found
    ]


@pytest.mark.parametrize("waits", [False, True])
def test_many_jobs_at_once_are_written_as_one_is(queue, waits):
    awkward = {"name": "tab\there, back\\slash\nand a line; \\N is not nothing, é is", "waits": waits}
    (one,), many = jobs.submit(1, **awkward), jobs.submit(COPY_FROM + 5, **awkward)
    assert many == sorted(many)
    assert all(rows_of(number) == rows_of(one) for number in many)
    assert Waiting.objects.count() == (len(many) + 1 if waits else 0)
    jobs.audit()


def test_many_jobs_take_few_statements_and_copies_where_there_is_one(queue):
    jobs.submit()
    with CaptureQueriesContext(connection) as statements:
        jobs.submit(300)
    words = [each["sql"].split()[0] for each in statements if "SAVEPOINT" not in each["sql"]]
    assert len(words) < 25
    assert words.count("COPY") == (5 if connection.vendor == "postgresql" else 0)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL adds to several tables at once")
def test_one_job_is_written_by_one_statement(queue):
    jobs.submit()
    with CaptureQueriesContext(connection) as statements:
        jobs.submit()
    words = [each["sql"].split()[0] for each in statements if "SAVEPOINT" not in each["sql"]]
    assert words[-3:] == ["SELECT", "SELECT", "WITH"]  # the kind of job, its number, and all its rows


def test_what_the_database_refuses_of_many_rows_is_told_as_of_one(queue):
    (number,) = jobs.submit()
    again = [(number, Bucket.objects.get().pk, 0)]
    for rows in (again, again * COPY_FROM):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            add_rows(cursor, "taskbuffer_ready", ("job_id", "bucket_id", "place"), rows)
