"""Takes the readings of one job for all checks that are due: each once per look, and only what one of them needs."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable, Optional

from pilot.contract.queue import QueueData
from pilot.contract.resource_types import ResourceType
from pilot.control.checks import memory, mounts
from pilot.control.checks.base import (
    CREDENTIAL,
    DISK,
    FEATURES,
    FOLDER,
    MOUNTS,
    SIZES,
    TREE,
    TYPE,
    Readings,
    Situation,
)
from pilot.control.checks.hardware import Hardware
from pilot.control.checks.standstill import Clocks, clocks
from pilot.control.credentials import Credential
from pilot.job import Job, Phase, Usage
from pilot.runtime import probe
from pilot.runtime.folder import Folder, Walk
from pilot.runtime.memory import Sampler
from pilot.runtime.prmon import SUMMARY, TABLE, Prmon
from pilot.runtime.processes import Root
from pilot.runtime.thrift import Thrift
from pilot.runtime.workdir import LOCK_FILE, Workdir
from pilot.settings import Settings
from pilot.site.features import Features
from pilot.site.node import free_disk

log = logging.getLogger(__name__)

#: The part of one core that walking a job's directory may use.
SHARE = 0.002
#: Seconds of it at one look: a directory of a million files, or one on a slow disk, is walked in parts.
WALKING = 5.0
#: What the pilot writes into a job's directory itself.
OWN_WRITING = (TABLE, SUMMARY, f"{SUMMARY}.new", LOCK_FILE, "pilotlog.txt")


@dataclass(frozen=True)
class Means:
    """What readings are taken with.

    ``root_of`` answers where the tree of a job's payload hangs, ``None`` when none runs; ``writes``: whether prmon's
    files are written, which they are not when prmon itself runs beside the payload. ``resource_type`` answers what jobs
    of such a type may take, and may ask the server; ``hardware`` what the node has, and is asked once for each job.
    """

    settings: Settings
    root_of: Callable[[tuple[int, int]], Optional[Root]]
    features: Callable[[], Features] = Features
    credential: Callable[[], Credential] = Credential
    answers: Callable[[Sequence[str], float], Mapping[str, str]] = probe.answers
    clocks: Callable[[], Clocks] = clocks
    now: Callable[[], float] = time.time
    resource_type: Callable[[str], Optional[ResourceType]] = lambda name: None
    hardware: Callable[[], Hardware] = Hardware
    writes: bool = True


class Reader:
    """Reads for one job; belongs to one thread. ``quiet`` are patterns of files that are no sign of life."""

    def __init__(self, means: Means, job: Job, queue: QueueData, place: Workdir, quiet: Sequence[str]) -> None:
        self.means, self._queue, self._place = means, queue, place
        self._quiet = (*OWN_WRITING, *quiet)
        self._lent = frozenset(file.lfn for file in job.spec.inputs)
        self._thrift = Thrift(SHARE, self._clock)
        self._folder: Optional[Folder] = None
        self._walked, self._walk_began = 0.0, 0.0  # when the walk began that the folder comes from, and the last one
        self._walk: Optional[Walk] = None
        self._sampler: Optional[Sampler] = None
        self._hardware: Optional[Hardware] = None
        self._features = Features()
        self._type: Optional[ResourceType] = None
        self._prmon = Prmon(place.root)
        self._readers: Mapping[str, Callable[[Job], dict[str, Any]]] = {
            FEATURES: self._read_features,
            TYPE: self._read_type,
            TREE: self._read_tree,
            FOLDER: self._read_folder,
            DISK: self._read_disk,
            SIZES: self._read_sizes,
            CREDENTIAL: self._read_credential,
            MOUNTS: self._read_mounts,
        }

    def _clock(self) -> float:
        return self.means.clocks().running

    @property
    def cpu_time(self) -> float:
        """Answer the seconds of processor time that the payload was last seen to have used."""
        return self._sampler.summary.user + self._sampler.summary.system if self._sampler is not None else 0.0

    def read(self, need: str, job: Job) -> dict[str, Any]:
        """Take one reading; answers fields of `Readings`.

        Raises:
            OSError: it cannot be taken.
        """
        return self._readers[need](job)

    @property
    def needs(self) -> tuple[str, ...]:
        """Answer all kinds of readings, in the order in which they are best taken."""
        return tuple(self._readers)

    def usage(self) -> Optional[Usage]:
        """Answer what the payload has used so far; ``None`` before the first sample."""
        if self._sampler is None or not self._sampler.summary.count:
            return None
        if self._hardware is None:
            self._hardware = self.means.hardware()
        has = self._hardware
        return replace(
            self._sampler.summary.usage(),
            workdir=self._folder.size if self._folder is not None else 0,
            cpu=has.cpu,
            cpu_level=has.level,
            gpu=has.gpu,
            gpus=has.gpus,
        )

    def _read_tree(self, job: Job) -> dict[str, Any]:
        root = self.means.root_of(job.key) if job.phase is Phase.RUNNING else None
        if root is None:
            return {}
        if self._sampler is None or self._sampler.root.pid != root.pid:
            self._sampler = Sampler(root, clock=self._clock)
        sample = self._sampler.sample(memory.limit(self._known(job))[0])
        if self.means.writes and sample.tree.processes:
            with contextlib.suppress(OSError):  # a full disk is the disk check's to tell
                self._prmon.write(sample, self._sampler.summary)
        return {"sample": sample, "cpu_time": self.cpu_time}

    def _read_folder(self, job: Job) -> dict[str, Any]:
        if self._folder is None or self._thrift.affordable():
            with self._thrift.spending():
                self._go_on_walking()
        return {"folder": self._folder, "folder_age": self._clock() - self._walked}

    def _go_on_walking(self) -> None:
        if self._walk is None:
            self._walk, self._walk_began = Walk(self._place.root, self._quiet, self._lent), self._clock()
        if (found := self._walk.go_on(WALKING)) is not None:
            self._folder, self._walked, self._walk = found, self._walk_began, None

    def _read_disk(self, job: Job) -> dict[str, Any]:
        return {"free_disk": free_disk(self._place.root)}

    def _read_sizes(self, job: Job) -> dict[str, Any]:
        sizes = {}
        for name in (self._place.stdout.name, self._place.stderr.name, *(file.lfn for file in job.spec.outputs)):
            with contextlib.suppress(FileNotFoundError):
                sizes[name] = (self._place.root / name).stat().st_size
        return {"sizes": sizes}

    def _read_features(self, job: Job) -> dict[str, Any]:
        self._features = self.means.features()
        return {"features": self._features, "spent_before": sum(os.times()[:4])}

    def _known(self, job: Job) -> Situation:
        """Answer what decides how much memory a job may take."""
        known = Readings(features=self._features, resource_type=self._type)
        return Situation(self.means.settings.monitor, job, self._queue, known)

    def _read_type(self, job: Job) -> dict[str, Any]:
        if memory.asks_for_type(self._known(job)):
            self._type = self.means.resource_type(job.spec.resource_type)
        return {"resource_type": self._type}

    def _read_credential(self, job: Job) -> dict[str, Any]:
        return {"credential": self.means.credential()}

    def _read_mounts(self, job: Job) -> dict[str, Any]:
        settings = self.means.settings.monitor
        paths = mounts.wanted(settings.mounts, self._queue)
        return {"mounts": self.means.answers(paths, settings.mounts_time) if paths else {}}
