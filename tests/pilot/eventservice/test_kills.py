"""A pilot with a job of event ranges is killed by SIGKILL; the next one on the disk reports what was stored."""

from __future__ import annotations

import signal

import pytest

from pilot.contract.codes import ErrorCode
from tests.pilot.eventservice.test_whole import names

pytestmark = pytest.mark.one_python


@pytest.fixture
def bed(stage):
    """A stage on which pilots die at a chosen effect; see `tests.pilot.killing`."""
    stage.environment.update(
        COMPASS_PILOT__PLUGINS__ALSO="[]",
        COMPASS_PILOT__RECOVERY__KEEP_LOGS="0",
        COMPASS_PILOT__EVENTS__PER_ARCHIVE="1",
        KILL_ROOT=str(stage.folder),
    )
    return stage


def die(bed, at):
    bed.environment["KILL_AT"] = at
    pilot = bed.start(program="tests.pilot.killing")
    pilot.communicate(timeout=60)
    return pilot.returncode == -signal.SIGKILL


def next_pilot(bed):
    """Let the next pilot live; the job ends once, and nothing is left of the dead one."""
    _, said = bed.run()
    final = bed.final()
    assert (final["job_status"], final["pilot_error_code"]) == ("failed", ErrorCode.PILOT_LOST), said
    assert [path.name for path in bed.base.iterdir() if not path.name.startswith(".")] == []


STORED = "EventService_premerge_1-7-2-1-3.tar"


@pytest.mark.parametrize(
    ("at", "finished"),
    [
        ("subprocess.Popen::1", []),  # the ranges came, the payload is about to be started
        ("open:EventService_premerge_1-7-2-1-3.tar:1", names(0)),  # one is stored, the next is to be packed
        (f"os.link:{STORED}:1", names(0, 1)),  # the second archive is copied, and about to get its name
        (f"os.remove:{STORED}:2", names(0, 1)),  # it has it, and is about to be removed here
    ],
)
def test_what_a_killed_pilot_had_stored_is_reported_by_the_next_one_and_the_rest_is_left(bed, at, finished):
    ranges = bed.has(6)
    bed.offer("51=hold")  # so that the last one is never done
    assert die(bed, at)
    next_pilot(bed)
    assert ranges.finished[: len(finished)] == finished
    assert ranges.failed == []
    assert all(len(set(ends)) == 1 for ends in ranges.ends.values())
    stored = {path.name for path in bed.objects.rglob("EventService_premerge_*")}
    assert stored == {archive["lfn"] for archive in ranges.archives()}, "what lies there was reported, and nothing else"


def test_a_report_that_a_killed_pilot_has_sent_is_repeated_and_changes_nothing(bed):
    ranges = bed.has(3)
    bed.offer("21=hold")
    answer = bed.dispatcher._answer
    died = []

    def kill(path, body, headers):
        said = answer(path, body, headers)
        if path.endswith("update_event_ranges") and not died:
            died.append(True)
            pilot.kill()
            pilot.wait()
            raise ConnectionAbortedError
        return said

    bed.dispatcher._answer = kill
    pilot = bed.start()
    pilot.communicate(timeout=60)
    next_pilot(bed)
    assert ranges.ends[names(0)[0]] == ["finished", "finished"]


def test_ranges_wait_on_the_disk_for_a_server_that_is_away(bed):
    ranges = bed.has(3)
    bed.offer("21=hold")
    assert die(bed, f"os.link:{STORED}:1")
    bed.dispatcher.misbehave = lambda path, count: (503, b"down") if "event" in path or "Event" in path else None
    bed.run(server__report_for=0.2)
    assert bed.dispatcher.finals() == [], "a job that has ended would get its ranges refused"
    bed.dispatcher.misbehave = lambda path, count: None
    next_pilot(bed)
    assert ranges.finished == names(0, 1)


def test_a_site_that_wants_no_outputs_of_dead_pilots_stored_has_them_left_to_the_server(bed):
    ranges = bed.has(3)
    bed.offer("21=hold")
    assert die(bed, f"os.link:{STORED}:1")
    bed.environment["COMPASS_PILOT__RECOVERY__OUTPUTS"] = "drop"
    next_pilot(bed)
    assert ranges.finished == names(0)
