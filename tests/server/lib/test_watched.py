"""Each request is named, counted and told."""

from __future__ import annotations

import json

import pytest

from server.lib import logs, watched
from server.lib.metrics import exposed

ALIVE = "/api/v1/system/is_alive"


def calls(address, status):
    line = f'compass_calls_total{{address="{address}",status="{status}"}} '
    return sum(float(each.removeprefix(line)) for each in exposed().decode().splitlines() if each.startswith(line))


def test_a_call_is_counted_by_the_pattern_of_its_address(client, db):
    before = calls("api/v1/system/is_alive", 200)
    client.get(ALIVE)
    assert calls("api/v1/system/is_alive", 200) == before + 1


def test_what_a_caller_makes_up_is_no_address(client, db):
    before = calls("(none)", 404)
    client.get("/made/up/1")
    client.get("/made/up/2")
    assert calls("(none)", 404) == before + 2
    assert "made/up" not in exposed().decode()


def test_the_answer_has_the_name_of_the_request(client, db):
    assert client.get(ALIVE, headers={"X-Request-Id": "front-17"}).headers["X-Request-Id"] == "front-17"
    names = {client.get(ALIVE, headers={"X-Request-Id": "not a name"}).headers["X-Request-Id"] for _ in range(2)}
    assert len(names) == 2


@pytest.mark.parametrize(("slow", "level"), [(5.0, "DEBUG"), (0.0, "WARNING")])
def test_a_call_that_takes_long_is_told_as_a_warning(client, db, caplog, monkeypatch, slow, level):
    monkeypatch.setattr(watched, "SLOW", slow)
    caplog.set_level("DEBUG", "server.lib.watched")
    client.get(ALIVE)
    told = [record for record in caplog.records if record.name == "server.lib.watched"]
    assert [record.levelname for record in told] == [level]
    assert told[0].getMessage().startswith(f"GET {ALIVE} answered 200 in ")


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"X-Compass-Trace": TRACE}, True),
        ({"traceparent": TRACE}, True),
        ({"X-Compass-Trace": "mine", "traceparent": TRACE}, True),
        ({"X-Compass-Trace": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, False),
        ({"X-Compass-Trace": f"{TRACE}\nx"}, False),
        ({}, False),
    ],
)
def test_the_lines_of_a_call_name_the_trace_that_it_belongs_to(client, db, caplog, headers, told):
    lines = []
    watched.log.addFilter(note := lambda record: lines.append(logs.Json().format(record)) or True)
    caplog.set_level("DEBUG", "server.lib.watched")
    try:
        client.get(ALIVE, headers=headers)
    finally:
        watched.log.removeFilter(note)
    (line,) = lines
    assert json.loads(line).get("trace") == ("4bf92f3577b34da6a3ce929d0e0e4736" if told else None)
