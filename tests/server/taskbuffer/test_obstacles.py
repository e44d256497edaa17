"""Why a kind of jobs can never run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.pandaconfig.queries import QueueLimits
from server.taskbuffer.models import Bucket
from server.taskbuffer.obstacles import is_offline, obstacle, why_not_now

MB = 2**20
QUEUE = QueueLimits("online", cores=8, memory=16000 * MB, walltime=86400, disk=20000 * MB)
FITS = {"queue": "SITE", "label": "managed", "cores": 8, "memory": 16000 * MB, "walltime": 86400, "disk": 20000 * MB}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("cores", 9, "coreCount: 9 are asked for, and queue 'SITE' has at most 8 (corecount); ask for less"),
        (
            "memory",
            16000 * MB + 1,
            "minRamCount: 16001 MB are asked for, and queue 'SITE' has at most 16000 MB (maxrss)",
        ),
        ("disk", 20001 * MB, "maxDiskCount: 20001 MB are asked for, and queue 'SITE' has at most 20000 MB (maxwdir)"),
        ("walltime", 86401, "maxWalltime: 86401 s are asked for, and queue 'SITE' has at most 86400 s (maxtime)"),
    ],
)
def test_more_than_the_queue_has_is_named_with_field_value_and_remedy(field, value, words):
    said = obstacle(Bucket(**{**FITS, field: value}), QUEUE)
    assert said.startswith(words)
    assert "raise" in said
    assert not obstacle(Bucket(**{**FITS, field: value}), QueueLimits("online"))


def test_what_fits_exactly_has_no_obstacle():
    assert obstacle(Bucket(**FITS), QUEUE) == ""
    assert why_not_now(Bucket(**FITS), QUEUE) == ""


def test_a_queue_that_is_gone_is_named():
    assert "no queue 'SITE' any more; define it anew" in obstacle(Bucket(**FITS), None)
    assert not is_offline(None)


def test_a_queue_that_is_offline_may_come_back():
    offline = replace(QUEUE, status="offline")
    assert obstacle(Bucket(**FITS), offline) == ""
    assert is_offline(offline)
    assert why_not_now(Bucket(**FITS), offline).startswith("status: queue 'SITE' is offline; set it online")
