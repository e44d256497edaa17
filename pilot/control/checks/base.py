"""What a check sees and what it answers. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple, Optional

from pilot.contract.queue import QueueData
from pilot.contract.resource_types import ResourceType
from pilot.control.credentials import Credential
from pilot.job import Job, Phase, Problem
from pilot.runtime.folder import Folder
from pilot.runtime.memory import Sample
from pilot.settings import Monitor, Settings
from pilot.site.features import Features

MB = 10**6


class Standstill(NamedTuple):
    """What lay between two looks, in seconds.

    The pilot was stopped (``paused``), the machine was suspended, or somebody put the clock (``jumped``).
    """

    paused: float = 0.0
    suspended: float = 0.0
    jumped: float = 0.0


@dataclass(frozen=True)
class Readings:
    """What was found at one look; a part that nobody needed, or that there is not in this phase, is ``None``.

    ``sizes`` are bytes by file name. ``mounts``: what is wrong with each path that has to answer, "" for nothing.
    ``now`` is seconds since 1970; ``folder_age`` are the seconds since the walk began that ``folder`` comes from.
    """

    now: float = 0.0
    sample: Optional[Sample] = None
    cpu_time: float = 0.0
    folder: Optional[Folder] = None
    folder_age: float = 0.0
    free_disk: Optional[int] = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    features: Features = Features()
    resource_type: Optional[ResourceType] = None
    spent_before: float = 0.0  # seconds of processor time that the slot had used before this payload
    credential: Credential = Credential()
    mounts: Mapping[str, str] = field(default_factory=dict)
    standstill: Standstill = Standstill()


@dataclass(frozen=True)
class Situation:
    """One job at one look. ``clock`` counts the seconds in which machine and pilot ran; nobody puts it."""

    settings: Monitor
    job: Job
    queue: QueueData
    readings: Readings
    clock: float = 0.0
    credential_left: float = 0.0


class Verdict(NamedTuple):
    """What a check found: a problem ends the job (``everything``: all jobs, and no more are asked for).

    ``memory`` is what the check is given back at its next look; ``warning`` goes into the log; ``stacks`` asks for what
    the processes are doing to be written there, too.
    """

    problem: Optional[Problem] = None
    memory: Any = None
    warning: str = ""
    everything: bool = False
    stacks: bool = False


GOOD = Verdict()

#: A part of the readings that a check needs; see `checks.readings`.
TREE, FOLDER, DISK, SIZES, FEATURES, TYPE, CREDENTIAL, MOUNTS = (
    "tree",
    "folder",
    "disk",
    "sizes",
    "features",
    "type",
    "credential",
    "mounts",
)

RUNNING = frozenset({Phase.RUNNING})
WORKING = frozenset({Phase.STAGING_IN, Phase.RUNNING, Phase.STAGING_OUT})
#: What only a payload needs, or makes worse, ends no job whose payload has ended well.
BEFORE_THE_END = WORKING - {Phase.STAGING_OUT}


@dataclass(frozen=True)
class Check:
    """One check: its name, the seconds between two looks, the phases and the readings that it needs.

    ``look`` is given the situation and what the check remembered (``None`` at first).
    """

    name: str
    period: Callable[[Settings], float]
    look: Callable[[Situation, Any], Verdict]
    phases: frozenset[Phase] = RUNNING
    needs: frozenset[str] = frozenset()
