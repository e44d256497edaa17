from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from server.batch.base import Template
from server.factory import logic, setup
from server.factory.models import FactorySystem
from server.pilots import logic as pilots
from server.pilots.logic import Place
from server.pilots.models import Pilot
from server.pilots.states import LIVING
from tests.server.factory.played import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def sleeping(settings, tmp_path):
    """A pilot that ends when it is told to, after a moment."""
    settings.HOME = tmp_path
    logic.define_queue("LOCAL", slots=1)
    pilots.order("LOCAL", "local", "key", 1, now=NOW)
    system = setup.systems()("local", "LOCAL")
    template = Template("key", ("/bin/sh", "-c", "sleep 600"), {"PATH": "/usr/bin:/bin"}, grace=5)
    (job,) = system.submit(template, 1)
    pilots.confirm("key", {0: Place(job)}, now=NOW, missing="")
    return system


def test_every_pilot_is_stopped_and_its_end_awaited(sleeping, capsys):
    with pytest.raises(CommandError, match="1 pilots have not ended in 0 s"):
        call_command("stop_pilots", wait=0.0)
    call_command("stop_pilots", wait=30.0)
    assert capsys.readouterr().out == "no pilot runs\n"
    assert sleeping.status(["key/0"])["key/0"].exit_status == 143


def test_a_batch_system_that_cannot_be_asked_is_told_in_words(sleeping, settings):
    FactorySystem.objects.create(name="far", kind="no_longer_there")
    pilots.order("LOCAL", "far", "other", 1, now=NOW)
    with pytest.raises(CommandError, match=r"not all batch systems have answered \(there is no kind .*\) in 0 s"):
        call_command("stop_pilots", wait=0.0)
    FactorySystem.objects.all().delete()
    call_command("stop_pilots", wait=30.0)
    assert not Pilot.objects.filter(state__in=LIVING).exists()
