"""What HTCondor is told of the jobs at hand, and that its silence harms nobody."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.control.chirping import ChirpLane, state_of
from pilot.job import Job, Phase, Problem
from pilot.settings.chirp import Chirp
from pilot.site.chirp import Refused


def job(number, phase, problem=None):
    return Job(JobSpec(id=number, attempt=1, transformation="true"), phase, problem=problem)


class Told:
    """A lane, and what HTCondor has heard of it; ``wrong`` is raised instead."""

    def __init__(self, **settings):
        self.heard, self.wrong, self.now = [], None, 0.0
        self.lane = ChirpLane(self.tell, Chirp(**settings), "tag|compass-pilot|1", lambda: self.now)

    def tell(self, attributes):
        if self.wrong is not None:
            raise self.wrong
        self.heard.append(dict(attributes))
        return True

    def move(self, number, phase, problem=None):
        self.lane.handle(job(number, phase, problem))
        return self.heard[-1] if self.heard else None


def test_the_first_move_tells_everything_and_later_ones_what_has_changed():
    told = Told()
    assert told.move(7, Phase.STAGING_IN) == {
        "PandaID": 7,
        "PandaJobState": "starting",
        "PandaPilotId": "tag|compass-pilot|1",
        "PandaJobs": "7:starting",
    }
    assert told.move(7, Phase.RUNNING) == {"PandaJobState": "running", "PandaJobs": "7:running"}
    told.move(7, Phase.STAGING_OUT)
    assert len(told.heard) == 2  # that is "running", too
    assert told.move(7, Phase.DONE) == {"PandaJobState": "finished", "PandaJobs": ""}
    assert told.move(8, Phase.STAGING_IN) == {"PandaID": 8, "PandaJobState": "starting", "PandaJobs": "8:starting"}


def test_of_several_jobs_the_one_that_is_longest_at_hand_is_named_and_all_are_listed():
    told = Told()
    told.move(7, Phase.RUNNING)
    assert told.move(8, Phase.STAGING_IN) == {"PandaJobs": "7:running 8:starting"}
    assert told.move(7, Phase.FAILED, Problem(ErrorCode.SIGTERM, "x")) == {
        "PandaID": 8,
        "PandaJobState": "starting",
        "PandaJobs": "8:starting",
    }


@pytest.mark.parametrize(
    ("phase", "problem", "state"),
    [
        (Phase.STAGING_OUT, None, "running"),
        (Phase.REPORTING, None, "finished"),
        (Phase.REPORTING, Problem(ErrorCode.SIGTERM, "x"), "failed"),
    ],
)
def test_the_state_is_that_of_the_reports(phase, problem, state):
    assert state_of(job(1, phase, problem)) == state


@pytest.mark.parametrize("wrong", [Refused("no"), TimeoutError("timed out"), FileNotFoundError("gone")])
def test_what_does_not_listen_is_left_alone_for_a_while_and_then_told_all_that_is_new(wrong, caplog):
    told = Told(pause=60.0)
    told.wrong = wrong
    assert told.move(7, Phase.STAGING_IN) is None
    assert str(wrong) in caplog.text
    told.wrong, told.now = None, 59.0
    assert told.move(7, Phase.RUNNING) is None
    told.now = 60.0
    assert told.move(7, Phase.STAGING_OUT)["PandaJobState"] == "running"
    assert len(told.heard) == 1


def test_a_move_only_passes_through_the_conductors_thread():
    told = Told()
    told.lane.job_moved(job(7, Phase.RUNNING))
    assert told.heard == []
    assert told.lane.inbox.get_nowait().key == (7, 1)
