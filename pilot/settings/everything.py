"""All settings: one line for each section, which is not imported before somebody reads it or a layer names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Optional

from pilot.settings.declaring import Section

if TYPE_CHECKING:
    from pilot.settings.broker import Broker
    from pilot.settings.chirp import Chirp
    from pilot.settings.events import Events
    from pilot.settings.gfal import Gfal
    from pilot.settings.gridftp import Gridftp
    from pilot.settings.harvester import Harvester
    from pilot.settings.hpc import Hpc
    from pilot.settings.iterations import Iterations
    from pilot.settings.lsm import Lsm
    from pilot.settings.realtime import Realtime
    from pilot.settings.rucio import Rucio
    from pilot.settings.s3 import S3
    from pilot.settings.scp import Scp
    from pilot.settings.sections import (
        Container,
        Copy,
        Credentials,
        Job,
        Log,
        Monitor,
        Payload,
        PayloadLimits,
        Plugins,
        Queue,
        Recovery,
        Server,
        Stop,
        Verify,
    )
    from pilot.settings.stager import Stager
    from pilot.settings.xrdcp import Xrdcp


class _Place:
    """Where a section's class stands: a module beside this one, and in it the name that the annotation says."""

    def __init__(self, module: str) -> None:
        self._module = f"{__package__}.{module}"

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._kind = name, owner.__annotations__[name]

    def load(self) -> type[Section]:
        """Answer the class."""
        kind: type[Section] = getattr(import_module(self._module), self._kind)
        return kind

    def __get__(self, settings: Optional[Settings], owner: type) -> Section:
        """Answer a section that was not given: all of it is as declared."""
        if settings is None:
            raise AttributeError(f"{owner.__name__} has {self._name} when it is made")
        found: Section = vars(settings).setdefault(self._name, self.load()())
        return found


def _in(module: str) -> Any:
    return _Place(module)


class Settings(Section):
    """Everything; one attribute per section."""

    server: Server = _in("sections")
    queue: Queue = _in("sections")
    job: Job = _in("sections")
    verify: Verify = _in("sections")
    payload: Payload = _in("sections")
    limits: PayloadLimits = _in("sections")
    container: Container = _in("sections")
    copy: Copy = _in("sections")
    monitor: Monitor = _in("sections")
    credentials: Credentials = _in("sections")
    stop: Stop = _in("sections")
    recovery: Recovery = _in("sections")
    plugins: Plugins = _in("sections")
    harvester: Harvester = _in("harvester")
    hpc: Hpc = _in("hpc")
    events: Events = _in("events")
    realtime: Realtime = _in("realtime")
    broker: Broker = _in("broker")
    chirp: Chirp = _in("chirp")
    iterations: Iterations = _in("iterations")
    stager: Stager = _in("stager")
    lsm: Lsm = _in("lsm")
    scp: Scp = _in("scp")
    gfal: Gfal = _in("gfal")
    gridftp: Gridftp = _in("gridftp")
    s3: S3 = _in("s3")
    xrdcp: Xrdcp = _in("xrdcp")
    rucio: Rucio = _in("rucio")
    log: Log = _in("sections")

    @property
    def gathers(self) -> bool:
        """Whether jobs are gathered for allocations of a supercomputer."""
        return self.job.workflow == "hpc" or (self.mentions("hpc") and self.hpc.mode == "always")

    def mentions(self, section: str) -> bool:
        """Say whether somebody has given, or read, a section; all of any other one is as declared."""
        return section in vars(self)

    def evolve(self, **sections: Section) -> Settings:
        """Answer a copy with some sections changed."""
        return Settings(**{**vars(self), **sections})


class _Sections(Mapping[str, type[Section]]):
    """The classes of all sections by name; one is imported when it is asked for, and not to list the names."""

    def __init__(self) -> None:
        self._places = {name: place for name, place in vars(Settings).items() if isinstance(place, _Place)}

    def __getitem__(self, name: str) -> type[Section]:
        return self._places[name].load()

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


SECTIONS: Mapping[str, type[Section]] = _Sections()
