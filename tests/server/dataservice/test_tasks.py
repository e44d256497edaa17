"""The periodic services of the data service: declared, and quiet where there is nothing to do."""

from __future__ import annotations

import pytest

from server.dataservice import logic, tasks
from server.dataservice.states import DatasetKind
from server.services.registry import Declared, Turn, declared
from tests.server import jobs
from tests.server.dataservice.conftest import START, nothing

SERVICES = {thing.name: thing for thing in vars(tasks).values() if isinstance(thing, Declared)}


def run(name: str) -> dict[str, object]:
    return dict(SERVICES[name](Turn(name, START, nothing)))


def test_all_of_them_are_found_by_the_worker():
    assert set(SERVICES) <= set(declared())
    assert sorted(SERVICES) == [
        f"dataservice.{verb}"
        for verb in (
            "activate",
            "cancel",
            "close",
            "follow",
            "give_up",
            "look",
            "pins",
            "poll",
            "remove",
            "submit",
            "sweep",
        )
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_each_is_quiet_where_there_is_nothing_to_do(world, name):
    assert not any(run(name).values())


def test_they_tell_how_much_they_did(world, queue):
    jobs.submit()
    assert run("dataservice.follow") == {"changed": 2}
    dataset = logic.register_dataset("raw", kind=DatasetKind.INPUT, by="test", now=START)
    assert logic.close(dataset, by="test", now=START)
    assert run("dataservice.close") == {"closed": 0, "frozen": 0}
    assert run("dataservice.activate") == {"activated": 0, "failed": 0}
