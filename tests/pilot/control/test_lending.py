from __future__ import annotations

import json
import os
import threading
import time

import pytest

from pilot.contract.job import FileSpec, Role
from pilot.control.ends import End
from pilot.control.lending import METRIC, NOTE, Lending
from pilot.control.lifecycle import Effect, Event
from pilot.settings import Settings
from pilot.settings.sections import Job
from pilot.settings.stager import Stager


def way_of(bench, chosen):
    """A way whose lease is over in a thousand seconds, less a hundred for what follows."""
    settings = Settings(stager=chosen, job=Job(workflow="stager", reserve=100.0))
    now = time.monotonic()
    return Lending(bench.occupied, settings, now, (End(now + 1000.0, None),))


def lend(bench, chosen, **spec):
    """Lend a job in a thread of its own; answer its folder, what controls it, and the thread."""
    one = bench.spec("no-such-program", **spec)
    folder = bench.make(one)
    control = bench.payload(grace=0.2, ways=(way_of(bench, chosen),))
    lane = threading.Thread(target=control.run, args=(bench.work(Effect.RUN_PAYLOAD, one),), daemon=True)
    lane.start()
    while not (folder / NOTE).exists():
        assert lane.is_alive()
        lane.join(0.01)
    return folder, control, lane, one


def test_a_note_tells_where_everything_is_and_until_when(bench):
    inputs, outputs = (FileSpec("a", Role.INPUT),), (FileSpec("b", Role.OUTPUT),)

    folder, _, lane, _ = lend(bench, Stager(look=0.05, done="finished"), inputs=inputs, outputs=outputs)
    (folder / "finished").touch()
    lane.join(10)
    assert json.loads((folder / NOTE).read_text()) == {
        "job": 7,
        "attempt": 1,
        "folder": str(folder),
        "inputs": [str(folder / "a")],
        "outputs": [str(folder / "b")],
        "until": pytest.approx(time.time() + 900, abs=20),
        "done": str(folder / "finished"),
    }
    (answer,) = bench.told
    assert (answer.event, answer.problem, answer.metrics[METRIC]) == (Event.PAYLOAD_OK, None, "done")
    assert answer.outcome.stdout.read_bytes() == answer.outcome.stderr.read_bytes() == b""


def test_who_is_asked_to_give_back_what_was_lent_does_so_at_once(bench):
    _, control, lane, spec = lend(bench, Stager(look=600.0))
    control.ask(bench.work(Effect.ASK_PAYLOAD, spec))
    lane.join(10)
    (answer,) = bench.told
    assert (answer.event, answer.metrics[METRIC]) == (Event.PAYLOAD_OK, "over")


def test_what_is_lent_can_be_stopped(bench):
    _, control, lane, spec = lend(bench, Stager(look=600.0))
    control.stop(bench.work(Effect.STOP_PAYLOAD, spec, step=2))
    lane.join(10)
    assert not lane.is_alive()


def test_a_program_that_was_asked_to_end_has_ended_well_however_it_did(bench):
    script = "echo here > up; exec sleep 60"
    one = bench.spec("no-such-program")
    folder = bench.make(one)
    os.mkfifo(folder / "up")
    way = way_of(bench, Stager(command=("/bin/sh", "-c", script)))
    control = bench.payload(ways=(way,))
    lane = threading.Thread(target=control.run, args=(bench.work(Effect.RUN_PAYLOAD, one),), daemon=True)
    lane.start()
    assert (folder / "up").read_text() == "here\n"
    control.ask(bench.work(Effect.ASK_PAYLOAD, one, seconds=5.0))
    lane.join(10)
    (answer,) = bench.told
    assert (answer.event, answer.outcome.status, answer.metrics[METRIC]) == (Event.PAYLOAD_OK, 0, "over")
