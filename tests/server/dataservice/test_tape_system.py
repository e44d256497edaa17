"""The data service with the real thing: a tape robot behind a real XRootD, opened by its entry in ddmendpoints.json."""

from __future__ import annotations

import threading
import time
import zlib

import pytest
from django.utils import timezone

from pilot.contract.job import FileSpec, Role
from server.dataservice import logic
from server.dataservice.models import Contact, Transfer
from server.dataservice.opened import RIMS
from server.dataservice.states import DatasetKind
from server.dataservice.steps import activate, follow, look, pins, poll, remove, submit
from server.pandaconfig.logic import define_queue, define_storage
from tests.server import jobs
from tests.server.dataservice.conftest import audit, history, nothing, replicas, states, words
from tests.services.tape import running

pytestmark = pytest.mark.one_python
CONTENT = b"spill 1, event 1"
SUM = f"adler32:{zlib.adler32(CONTENT):08x}"


@pytest.fixture(scope="module")
def robot():
    with running(migrate_after=0.2) as tape:
        yield tape


@pytest.fixture
def tape(db, robot, settings):
    """The robot as the storage TAPE, empty, and a queue."""
    settings.DATASERVICE = {"poll_every": 1, "look_every": 1, "delay": 1}
    robot.empty()
    options = {"patience": 3, "lifetime_key": "pin", "accepting": 3}
    said = {"is_deterministic": False, "compass_storage": {"plugin": "tape", "root": robot.root, "options": options}}
    define_storage("TAPE", said)
    define_queue({"nickname": "LOCAL", "status": "online"})
    return robot


def turn() -> None:
    now = timezone.now()
    follow.follow(now=now, keep=nothing)
    for step in (submit.submit, poll.poll, look.look, pins.keep_pins, remove.remove):
        step(RIMS, now=timezone.now(), keep=nothing)
    activate.activate(now=timezone.now(), keep=nothing)


def until(request, wanted: str) -> None:
    """Let the services run until all files of a request are in a state."""
    deadline, bell = time.monotonic() + 30, threading.Event()
    while set(states(request)) != {wanted}:
        assert time.monotonic() < deadline, f"{states(request)}: {words(request)}"
        turn()
        bell.wait(0.2)  # neither the robot nor the steps call anybody


def registered(*names: str) -> list[int]:
    dataset = logic.register_dataset("raw", kind=DatasetKind.INPUT, by="test")
    files = [logic.NewFile(name, size=len(CONTENT), checksum=SUM) for name in names]
    return logic.add_files(dataset, files, by="test", endpoint="TAPE", on_tape=True)


def test_files_come_from_tape_a_job_runs_on_them_and_they_are_let_go(tape):
    for name in ("a", "b"):
        tape.put_on_tape(f"raw/{name}", CONTENT)
    files = registered("a", "b")
    inputs = tuple(FileSpec(name, Role.INPUT, dataset="raw") for name in ("a", "b"))
    (job,) = jobs.submit(waits=True, inputs=inputs)
    request = logic.request_prestage(files, "TAPE", 3600, "manager")
    until(request, "pinned")
    assert jobs.state_of(job) == "activated"
    assert replicas("TAPE") == ["available"] * 2
    assert Contact.objects.get().silent_since is None
    logic.release(request, by="manager")
    until(request, "expired")
    audit()


def test_a_file_that_is_not_on_tape_never_looks_as_if_it_were_coming(tape):
    request = logic.request_prestage(registered("nothing"), "TAPE", 3600, "manager")
    turn()
    assert states(request) == ["requested"]
    assert Transfer.objects.get().answer == "absent"
    assert words(request).startswith("absent: ")


def test_a_file_that_was_stored_is_verified_when_it_is_truly_on_tape(tape):
    tape.store("raw/good", CONTENT)
    tape.store("raw/bad", CONTENT[::-1])
    good, bad = registered("good", "bad")
    request = logic.request_archive([good], "TAPE", "manager")
    wrong = logic.request_archive([bad], "TAPE", "manager")
    until(request, "verified")
    assert history(request) == ["requested", "on_disk", "on_tape", "verified"]
    deadline = time.monotonic() + 20
    while Transfer.objects.get(request=wrong).answer != "checksum" and time.monotonic() < deadline:
        turn()
    assert "instead of" in words(wrong)
    audit()


def test_a_service_that_does_not_answer_is_silent_and_nothing_moves(tape):
    tape.put_on_tape("raw/a", CONTENT)
    request = logic.request_prestage(registered("a"), "TAPE", 3600, "manager")
    with tape.server.frozen():
        submit.submit(RIMS, now=timezone.now(), keep=nothing)
    assert states(request) == ["requested"]
    assert Contact.objects.get().silent_since is not None
    until(request, "pinned")
    assert Contact.objects.get().silent_since is None


def test_files_are_removed(tape):
    tape.store("raw/a", CONTENT)
    request = logic.request_delete(registered("a"), "TAPE", "manager")
    until(request, "verified")
    assert "raw/a" not in tape.server.files()
