"""The ways in which payloads run: each as a program of its own, unless something else was asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

from pilot.contract.named import NamedTuple
from pilot.control.lanes import Occupied
from pilot.control.tails import last_words

if TYPE_CHECKING:
    from pilot.control.news import Key, Work
    from pilot.control.utilities import Utilities
    from pilot.copytool.base import Cancel
    from pilot.job import PayloadCommand, PayloadOutcome, Problem
    from pilot.runtime.limits import Limits
    from pilot.runtime.process import Payload
    from pilot.runtime.processes import Root
    from pilot.runtime.workdir import Workdir


class Way(Protocol):
    """One way in which payloads run."""

    def takes(self, work: Work) -> bool:
        """Whether this is the way for a job; the first that takes it runs it. In the payload thread."""

    def run(self, run: Run) -> PayloadOutcome:
        """Run a payload to its end, such that a stop through `Occupied` ends it. In the payload thread.

        Raises:
            HandedOver: somebody else brings it to its end.
        """


class HandedOver(Exception):
    """A way has taken a payload over; its job comes to the payload lane again, when that is brought back."""


class Brought(NamedTuple):
    """What became of a payload that was handed over. ``waits``: nothing yet.

    ``problem`` is what went wrong besides the payload itself; ``metrics`` are figures for the reports. ``utilities`` go
    with it, as long as its pilot lives.
    """

    outcome: Optional[PayloadOutcome] = None
    problem: Optional[Problem] = None
    metrics: Mapping[str, Any] = MappingProxyType({})
    utilities: Optional[Utilities] = None
    waits: bool = False


class Bare:
    """Marks a way for which a job's own program is not looked for, nor what goes with it.

    ``argv`` is what it runs instead, by ``Run.plain``; empty: no program.
    """

    argv: tuple[str, ...] = ()


class Findings:
    """What a way says of a run besides how the payload ended: figures for the report, and why it failed all the same.

    A problem counts before what the payload's own end tells.
    """

    def __init__(self) -> None:
        self.metrics: dict[str, Any] = {}
        self.problem: Optional[Problem] = None


class Run(NamedTuple):
    """What one payload is run with.

    ``cancelled`` is asked when the job is to end; ``plain`` runs something as one program would be, for ways that do so
    too; ``hold`` is then given the payload that runs, and answers how that is asked to end within so many seconds.
    """

    work: Work
    command: PayloadCommand
    place: Workdir
    bounds: Limits
    utilities: Optional[Utilities] = None
    cancelled: Optional[Cancel] = None
    findings: Optional[Findings] = None
    plain: Optional[Callable[[Run], PayloadOutcome]] = None
    hold: Optional[Callable[[Payload], Callable[[float], None]]] = None


class OnDemand:
    """A way that is made when the first job wants it: what it needs is not loaded before."""

    def __init__(self, wants: Callable[[Work], bool], make: Callable[[], Way]) -> None:
        self._wants, self._make = wants, make
        self._made: Optional[Way] = None

    def takes(self, work: Work) -> bool:
        """Whether a job wants it."""
        return self._wants(work)

    def run(self, run: Run) -> PayloadOutcome:
        """Run a payload the way that is made for it."""
        if self._made is None:
            self._made = self._make()
        return self._made.run(run)


class Alone:
    """Runs a payload as one program, under its keeper. ``grace``: seconds between being asked to end and being killed.

    ``roots``: where the trees of running payloads hang, by job; read by the checks' thread.
    """

    def __init__(self, occupied: Occupied, grace: float, roots: dict[Key, Root]) -> None:
        self._occupied, self._grace, self._roots = occupied, grace, roots

    def takes(self, work: Work) -> bool:
        """Whatever no other way has taken."""
        return True

    def run(self, run: Run) -> PayloadOutcome:
        """Start the program and wait for its end."""
        from pilot.runtime import process

        key, place = run.work.key, run.place
        payload = process.start(run.command, stdout=place.stdout, stderr=place.stderr, limits=run.bounds)
        ask = payload.stop if run.hold is None else run.hold(payload)
        self._occupied.stops_by(key, lambda: payload.stop(self._grace), ask)
        self._roots[key] = payload.root
        try:
            with contextlib.nullcontext() if run.utilities is None else run.utilities.beside(payload.pid):
                outcome = payload.wait()
                del self._roots[key]  # at once: what it has used now counts among what this process has
                return replace(outcome, words=last_words(place.stdout, place.stderr))
        finally:
            self._roots.pop(key, None)
