"""With a tape robot behind a real XRootD: what lies on tape only is on disk when its job is given to a pilot."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import zlib

import pytest
from django.utils import timezone

from server.dataservice.models import Transfer
from server.dataservice.opened import RIMS
from server.dataservice.steps import look, pins, poll
from server.dataservice.steps import submit as say
from server.pandaconfig.logic import define_storage
from server.production.models import Chunk, RawFile
from server.production.staging.models import Prestage
from server.production.steps import check_staging, prestage, submit
from tests.server.dataservice.conftest import audit, nothing
from tests.server.production.conftest import define_data, turn, work
from tests.server.production.staging.conftest import raw_name, states
from tests.services import xrootd
from tests.services.tape import running

pytestmark = pytest.mark.one_python


@pytest.fixture
def tape(queue, settings):
    settings.DATASERVICE = {"poll_every": 1, "look_every": 1, "delay": 1}
    with running() as robot:
        options = {"patience": 5, "lifetime_key": "pin", "accepting": 5}
        said = {"is_tape": True, "is_deterministic": False, "compass_storage": {"root": robot.root, "options": options}}
        define_storage("TAPE", said)
        yield robot


def content(chunk: Chunk) -> bytes:
    return b"spill %d of run %d" % (chunk.number, chunk.run.number)


def read(tape, name: str) -> bytes:
    """Read a file as a pilot does, from disk alone."""
    argv = ("xrdcp", "-s", f"{tape.root}/{name}", "-")
    return subprocess.run(argv, env={**os.environ, **xrootd.client()}, timeout=30, capture_output=True).stdout


def steps() -> None:
    for step in (say.submit, poll.poll, look.look, pins.keep_pins):
        step(RIMS, now=timezone.now(), keep=nothing)
    check_staging.check_staging()


def until(happened) -> None:
    deadline, bell = time.monotonic() + 30, threading.Event()
    while not happened():
        assert time.monotonic() < deadline, list(Transfer.objects.values_list("state", "words"))
        steps()
        bell.wait(0.1)  # neither the robot nor the steps call anybody


def on_disk(tape) -> set[str]:
    folder = tape.server.data / "raw/2016"
    return {path.name for path in folder.iterdir() if path.exists()}  # a link to nowhere is on tape only


def test_what_lies_on_tape_only_is_read_by_its_job_and_leaves_the_disk_afterwards(tape, pilot):
    task = define_data(runs=2, chunks=2)
    for chunk in Chunk.objects.select_related("run", "raw"):
        said = content(chunk)
        RawFile.objects.filter(chunk=chunk).update(
            endpoint="TAPE", size=len(said), checksum=f"adler32:{zlib.adler32(said):08x}"
        )
        tape.put_on_tape(raw_name(chunk), said)
    assert on_disk(tape) == set()
    assert submit.submit_chunks() == 0
    assert prestage.prestage() == 4
    until(lambda: set(states(task)) == {"staged"})
    assert Prestage.objects.count() == 1
    assert submit.submit_chunks() == 4
    job = pilot.claim()
    (raw,) = job.inputs
    chunk = Chunk.objects.select_related("run").get(job_id=job.id)
    assert (raw.endpoint, raw.size) == ("TAPE", len(content(chunk)))
    assert read(tape, f"{raw.dataset}/{raw.lfn}") == content(chunk)
    pilot.end(job)
    turn()
    assert check_staging.release_unneeded() == 1
    until(lambda: raw.lfn not in on_disk(tape))
    assert len(on_disk(tape)) == 3
    work(pilot)
    assert check_staging.release_unneeded() == 3
    until(lambda: not on_disk(tape))
    audit()
