"""Raw files on a storage with tapes: the data service with its own steps, and storages that are told what to do."""

from __future__ import annotations

import pytest

from pilot.contract import naming
from pilot.contract.queue import local_storage
from server.pandaconfig.logic import define_storage
from server.production.models import Chunk, RawFile, Task
from server.production.steps import check_staging, prestage
from tests.server.dataservice.conftest import World
from tests.server.production.conftest import define_data


class Tapes(World):
    """A data service whose storage TAPE has tapes, with the production's steps beside it."""

    def put(self, task: Task, *, on: str = "tape") -> None:
        """Let the raw files of a task lie there."""
        for raw in RawFile.objects.filter(chunk__task=task):
            self.tape.put(f"{raw.dataset}/{raw.lfn}", size=1000, on=on)

    def ask(self) -> int:
        return prestage.prestage(self.now)

    def check(self) -> int:
        return check_staging.check_staging(self.now)

    def release(self) -> int:
        return check_staging.release_unneeded(self.now)

    def bring(self) -> None:
        """Have the robot do what it was asked for, and the data service notice."""
        self.later(seconds=30).submit()
        self.tape.work()
        self.later(seconds=30).poll()
        self.look()


@pytest.fixture
def tapes(queue, settings) -> Tapes:
    settings.DATASERVICE = {"delay": 60, "poll_every": 1}
    define_storage("TAPE", {**local_storage("TAPE", "/TAPE"), "is_tape": True})
    return Tapes()


def define_on_tape(tapes: Tapes, *, on: str = "tape", **more: object) -> Task:
    """A task on data that is on its way, all of whose raw files lie on the storage TAPE."""
    task = define_data(**more)
    RawFile.objects.filter(chunk__task=task).update(endpoint="TAPE")
    tapes.put(task, on=on)
    return task


def states(task: Task) -> list[str]:
    rows = Chunk.objects.filter(task=task).order_by("run__number", "number")
    return list(rows.values_list("state", flat=True))


def raw_name(chunk: Chunk) -> str:
    return f"raw/2016/{naming.raw(chunk.run.number, chunk.number)}"
