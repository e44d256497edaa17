"""Storages named TAPE, DISK and FAR, a clock that is turned by hand, and all steps as one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from pilot.contract.queue import local_storage
from server.dataservice import logic
from server.dataservice.models import Dataset, DatasetFile, Replica, Transfer, TransferEvent, TransferRequest
from server.dataservice.states import TRANSFER_MOVES, DatasetKind, FileState, TransferKind, TransferState
from server.dataservice.steps import activate, close, follow, look, pins, poll, remove, submit
from server.dataservice.where import Rims
from server.pandaconfig.logic import define_storage
from tests.server.dataservice.storages import Disk, Porter, Robot

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = 86400


def nothing() -> None:
    """A sign of life that nobody waits for."""


@dataclass
class World:
    """The storages, the mover, and what time it is."""

    tape: Robot = field(default_factory=lambda: Robot("TAPE"))
    disk: Disk = field(default_factory=lambda: Disk("DISK"))
    far: Disk = field(default_factory=lambda: Disk("FAR"))
    now: datetime = START

    def __post_init__(self) -> None:
        self.porter = Porter({"TAPE": self.tape, "DISK": self.disk, "FAR": self.far})
        self.rims = Rims(self.open, lambda source, target: self.porter)

    def open(self, name: str) -> Disk:
        return self.porter.storages[name]

    def later(self, **more: float) -> World:
        self.now += timedelta(**more)
        return self

    def submit(self) -> int:
        return submit.submit(self.rims, now=self.now, keep=nothing)

    def poll(self) -> int:
        return poll.poll(self.rims, now=self.now, keep=nothing)

    def look(self) -> int:
        return look.look(self.rims, now=self.now, keep=nothing)

    def pins(self) -> int:
        return pins.keep_pins(self.rims, now=self.now, keep=nothing)

    def remove(self) -> int:
        return remove.remove(self.rims, now=self.now, keep=nothing)

    def follow(self) -> int:
        return follow.follow(now=self.now, keep=nothing)

    def activate(self) -> tuple[int, int]:
        return activate.activate(now=self.now, keep=nothing)

    def close(self) -> tuple[int, int]:
        return close.close(now=self.now)

    def turn(self) -> None:
        """Run every step once, half a minute later."""
        self.later(seconds=30)
        for step in (self.follow, self.submit, self.poll, self.look, self.pins, self.remove, self.activate):
            step()


@pytest.fixture
def world(db, settings) -> World:
    settings.DATASERVICE = {"delay": 60, "poll_every": 1}
    for name in ("TAPE", "DISK", "FAR"):
        define_storage(name, local_storage(name, f"/{name}"))
    return World()


def names(count: int) -> list[str]:
    return [f"cdr{number:05}-1.raw" for number in range(count)]


def filled(
    world: World, count: int = 1, *, at: str = "TAPE", dataset: str = "raw", checksum: str = "adler32:0000000a"
) -> list[int]:
    """Make files that lie at one storage, of 10 bytes each; answer their numbers."""
    on = "tape" if at == "TAPE" else "disk"
    world.open(at).put(*[f"{dataset}/{lfn}" for lfn in names(count)], checksum=checksum or "adler32:0000000a", on=on)
    rows = [logic.NewFile(lfn, size=10, checksum=checksum) for lfn in names(count)]
    made = logic.register_dataset(dataset, kind=DatasetKind.INPUT, by="test", now=world.now)
    return logic.add_files(made, rows, by="test", endpoint=at, on_tape=at == "TAPE", now=world.now)


def states(request: TransferRequest) -> list[str]:
    """Answer the states of a request's files."""
    return list(Transfer.objects.filter(request=request).order_by("pk").values_list("state", flat=True))


def history(request: TransferRequest) -> list[str]:
    """Answer what the first file of a request went through."""
    first = Transfer.objects.filter(request=request).order_by("pk").first()
    return list(TransferEvent.objects.filter(transfer=first).order_by("pk").values_list("after", flat=True))


def words(request: TransferRequest) -> str:
    return str(Transfer.objects.filter(request=request).order_by("pk").values_list("words", flat=True).first())


def replicas(at: str) -> list[str]:
    return list(Replica.objects.filter(endpoint=at).order_by("pk").values_list("state", flat=True))


def audit() -> None:
    """Hold the rows against what must always be true of them."""
    for dataset in Dataset.objects.all():
        rows = [row for row in DatasetFile.objects.filter(dataset=dataset) if row.state != FileState.REPLACED]
        there = [row for row in rows if row.state == FileState.AVAILABLE]
        assert dataset.files == len(rows)
        assert dataset.expected == sum(row.state == FileState.EXPECTED for row in rows)
        assert dataset.available == len(there)
        assert dataset.size == sum(row.size or 0 for row in there)
        assert dataset.events == sum(row.events or 0 for row in there)
    for transfer in Transfer.objects.all():
        moves = list(TransferEvent.objects.filter(transfer=transfer).order_by("pk"))
        assert moves[0].before == ""
        assert moves[-1].after == transfer.state
        for first, second in pairwise(moves):
            assert second.before == first.after
            if second.before == second.after:  # a note, and no move
                continue
            table = TRANSFER_MOVES[TransferKind(transfer.kind)]
            assert (TransferState(second.before), TransferState(second.after)) in table
        tries = [move.tries for move in moves]
        assert tries == sorted(tries)
        assert transfer.tries <= transfer.allowed
    for request in TransferRequest.objects.all():
        living = {"requested", "queued", "active", "on_disk", "pinned", "on_tape"}
        assert (request.state == "open") == bool(living & set(states(request)))
