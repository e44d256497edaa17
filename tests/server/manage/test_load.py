"""``compass-server load``."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from server.taskbuffer.models import Bucket, Job
from tests.server import jobs


def said(**options):
    out = StringIO()
    call_command("load", stdout=out, **options)
    return out.getvalue()


def test_jobs_wait_in_queues_of_their_own_and_a_part_fits_none(db):
    assert "1200 jobs wait in 3 queues" in said(jobs=1200, queues=3, unfit=25)
    assert Job.objects.filter(state="activated", user="LOAD").count() == 1200
    assert {row.queue for row in Bucket.objects.all()} == {"LOAD_001", "LOAD_002", "LOAD_003"}
    large = Bucket.objects.filter(memory__gt=2 * 10**9).values_list("pk", flat=True)
    assert Job.objects.filter(bucket_id__in=list(large)).count() == 300
    assert jobs.claim("LOAD_002")
    assert "1 jobs wait" in said(jobs=1)  # those of an earlier call do not stand in its way


def test_a_server_in_use_is_left_alone_unless_one_insists(queue):
    jobs.submit(1)
    with pytest.raises(CommandError, match="holds jobs of others"):
        said(jobs=1)
    assert Job.objects.count() == 1
    assert "1 jobs wait" in said(jobs=1, anyway=True)


@pytest.mark.parametrize("wrong", [{"jobs": 0}, {"jobs": 1, "queues": 1000}, {"jobs": 1, "unfit": 101}])
def test_a_number_out_of_range_is_named(db, wrong):
    with pytest.raises(CommandError, match="is not between"):
        said(**wrong)
