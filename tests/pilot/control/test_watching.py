from __future__ import annotations

from types import SimpleNamespace

import pytest

from pilot.contract.job import JobSpec
from pilot.control.commands import Commands
from pilot.control.news import Due, Matter
from pilot.control.slot import Slot
from pilot.control.timers import Timers
from pilot.control.watching import Watching
from pilot.job import Job, Phase
from tests.pilot.control.simulation import SITE, World

BEAT, CHECK = Due(Matter.HEARTBEAT, (7, 1)), Due(Matter.CHECK, (7, 1))


class Scene:
    def __init__(self, tmp_path, phase=Phase.RUNNING, **more):
        self.world, self.timers, self.looks = World(0, tmp_path / "journal"), Timers(), []
        self.slot = Slot(Job(JobSpec(id=7, attempt=1, transformation="x", **more), phase=phase), SITE, "r1", 1e9, 0.0)
        self.followed, self.moved = [], []
        ways = SimpleNamespace(look=self, follow=SimpleNamespace(put=self.followed.append), moved=self.moved.append)
        self.watching = Watching(self.world.conductor.means, ways, self.timers)
        self.watching.begin(self.slot)

    def put(self, item):
        self.looks.append((item.matter, item.argv))

    def until(self, now):
        """Let time pass; answer when which matter was really seen to."""
        seen = []
        while (at := self.timers.next()) is not None and at <= now:
            self.world.now = at
            due, self.looks[:] = self.timers.due(at), []
            if self.watching.due(self.slot, due.matter) or self.looks:
                seen.append((at, due.matter.value))
            self.slot.looking = False  # it has been looked
        self.world.now = now
        return seen


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def beats(seen):
    return [at for at, matter in seen if matter == "heartbeat"]


def test_a_job_is_looked_at_again_and_again(scene):
    seen = scene.until(3700.0)
    assert beats(seen) == [1800.0, 3600.0]
    assert [at for at, matter in seen if matter == "check"][:3] == [60.0, 120.0, 180.0]


def test_debug_mode_makes_heartbeats_short_and_its_end_makes_them_long_again(scene):
    scene.until(100.0)
    scene.watching.obey(scene.slot, Commands(debug=True))
    assert scene.looks[-1] == (Matter.HEARTBEAT, ()), "the first one at once"
    assert beats(scene.until(290.0)) == [160.0, 220.0, 280.0]
    scene.watching.obey(scene.slot, Commands(debug=False))
    assert beats(scene.until(2200.0)) == [2090.0]


def test_a_command_that_changes_nothing_does_not_move_a_heartbeat(scene):
    scene.until(100.0)
    for commands in (Commands(debug=False), Commands(keep=True)):
        scene.watching.obey(scene.slot, commands)
    assert beats(scene.until(1900.0)) == [1800.0]
    assert scene.slot.keep


def test_a_job_may_be_born_in_debug_mode(tmp_path):
    assert beats(Scene(tmp_path, debug=True).until(130.0)) == [60.0, 120.0]


@pytest.mark.parametrize(
    ("phase", "looked"),
    [(Phase.ACCEPTED, False), (Phase.STAGING_IN, True), (Phase.RUNNING, True), (Phase.STAGING_OUT, False)],
)
def test_a_heartbeat_is_due_in_every_phase_and_a_look_where_there_is_something_to_see(tmp_path, phase, looked):
    scene = Scene(tmp_path, phase)
    scene.world.now = 1800.0
    assert scene.watching.due(scene.slot, Matter.HEARTBEAT) is not looked
    assert bool(scene.looks) is looked


def test_while_a_look_hangs_there_are_heartbeats_without_one(scene):
    scene.world.now = 1800.0
    assert not scene.watching.due(scene.slot, Matter.HEARTBEAT)
    scene.world.now = 3600.0
    assert scene.watching.due(scene.slot, Matter.HEARTBEAT)
    assert scene.looks == [(Matter.HEARTBEAT, ())], "no second one is put behind the first"
    scene.slot.looking = False
    scene.world.now = 5400.0
    assert not scene.watching.due(scene.slot, Matter.HEARTBEAT)
    assert len(scene.looks) == 2


def test_what_is_to_be_shown_is_looked_at_once_however_often_the_server_repeats_itself(scene):
    commands = Commands(show=(("ls",), ("tail", "a")))
    for now in (0.0, 1.0, 59.0):
        scene.world.now = now
        scene.watching.obey(scene.slot, commands)
    assert scene.looks == [(Matter.SHOW, ("ls",)), (Matter.SHOW, ("tail", "a"))]
    scene.world.now = 60.0
    scene.watching.obey(scene.slot, Commands(show=(("ls",),)))
    assert scene.looks[-1] == (Matter.SHOW, ("ls",))
    assert len(scene.looks) == 3


def test_who_sends_lines_elsewhere_hears_of_phases_and_of_debug_mode(tmp_path):
    scene = Scene(tmp_path)
    scene.watching.moved(scene.slot)
    scene.watching.obey(scene.slot, Commands(debug=True))
    scene.watching.obey(scene.slot, Commands(debug=True))
    scene.watching.obey(scene.slot, Commands(debug=False))
    assert [(item.job.key, item.debug) for item in scene.followed] == [((7, 1), on) for on in (False, True, False)]
    assert scene.moved == [scene.slot.job]
