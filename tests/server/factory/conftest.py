from __future__ import annotations

import pytest

from server.factory import logic, readings
from server.factory.launch import Launch
from server.factory.models import FactoryQueue
from server.pandaconfig.logic import define_queue
from tests.server.factory.played import PlayedBatch, run_cycle


@pytest.fixture(autouse=True)
def _nothing_counted():
    for remembered in (readings.USES, readings.RUNNING, readings.EARLIER):
        remembered.forget()


@pytest.fixture
def launch(tmp_path) -> Launch:
    for name in ("wrapper.sh", "pilot.pyz", "pilot.token"):
        (tmp_path / name).write_text("exit 0")
    return Launch(
        tmp_path / "wrapper.sh", tmp_path / "pilot.pyz", "http://127.0.0.1:1", lambda queue: tmp_path / "pilot.token"
    )


@pytest.fixture
def queue(db) -> FactoryQueue:
    define_queue({"nickname": "LOCAL", "status": "online"})
    return logic.define_queue("LOCAL", slots=3)


@pytest.fixture
def batch(tmp_path) -> PlayedBatch:
    return PlayedBatch(tmp_path)


@pytest.fixture
def cycle(queue, batch, launch):
    def cycle(after: float = 0.0, **more):
        return run_cycle(**{"system_of": lambda name, queue: batch, "launch": launch, "after": after, **more})

    return cycle
