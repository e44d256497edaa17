"""What is said of browsers, and of a server that others reach."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.manage.browser_checks import check_browsers, check_deployed


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, []),
        ({"login_subjects": "("}, ["compass.E060"]),
        ({"login_subjects_file": "/nowhere"}, ["compass.E061"]),
        ({"public_url": "https://a.example"}, ["compass.E062"]),
        ({"public_url": "https://A.example:8443", "hosts": "a.example"}, []),
    ],
)
def test_what_cannot_be_meant_is_told_by_check(settings, said, told):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, **said)
    assert [one.id for one in check_browsers()] == told


def test_what_a_server_that_others_reach_lacks_is_told(settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, open_pages=True)
    assert [one.id for one in check_deployed()] == [f"compass.W{number:03}" for number in range(60, 64)]
    said = {"public_url": "https://a.example", "socket": "/run/x", "administrators": "Eve", "open_pages": False}
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, **said)
    assert check_deployed() == []
