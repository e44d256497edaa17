from __future__ import annotations

from pilot.contract.codes import ErrorCode
from pilot.control.checks.credentials import look
from pilot.control.credentials import Credential
from pilot.job import Problem
from tests.pilot.control.checks.situations import situation

NOW = 1e9


def seen(**credential):
    return situation(now=NOW, credential=Credential(**credential))


def test_a_proxy_that_has_expired_at_two_looks_in_a_row_ends_the_job():
    first = look(seen(certificate_end=NOW - 5), None)
    assert first.problem is None
    assert "at the next look" in first.warning
    second = look(seen(certificate_end=NOW - 605), first.memory)
    assert second.problem.code is ErrorCode.CERTIFICATE_EXPIRED


def test_a_proxy_that_somebody_has_renewed_in_between_ends_nothing():
    first = look(seen(certificate_end=NOW - 5), None)
    good = look(seen(certificate_end=NOW + 90000), first.memory)
    assert (good.problem, good.warning) == (None, "")
    assert look(seen(certificate_end=NOW - 5), good.memory).problem is None


def test_a_proxy_that_is_gone_ends_the_job_with_its_own_code():
    gone = {"problem": Problem(ErrorCode.NO_PROXY, "x509up: No such file or directory")}
    assert look(seen(**gone), look(seen(**gone), None).memory).problem.code is ErrorCode.NO_PROXY


def test_what_is_about_to_expire_is_told_with_what_became_of_its_renewal():
    verdict = look(seen(certificate_end=NOW + 1800, token_end=NOW + 60, renewal="the token was renewed"), None)
    assert verdict.problem is None
    assert verdict.warning == (
        "PROXY_ABOUT_TO_EXPIRE: the proxy lives 1800 s; PROXY_ABOUT_TO_EXPIRE: the token lives 60 s; "
        "the token was renewed"
    )


def test_a_token_is_the_servers_to_refuse():
    expired = seen(token_end=NOW - 9999)
    assert look(expired, look(expired, None).memory).problem is None


def test_credentials_that_do_not_say_when_they_end_are_good():
    assert look(seen(), None) == (None, False, "", False, False)
