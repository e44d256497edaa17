"""By which way a pilot works, from its settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilot.settings import Harvester, Mode, Settings, mode_of

PUSH = {"id": "hv", "submit_mode": "PUSH"}


@pytest.mark.parametrize(
    ("harvester", "updates", "mode"),
    [
        ({}, True, Mode.SERVER),
        ({}, False, Mode.SERVER),
        ({"workdir": "/a"}, True, Mode.SERVER),
        ({"workdir": "/a"}, False, Mode.FILES),
        ({"datadir": "/a"}, False, Mode.FILES),
        ({"worker_attributes": "a"}, False, Mode.FILES),
        ({"event_status_dump": "a"}, False, Mode.FILES),
        ({"id": "hv", "worker": 3}, True, Mode.SERVER),
        ({"submit_mode": "PUSH"}, True, Mode.SERVER),
        (PUSH, True, Mode.PUSHED),
        ({"worker": 3, "submit_mode": "PUSH"}, True, Mode.PUSHED),
        (PUSH, False, Mode.FILES),
    ],
)
def test_the_way_follows_from_what_is_given(harvester, updates, mode):
    settings = Settings(harvester=Harvester(**harvester))
    assert mode_of(replace(settings, server=replace(settings.server, updates=updates))) is mode


def test_a_pilot_with_a_file_of_jobs_of_its_own_asks_nobody():
    settings = Settings(harvester=Harvester(**PUSH))
    assert mode_of(replace(settings, job=replace(settings.job, file="jobs.json"))) is Mode.SERVER
