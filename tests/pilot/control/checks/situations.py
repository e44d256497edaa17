"""Situations for the tests of checks: what was read is said, nothing is read."""

from __future__ import annotations

from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.control.checks.base import Readings, Situation
from pilot.job import Job, Memory, Phase, Traffic
from pilot.runtime.folder import Folder
from pilot.runtime.memory import Sample
from pilot.runtime.processes import Process, Tree
from pilot.settings import Monitor

MB = 10**6


def process(pid=100, state="S"):
    return Process(pid, 1, state, user=0.0, system=0.0, threads=1, started=0.0, vmem=0, rss=0)


def sample(pss=0, *states):
    tree = Tree(tuple(process(100 + n, state) for n, state in enumerate(states or "S")))
    return Sample(1e9, 60.0, tree, Memory(pss=pss, rss=pss), Traffic())


def situation(clock=0.0, *, settings=None, queue=None, spec=None, now=1e9, **read):
    """One look; ``read`` are fields of the readings, and ``stamps`` and ``closed`` those of the folder."""
    if "stamps" in read:
        read["folder"] = Folder(stamps=read.pop("stamps"), closed=read.pop("closed", 0))
    return Situation(
        Monitor(**(settings or {})),
        Job(JobSpec(**{"id": 7, "attempt": 1, "transformation": "true", **(spec or {})}), phase=Phase.RUNNING),
        QueueData("Q", **(queue or {})),
        Readings(now=now, **read),
        clock,
        credential_left=3600.0,
    )
