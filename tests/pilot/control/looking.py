"""One job that is looked at: real readings, but for the clock, and a list of what is told to the conductor."""

from __future__ import annotations

from pilot.contract.queue import QueueData
from pilot.control.checking import Checking
from pilot.control.checks.catalogue import CHECKS
from pilot.control.checks.readings import Means
from pilot.control.checks.standstill import Clocks
from pilot.control.news import Look, Matter, Measured, Order, Site
from pilot.job import Job, Phase
from pilot.settings import Credentials, Monitor, Settings


class Looking:
    """``root`` is where the payload's tree hangs; ``monitor`` are settings, ``queue`` fields of the queue."""

    def __init__(
        self, bench, spec, root=None, *, monitor=None, queue=None, checks=CHECKS, credentials=None, job=None, **means
    ):
        self.bench, self.clock, self.wall = bench, 1000.0, 1e9
        self.spec, self.root = spec, root
        self.place = bench.make(spec) if root is None else None
        self.site = Site(QueueData("Q", **(queue or {})))
        settings = Settings(
            monitor=Monitor(**{"free_disk": 0, **(monitor or {})}), credentials=Credentials(**(credentials or {}))
        )
        settings = settings if job is None else settings.evolve(job=job)
        self.checking = Checking(
            bench.told.append,
            bench.plugins,
            bench.base,
            Means(
                settings,
                root_of=lambda key: self.root,
                clocks=lambda: Clocks(self.clock, self.clock, self.wall),
                **{"now": lambda: self.wall, **means},
            ),
            checks,
        )

    def look(self, after=60.0, phase=Phase.RUNNING):
        """Let time pass, and look."""
        self.clock += after
        self.wall += after
        self.checking.look(Look(Job(self.spec, phase=phase), Matter.CHECK, self.site))

    @property
    def orders(self):
        return [word for word in self.bench.told if isinstance(word, Order)]

    @property
    def measured(self):
        return [word.usage for word in self.bench.told if isinstance(word, Measured)]
