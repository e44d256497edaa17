"""By which way a pilot works, from its settings."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from pilot import command_line, options
from pilot.settings import Mode, Settings, layers, load, mode_of, worker_of
from pilot.settings.harvester import Harvester

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


def test_harvesters_variables_are_settings_below_every_other():
    told = {"HARVESTER_ID": "hv", "HARVESTER_WORKER_ID": "12", "HARVESTER_WORKDIR": "/access"}
    found = load(layers(None, [("options", {"harvester": {"workdir": "/other"}})], environment=told)).settings.harvester
    assert (found.id, found.worker, found.workdir) == ("hv", 12, "/other")


def test_a_workers_number_that_is_none_is_passed_over():
    assert load(layers(None, [], environment={"HARVESTER_WORKER_ID": "abc"})).settings.harvester.worker == 0


def test_pilot_3s_options_are_settings():
    words = ["-k", "-z", "--harvester-workdir", "/a", "--harvester-datadir", "/b", "--harvester-submit-mode", "push"]
    words += ["--harvester-workerattributes", "w.json", "--harvester-eventstatusdump", "d.json"]
    chosen = load([options.as_layer(command_line.parse(words))]).settings
    expected = Harvester(
        workdir="/a",
        datadir="/b",
        submit_mode="PUSH",
        worker_attributes="w.json",
        event_status_dump="d.json",
        status=False,
    )
    assert asdict(chosen.harvester) == asdict(expected)
    assert mode_of(chosen) is Mode.FILES


@pytest.mark.parametrize(
    ("settings", "worker"),
    [
        (Settings(), ("", None)),
        (Settings(harvester=Harvester(id="cern")), ("cern", None)),
        (Settings(harvester=Harvester(id="cern", worker=7)), ("cern", 7)),
    ],
)
def test_a_pilot_is_a_harvesters_worker_when_it_was_told_so(settings, worker):
    assert worker_of(settings) == worker
