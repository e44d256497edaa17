"""Real pilots, real payloads, a stand-in server over real HTTP: ranges are done once, stored, and reported."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode


def names(*numbers):
    return [f"1-7-2-{number}-3" for number in numbers]


@pytest.mark.parametrize("dialect", ["v1", "legacy"])
def test_every_range_is_asked_for_once_done_stored_and_reported(stage, dialect):
    ranges = stage.has(5)
    stage.offer(cores=2)
    status, said = stage.run("--dialect", dialect) if dialect == "v1" else stage.run()
    assert status == 0, said
    assert ranges.finished == names(0, 1, 2, 3, 4)
    assert all(ends == ["finished"] for ends in ranges.ends.values())
    final = stage.final()
    assert final["job_status"] == "finished"
    assert "nEventsW=50" in final["job_metrics"]
    assert final["n_events"] == 50
    (archive,) = ranges.archives()
    assert (archive["numEvents"], archive["objstoreID"]) == (5, 42)
    assert stage.members() == {
        f"out-{name}": f"events {10 * n + 1} to {10 * n + 10}\n" for n, name in enumerate(names(*range(5)))
    }


def test_a_job_without_ranges_fails_with_its_own_code_and_runs_no_payload(stage):
    stage.has(0)
    stage.offer()
    stage.run()
    assert stage.final()["pilot_error_code"] == ErrorCode.ES_NO_EVENTS
