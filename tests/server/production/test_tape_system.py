"""Merged files go to a real tape system: a robot behind XRootD, from a second XRootD, by our own mover."""

from __future__ import annotations

import tempfile
import threading
import time
import zlib
from pathlib import Path

import pytest
from django.utils import timezone

from pilot.contract.messages import StoredFile
from server.dataservice.models import Replica, Transfer
from server.dataservice.opened import RIMS
from server.dataservice.steps import follow, look, poll, remove, submit
from server.dataservice.where import Rims
from server.pandaconfig.logic import define_queue, define_storage
from server.production.models import CrossCheck, MergeGroup, Output, TaskEvent
from server.production.steps import archive, check_archive, finish
from server.storage.movers.own import OwnMover
from tests.server.dataservice.conftest import audit, nothing
from tests.server.production.conftest import FakePilot, define_data, reload, work
from tests.server.storage.movers.test_own import end_service
from tests.services import tape as tapes
from tests.services import xrootd

pytestmark = [pytest.mark.one_python, pytest.mark.campaign]

MDST = "mDST-278473-1-7.root"


class Pilot(FakePilot):
    """Its files have bytes of their own in each attempt; ``store`` writes them to the storage."""

    def __init__(self) -> None:
        super().__init__()
        self.contents: dict[str, bytes] = {}

    def success(self, job) -> dict:
        said = super().success(job)
        said["files"] = tuple(self._stored(job, file) for file in said["files"])
        return said

    def _stored(self, job, file: StoredFile) -> StoredFile:
        content = f"{file.lfn} of job {job.id} ".encode()
        self.contents[file.lfn] = (content * (file.size // len(content) + 1))[: file.size]
        return StoredFile(file.lfn, file.size, f"adler32:{zlib.adler32(self.contents[file.lfn]):08x}", url=file.url)

    def store(self, server) -> None:
        for replica in Replica.objects.filter(endpoint="DISK", state="available").select_related("file"):
            if replica.file.lfn in self.contents:
                server.put(replica.path, self.contents.pop(replica.file.lfn))


@pytest.fixture
def robot():
    with tapes.running(migrate_after=0.2) as tape:
        yield tape


@pytest.fixture
def disk():
    with xrootd.running() as server:
        yield server


@pytest.fixture
def rims():
    with tempfile.TemporaryDirectory(prefix="mover-", ignore_cleanup_errors=True) as name:
        mover = OwnMover(Path(name), patience=30)
        yield Rims(RIMS.storage_of, lambda source, target: mover)
        end_service(Path(name))


@pytest.fixture
def task(db, robot, disk, settings):
    """A production whose merged files lie on a disk server and are to go to a tape system."""
    settings.PRODUCTION = {"retry_delay": 0}
    settings.DATASERVICE = {"poll_every": 1, "look_every": 1, "delay": 1}
    options = {"patience": 5, "accepting": 3}
    define_storage("TAPE", {"is_deterministic": False, **_at("tape", robot.root, options)})
    define_storage("DISK", {"is_deterministic": False, **_at("xrootd", disk.root, {"patience": 5})})
    storages = {name: ["DISK"] for name in ("pr", "pw", "pl")}
    define_queue({"nickname": "LOCAL", "status": "online", "astorages": storages})
    pilot = Pilot()
    made = define_data(runs=1, chunks=2, tape="TAPE")
    work(pilot)
    follow.follow(now=timezone.now(), keep=nothing)
    pilot.store(disk)
    return made, pilot


def _at(plugin: str, root: str, options: dict) -> dict:
    return {"compass_storage": {"plugin": plugin, "root": root, "options": options}}


def turn(rims: Rims) -> None:
    follow.follow(now=timezone.now(), keep=nothing)
    archive.archive_files(now=timezone.now(), keep=nothing, rims=rims)
    for step in (submit.submit, poll.poll, look.look, remove.remove):
        step(rims, now=timezone.now(), keep=nothing)
    check_archive.check_archive(now=timezone.now())
    finish.finish_tasks()


def states() -> dict[str, str]:
    files = Output.objects.filter(group__isnull=False).exclude(kind="log")
    return dict(files.order_by("kind").values_list("kind", "tape"))


def until(rims: Rims, wanted: bool, condition, seconds: float = 90) -> None:
    deadline, bell = time.monotonic() + seconds, threading.Event()
    while condition() != wanted:
        words = list(Transfer.objects.order_by("pk").values_list("kind", "state", "tries", "words"))
        assert time.monotonic() < deadline, f"{states()}: {words}"
        turn(rims)
        bell.wait(0.2)  # neither the robot nor the steps call anybody


def all_on_tape() -> bool:
    return set(states().values()) == {"finished"}


def test_files_wait_for_a_drive_and_the_task_is_done_when_they_are_truly_on_tape(task, robot, disk, rims):
    made, _ = task
    for drive in range(2):
        robot.drive(drive, "down")
    until(rims, True, lambda: set(states().values()) == {"sent"})
    for _ in range(20):
        turn(rims)
    assert set(states().values()) == {"sent"}  # copied, and no drive to write them
    assert reload(made).state == "running"
    for drive in range(2):
        robot.drive(drive, "up")
    until(rims, True, all_on_tape)
    assert reload(made).state == "done"
    for file in Output.objects.filter(tape="finished"):
        (there,) = robot.layout.tapes.rglob(file.lfn)
        assert f"adler32:{zlib.adler32(there.read_bytes()):08x}" == file.checksum
    audit()


def test_a_file_that_vanished_is_made_anew_and_what_is_on_tape_is_the_new_one(task, robot, disk, rims):
    made, pilot = task
    before = Output.objects.get(lfn=MDST)
    (there,) = disk.data.rglob(MDST)
    there.unlink()
    turn(rims)
    assert MergeGroup.objects.get(kind="mdst").state == "ready"
    assert not CrossCheck.objects.filter(kind="mdst").exists()
    work(pilot)
    follow.follow(now=timezone.now(), keep=nothing)
    pilot.store(disk)
    until(rims, True, all_on_tape)
    after = Output.objects.get(lfn=MDST)
    assert after.checksum != before.checksum
    (there,) = robot.layout.tapes.rglob(MDST)
    assert f"adler32:{zlib.adler32(there.read_bytes()):08x}" == after.checksum
    assert reload(made).state == "done"
    audit()


def test_a_merge_that_is_made_again_replaces_its_copy_on_tape(task, robot, disk, rims, settings):
    settings.PRODUCTION = {"retry_delay": 0, "archive_delay": 1}
    made, pilot = task
    until(rims, True, all_on_tape)
    before = Output.objects.get(lfn=MDST)
    MergeGroup.objects.filter(kind="mdst").update(state="ready", job_id=None)
    CrossCheck.objects.filter(kind="mdst").delete()
    made.state = "running"
    made.save()
    work(pilot)
    until(rims, False, all_on_tape)
    pilot.store(disk)
    until(rims, True, all_on_tape)
    after = Output.objects.get(lfn=MDST)
    assert after.checksum != before.checksum
    (there,) = robot.layout.tapes.rglob(MDST)
    assert f"adler32:{zlib.adler32(there.read_bytes()):08x}" == after.checksum
    moves = TaskEvent.objects.filter(group=after.group, after__startswith="tape").order_by("id")
    assert [move.after for move in moves] == [
        *("tape ready", "tape sent", "tape finished"),
        *("tape none", "tape ready", "tape sent", "tape finished"),
    ]
    audit()
