"""One job in a folder, with real plugins and real copy tools, and a list of what is told to the conductor."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pilot import plugins
from pilot.api.copytools import copytools
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import QueueData, StorageEndpoint, local_storage
from pilot.control.data import DataControl, Doors
from pilot.control.lanes import Occupied
from pilot.control.lifecycle import Effect
from pilot.control.news import Site, Work
from pilot.control.payload import PayloadControl, Surroundings
from pilot.control.requirements import Room
from pilot.control.verification import Addresses, Place, Verification
from pilot.copytool.toolbox import Toolbox
from pilot.job import Job
from pilot.runtime import workdir
from pilot.runtime.container.containers import Containers
from pilot.settings import Server, Settings, Verify, sections
from pilot.settings.iterations import Iterations
from pilot.settings.sections import Container
from tests.pilot.dispatcher import queue_data


@dataclass
class Bench:
    base: Path
    storage: Path
    told: list = field(default_factory=list)
    queue: dict = field(default_factory=dict)  # what is said of it besides

    def __post_init__(self):
        self.storage.mkdir()
        self.plugins = plugins.load("generic")
        self.occupied = Occupied()

    @property
    def site(self):
        storages = {"STORE": StorageEndpoint.from_wire("STORE", local_storage("STORE", str(self.storage)))}
        return Site(QueueData.from_wire(queue_data(**self.queue)), storages)

    def spec(self, *argv, **more):
        log = FileSpec("job.log.tgz", Role.LOG, dataset="ds")
        return JobSpec(
            **{
                "id": 7,
                "attempt": 1,
                "transformation": argv[0] if argv else "true",
                "arguments": argv[1:],
                "log": log,
                **more,
            }
        )

    def work(self, effect, spec=None, seconds=30.0, step=1):
        return Work(Job(spec or self.spec(), step=step), effect, self.site, seconds)

    def doors(self, *urls, **rules):
        """What stands before jobs: with a whole machine for each, and the addresses and rules that are given."""
        room = Room(2**50, 64, 2**50)
        containers = Containers(Container(), dict(os.environ))
        verify = Verify(transformation_urls=urls, transformation_size=10**6, **rules)
        addresses = Addresses(Settings(server=Server(connect_timeout=2.0, read_timeout=2.0), verify=verify), "")
        place = Place(lambda spec, folder: room, lambda key: "", containers, addresses)
        return Doors(Verification(verify, place, self.plugins), addresses)

    def data(self, doors=None, **more):
        toolbox = Toolbox(copytools(self.plugins), Settings(copy=sections.Copy(attempts=1)))
        doors = doors or self.doors()
        return DataControl(self.told.append, self.plugins, self.occupied, self.base, toolbox, doors, **more)

    def payload(self, grace=1.0, also=(), container=None, payload=None, limits=None, ways=(), **iterations):
        own = dict(os.environ)
        chosen = sections.Payload(**{"grace": grace, "environment": also, **(payload or {})})
        bounds = sections.PayloadLimits(**(limits or {}))
        containers = Containers(container or sections.Container(), own)
        around = Surroundings(own, chosen, bounds, containers, lambda: Iterations(**iterations))
        return PayloadControl(self.told.append, self.plugins, self.occupied, self.base, around, ways)

    def make(self, spec):
        return workdir.create(self.base, spec).root


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "base", tmp_path / "storage")


__all__ = ["Bench", "Effect", "bench"]
