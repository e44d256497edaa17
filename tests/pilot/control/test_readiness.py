from __future__ import annotations

import os

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.credentials import Credential
from pilot.control.readiness import Readiness
from pilot.errors import JobFailed
from pilot.settings import Credentials, Monitor, Server, Settings
from pilot.settings.sections import Job
from pilot.site.features import FeatureSource

NOW = 1e9


def readiness(shutdown=None, credential=None, load=0.0, **sections):
    told = {} if shutdown is None else {"MACHINEFEATURES": "/features"}

    def fetch(where):
        if where == "/features/shutdowntime":
            return str(shutdown)
        raise FileNotFoundError(where)

    def ask():
        return pytest.fail("nobody wants to know") if credential is None else credential

    return Readiness(Settings(**sections), FeatureSource(told, fetch), ask, lambda: NOW, lambda: load)


def test_a_pilot_asks_when_nobody_says_anything_against_it():
    ready = readiness()
    ready.check()
    assert ready.remaining() == float("inf")


@pytest.mark.parametrize(("left", "remaining"), [(4600, 4000.0), (600, 0.0), (-60, 0.0)])
def test_the_time_before_the_slots_end_is_for_jobs_but_for_a_margin(left, remaining):
    assert readiness(NOW + left, monitor=Monitor(slot_margin=600.0)).remaining() == remaining


def test_no_job_is_asked_for_when_the_slot_is_about_to_end():
    with pytest.raises(JobFailed, match="takes the slot back") as caught:
        readiness(NOW + 600).check()
    assert caught.value.code is ErrorCode.REACHED_MAX_TIME


def test_no_job_is_asked_for_with_a_proxy_that_lives_too_short():
    ready = readiness(credential=Credential(certificate_end=NOW + 99), credentials=Credentials(at_start=100.0))
    with pytest.raises(JobFailed, match="credentials.at_start") as caught:
        ready.check()
    assert caught.value.code is ErrorCode.PROXY_TOO_SHORT


def test_an_expired_proxy_is_enough_to_ask_for_nothing():
    ready = readiness(credential=Credential(certificate_end=NOW - 1), server=Server(certificate="x509up"))
    with pytest.raises(JobFailed) as caught:
        ready.check()
    assert caught.value.code is ErrorCode.CERTIFICATE_EXPIRED


def test_no_job_is_asked_for_while_the_node_has_too_much_to_do():
    cores = os.cpu_count() or 1
    chosen = Job(most_load=1.2)
    readiness(load=1.1 * cores, job=chosen).check()
    readiness(load=9.0 * cores).check()
    with pytest.raises(JobFailed, match=r"the node's load is 1.5 per core, more than 1.2 \(job.most_load\)") as caught:
        readiness(load=1.5 * cores, job=chosen).check()
    assert caught.value.code is ErrorCode.RESOURCE_UNAVAILABLE
