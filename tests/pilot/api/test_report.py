from __future__ import annotations

import json

import pytest

from pilot.api.report import Report, written
from pilot.contract import routes
from pilot.contract.codec import ContractError, Dialect, encode
from pilot.contract.messages import JobUpdate
from pilot.contract.states import JobState

UPDATE = JobUpdate(7, JobState.RUNNING, attempt=2)


@pytest.mark.parametrize("kept", list(Dialect))
@pytest.mark.parametrize("wanted", list(Dialect))
def test_a_report_is_said_in_either_dialect_whichever_it_was_kept_in(kept, wanted):
    assert json.loads(Report(json.dumps(encode(UPDATE, kept))).said_in(wanted)) == encode(UPDATE, wanted)


def test_what_is_no_report_is_not_turned_into_one():
    with pytest.raises(ContractError):
        Report('{"state": "running"}').said_in(Dialect.V1)


@pytest.mark.parametrize(
    ("report", "headers"),
    [
        (Report("{}"), {}),
        (Report("{}", "5/?"), {routes.PROGRESS: "5/?"}),
        (Report("{}", None, "tail -n 5 läufe.txt"), {routes.SHOWN: "tail -n 5 l%C3%A4ufe.txt"}),
        (Report("{}", None, "ls a\udcff\n"), {routes.SHOWN: "ls a%3F%0A"}),
    ],
)
def test_what_is_said_beside_the_text_rides_in_headers(report, headers):
    assert report.headers == headers


def test_half_a_character_is_written_so_that_every_server_can_read_it():
    assert json.loads(written({"lfn": "a\udcff", "other": "ä"})) == {"lfn": "a?", "other": "ä"}
