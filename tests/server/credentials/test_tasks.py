"""Renewing and forgetting are services of the server, and figures say how credentials stand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.credentials import queries
from server.credentials.models import HandOut, Source
from server.credentials.standing import Standing
from server.manage.figures import Figures
from server.services.registry import Turn, declared
from tests.server.credentials import making
from tests.server.credentials.making import HOUR, NOW, credential

pytestmark = [pytest.mark.django_db, pytest.mark.one_python, pytest.mark.usefixtures("home")]


def run(name):
    return declared()[name](Turn(name, NOW, lambda: None))


def test_the_services_say_what_they_did(private_file):
    credential(source=Source.FILE, path=str(private_file(making.token())))
    credential(source=Source.FILE, path="/nowhere", name="other")
    HandOut.objects.create(at=NOW - timedelta(days=91), what="a", kind="b", to="c")
    assert run("credentials.renew") == {"renewed": 1, "failed": 1}
    assert run("credentials.forget") == {"secrets": 0, "lines": 1}


def test_figures_warn_before_a_credential_ends():
    credential("t", name="good", ends_at=NOW + 20 * HOUR)
    credential("t", name="late", ends_at=NOW + HOUR)
    credential(name="never")
    credential(name="off", enabled=False)
    found = queries.standings(NOW)
    assert found["good"] == (Standing.GOOD, 72000.0)
    assert found["late"][1] == 3600.0
    assert found["never"] == (Standing.MISSING, None)
    families = {family.name: family for family in Figures().collect()}
    alarms = {next(iter(one.labels.values())): one.value for one in families["compass_credential_alarm"].samples}
    assert (alarms["never"], alarms["off"]) == (1.0, 0.0)
    left = {next(iter(one.labels.values())) for one in families["compass_credential_seconds_left"].samples}
    assert left == {"good", "late"}
