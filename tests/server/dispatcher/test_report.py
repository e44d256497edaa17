"""What a report sets going besides the job: its pilot's count, and the production that waits for it."""

from __future__ import annotations

import pytest

from pilot.contract.messages import JobUpdate
from pilot.contract.states import JobState
from server.dispatcher import logic
from server.pilots import logic as pilots
from server.pilots.logic import Place
from server.pilots.models import Pilot
from server.services import queries, schedules
from server.services.registry import declared
from tests.server.services.conftest import BEGIN

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("state", "jobs", "woken"),
    [
        (JobState.RUNNING, 0, []),
        (JobState.FINISHED, 1, ["production.collect"]),
        (JobState.FAILED, 1, ["production.collect"]),
    ],
)
def test_a_final_report_is_counted_for_its_pilot_and_wakes_the_production(state, jobs, woken, settings, tmp_path):
    settings.HOME = tmp_path  # no worker listens there, so the wish is written down
    schedules.install(declared())
    pilots.order("LOCAL", "local", "key", 1, now=BEGIN)
    pilots.confirm("key", {0: Place("key/0")}, now=BEGIN, missing="")
    logic.report(JobUpdate(job_id=1, attempt=1, state=state, batch_id="key/0"), progress=None, by="a-pilot")
    assert Pilot.objects.get().jobs == jobs
    assert queries.wanted() == woken
