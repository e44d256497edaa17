"""A whole pilot that sees nothing but Harvester's files: ranges come and go by them."""

from __future__ import annotations

import sys

import pytest

from pilot.contract.queue import local_storage
from tests.pilot.dispatcher import queue_data
from tests.pilot.eventservice.conftest import PAYLOAD
from tests.pilot.eventservice.ranges_server import described
from tests.pilot.test_end_to_end import job
from tests.pilot.test_harvester import Harvester


@pytest.fixture
def harvester(tmp_path):
    made = Harvester(tmp_path)
    activities = ("read_lan", "write_lan", "pl", "es_events", "default")
    tools, storages = {name: ["local"] for name in activities}, {name: ["STORE"] for name in activities}
    made.put("queuedata.json", {**queue_data(), "acopytools": tools, "astorages": storages})
    store = local_storage("STORE", str(made.storage), (*activities, "pr", "pw", "r", "w"))
    made.put("ddmendpoints.json", {"STORE": store})
    yield made
    made.close()


def bring(harvester, *ranges):
    """Wait until ranges are asked for, and bring some: first the file, then the request goes."""
    asked = harvester.until(lambda: harvester.read("worker_requestevents.json"))
    harvester.put("JobsEventRanges.json", {"7": list(ranges)})
    (harvester.access / "worker_requestevents.json").unlink()
    return asked


def test_ranges_are_asked_for_brought_done_and_told_by_files(harvester):
    (harvester.storage / "ds" / "payload.py").write_text(PAYLOAD)
    spec = job(sys.executable, "payload.py", "11=fail", inputs=["payload.py"], events=True, jobset_id=5, task_id=1)
    harvester.feed(spec)
    pilot = harvester.by_files(COMPASS_PILOT__EVENTS__ASK_WAIT="0.05", COMPASS_PILOT__EVENTS__RESERVE="1")
    asked = bring(harvester, described(0), described(1), described(2))
    assert asked == {"7": {"pandaID": 7, "jobsetID": 5, "taskID": 1, "nRanges": 1}}
    bring(harvester)
    _, said = pilot.communicate(timeout=30)
    assert harvester.state_of(7) == "finished", said
    told = {one["eventRangeID"]: one["eventStatus"] for one in harvester.read("worker_updateevents.json")["7"]}
    assert told == {"1-7-2-1-3": "failed"}
    dump = harvester.read("event_status.dump.json")["7"]
    archives = [one for one in dump if one["type"] == "zip_output"]
    assert {one["eventRangeID"]: one["eventStatus"] for one in archives} == {
        "1-7-2-0-3": "finished",
        "1-7-2-2-3": "finished",
    }
    assert [one["type"] for one in dump if one not in archives] == ["log"]
    left = {path.name for path in harvester.access.iterdir()}
    assert not {name for name in left if name.startswith("JobsEventRanges")}, "what was taken is not kept for ever"
