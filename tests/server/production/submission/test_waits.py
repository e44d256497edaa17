"""What has failed is told with what becomes of it and when; what is over promises nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.pandaconfig.models import Schedconfig
from server.production import queries
from server.production.models import Chunk, MergeGroup
from server.production.states import TaskState
from server.production.submission.waits import Failed, told_of_failures, told_of_merges
from tests.server.production.conftest import turn

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (
            *(Failed("chunks", "", again=1, first=LATER), "running"),
            "1 chunks that failed are tried again at 2026-11-23 03:00:00 UTC",
        ),
        (
            *(Failed("chunks", "killed", again=2, first=LATER), "send"),
            "2 chunks that failed are tried again, the first at 2026-11-23 03:00:00 UTC, by rule 'killed'",
        ),
        (
            *(Failed("merges", "", again=2, first=NOW), "running"),
            "2 merges that failed are tried again now, as far as their queue has room",
        ),
        (
            *(Failed("chunks", "", again=2, first=NOW), "paused"),
            "2 chunks that failed are tried again when the task goes on",
        ),
        (
            *(Failed("chunks", "", again=2, first=NOW), "finished"),
            "2 chunks that failed are not tried again: the task is finished",
        ),
        (
            *(Failed("chunks", "", again=2, first=NOW), "finishing"),
            "2 chunks that failed are not tried again: the task is finishing",
        ),
        (
            *(Failed("chunks", "", last=3), "running"),
            "3 chunks have failed and used their attempts: send them again by hand",
        ),
        (
            *(Failed("merges", "bad", no_more=3), "running"),
            "3 merges have failed and are not tried again, by rule 'bad': send them again by hand",
        ),
        (Failed("chunks", "maps", look=4), "done", "4 chunks wait for a person to look at them, by rule 'maps'"),
    ],
)
def test_each_kind_of_failure_has_its_sentence(found, state, words):
    assert told_of_failures([found], TaskState(state), NOW) == [words]


def test_what_has_no_failure_says_nothing():
    assert told_of_failures([Failed("chunks", "")], TaskState.RUNNING, NOW) == []


def test_ready_merges_say_why_they_are_not_sent():
    assert told_of_merges({"mdst": 3, "dump": 2}, {"mdst": 1, "dump": 2}, "queue 'X' is not known") == [
        "2 event dump merges cannot be sent: queue 'X' is not known",
        "2 mDST merges wait until all of their run is made and what comes before has passed",
        "1 mDST merges cannot be sent: queue 'X' is not known",
    ]
    assert told_of_merges({"mdst": 3}, {"mdst": 3}, "") == []


def test_merges_whose_run_is_not_whole_or_whose_queue_takes_nothing_are_told(tasks, pilot, settings):
    for _ in range(2):
        turn()
        pilot.run()
    turn()
    MergeGroup.objects.update(state="ready", job_id=None)
    ready = MergeGroup.objects.filter(kind="mdst").count()
    assert ready
    assert queries.explanation(tasks[1]).waits == []
    settings.PRODUCTION = {"queued_per_queue": 1}
    assert "as many jobs wait in LOCAL as may (1)" in queries.explanation(tasks[1]).waits[0]
    settings.PRODUCTION = {}
    Schedconfig.objects.update(status="offline")
    (words,) = queries.explanation(tasks[1]).waits
    assert words.startswith(f"{ready} mDST merges cannot be sent: their queue LOCAL is offline; set it online")
    Chunk.objects.filter(task=tasks[1], number=1).update(state="staged")
    (words,) = queries.explanation(tasks[1]).waits
    assert words == f"{ready} mDST merges wait until all of their run is made and what comes before has passed"
    Schedconfig.objects.all().delete()
    Chunk.objects.filter(task=tasks[1], number=1).update(state="finished")
    assert "queue 'LOCAL' is not known here" in queries.explanation(tasks[1]).waits[0]
