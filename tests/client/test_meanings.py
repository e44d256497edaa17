"""Error numbers, as a production manager reads them."""

from __future__ import annotations

import pytest

from client import meanings, show
from tests.client.test_show import text_of


@pytest.mark.parametrize(
    ("field", "number", "told"),
    [
        ("pilotErrorCode", 1305, "1305 PAYLOAD_FAILED: read the payload's output"),
        (
            "pilotErrorCode",
            -1137,
            "-1137 STAGE_OUT_FAILED: read the transfer's last words in the pilot log; check the storage",
        ),
        ("exeErrorCode", 1237, "1237 NO_EVENTS: check the raw file's event count; an empty file is left out"),
        ("jobDispatcherErrorCode", 100, "100 LOST_HEARTBEAT: no heartbeat of the pilot for too long"),
        ("taskBufferErrorCode", 100, "100 KILLED: the job was killed by command"),
    ],
)
def test_an_error_number_is_told_with_its_name_and_what_to_do(field, number, told):
    assert meanings.told(field, number) == told


@pytest.mark.parametrize(
    ("field", "value"), [("pilotErrorCode", 0), ("pilotErrorCode", 77), ("pilotErrorDiag", "no"), ("maxRSS", 1305)]
)
def test_what_is_no_known_error_number_stays_as_it_is(field, value):
    assert meanings.told(field, value) == str(value)


@pytest.mark.parametrize("field", meanings.NUMBERS)
def test_each_number_has_words(field):
    for code in meanings.NUMBERS[field]:
        assert meanings.told(field, code.value).startswith(f"{code.value} {code.name}: ")


def test_a_job_shows_them():
    assert "1305 PAYLOAD_FAILED: read the payload's output" in text_of(show.facts({"pilotErrorCode": 1305}))
