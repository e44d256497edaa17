"""The real storages by name, and copies between folders by our own mover."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import tempfile
import threading
import time
import zlib
from pathlib import Path

import pytest
from django.utils import timezone

from pilot.contract.queue import local_storage
from server.dataservice import logic
from server.dataservice.models import Contact
from server.dataservice.opened import RIMS, mover_of, storage_of
from server.dataservice.states import DatasetKind
from server.dataservice.steps import look, poll, remove, submit
from server.pandaconfig.logic import define_storage
from server.storage.base import StorageMisconfigured
from server.storage.movers.fts3 import Fts3Mover
from tests.server.dataservice.conftest import audit, nothing, replicas, states, words

CONTENT = b"spill 1, event 1"
SUM = f"adler32:{zlib.adler32(CONTENT):08x}"


@pytest.fixture
def folder(db, settings):
    """The storages DISK and FAR as folders, and a home for the mover, whose service is ended at the end."""
    settings.DATASERVICE = {"poll_every": 1, "delay": 1}
    with tempfile.TemporaryDirectory(prefix="opened-", ignore_cleanup_errors=True) as name:
        settings.HOME = Path(name)
        for storage in ("DISK", "FAR"):
            (Path(name) / storage).mkdir()
            define_storage(storage, local_storage(storage, f"{name}/{storage}"))
        yield Path(name)
        end_service(Path(name) / "mover")


def end_service(home: Path) -> None:
    """End the mover's service by its own number, and wait until it is gone."""
    if (home / "pid").exists():
        with contextlib.suppress(ProcessLookupError):
            service = os.pidfd_open(int((home / "pid").read_text()))
            signal.pidfd_send_signal(service, signal.SIGKILL)
            assert select.select([service], [], [], 10)[0]
            os.close(service)


def registered(folder: Path, *names: str) -> list[int]:
    (folder / "DISK" / "out").mkdir()
    for name in names:
        (folder / "DISK" / "out" / name).write_bytes(CONTENT)
    dataset = logic.register_dataset("out", kind=DatasetKind.OUTPUT, by="test")
    files = [logic.NewFile(name, size=len(CONTENT), checksum=SUM) for name in names]
    return logic.add_files(dataset, files, by="test", endpoint="DISK")


def until(request, wanted: str) -> None:
    deadline, bell = time.monotonic() + 30, threading.Event()
    while set(states(request)) != {wanted}:
        assert time.monotonic() < deadline, f"{states(request)}: {words(request)}"
        for step in (submit.submit, poll.poll, look.look, remove.remove):
            step(RIMS, now=timezone.now(), keep=nothing)
        bell.wait(0.1)


def test_files_are_copied_verified_and_removed_where_they_were(folder):
    files = registered(folder, "a", "b")
    until(logic.request_replicate(files, "FAR", "manager"), "verified")
    assert (folder / "FAR/out/b").read_bytes() == CONTENT
    assert replicas("FAR") == ["available"] * 2
    until(logic.request_delete(files, "DISK", "manager"), "verified")
    assert list((folder / "DISK/out").glob("*")) == []
    assert Contact.objects.filter(silent_since=None).count() == 2
    audit()


def test_a_file_whose_bytes_are_not_those_of_the_catalogue_is_not_verified(folder):
    files = registered(folder, "a")
    (folder / "DISK/out/a").write_bytes(CONTENT[::-1])
    request = logic.request_replicate(files, "FAR", "manager")
    deadline = time.monotonic() + 30
    while not words(request):
        assert time.monotonic() < deadline
        for step in (submit.submit, poll.poll, look.look):
            step(RIMS, now=timezone.now(), keep=nothing)
    assert "instead of" in words(request) or "checksum" in words(request)
    assert replicas("FAR") == ["copying"]


def test_a_storage_that_is_not_known_or_not_described_well_is_told_by_name(folder):
    with pytest.raises(LookupError, match="'NOWHERE' is not known here"):
        storage_of("NOWHERE")
    with pytest.raises(LookupError, match="'NOWHERE' is not known here"):
        mover_of("DISK", "NOWHERE")
    define_storage("ODD", {"compass_storage": {"plugin": "xyzzy", "root": "file:///odd"}})
    with pytest.raises(StorageMisconfigured, match="xyzzy"):
        storage_of("ODD")


def test_a_storage_names_who_copies_to_it(folder):
    define_storage("GRID", {"compass_storage": {"mover": {"fts3": "https://fts.example:8446"}}})
    assert isinstance(mover_of("DISK", "GRID"), Fts3Mover)
    assert mover_of("DISK", "FAR") is mover_of("FAR", "DISK")
