"""The way of jobs whose work comes in event ranges: what `pilot.eventservice` needs of the pilot, put together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from pilot.contract.codes import ErrorCode
from pilot.control import adoption, transfers
from pilot.control.lanes import Occupied
from pilot.control.news import Measured
from pilot.control.running import Run
from pilot.copytool.base import Cancel
from pilot.eventservice import inheritance, merging, way

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Callable

    from pilot.contract.queue import QueueData, StorageEndpoint
    from pilot.control.journal import Record
    from pilot.control.lanes import Tell
    from pilot.control.news import Work
    from pilot.control.recovery import Sites
    from pilot.copytool.toolbox import Toolbox
    from pilot.eventservice.errands import Server, Storing
    from pilot.eventservice.way import Around, Ask, Running
    from pilot.job import PayloadCommand, PayloadOutcome
    from pilot.settings import Settings


def around_of(settings: Settings, server: Server, toolbox: Toolbox, left: Callable[[], float]) -> Around:
    """Collect what all jobs of event ranges are run with; ``left`` answers the seconds until the pilot has to go."""

    def storing(queue: QueueData, storages: Mapping[str, StorageEndpoint], folder: Path) -> Storing:
        return toolbox.engine(queue, storages, partial(transfers.note, folder))

    return way.Around(settings, server, storing, left)


def settle(record: Record, folder: Path, around: Around, sites: Sites, *, store: bool) -> None:
    """Bring the ranges of a dead pilot's job to their end; ``store``: the site wants what it made stored.

    Raises:
        ServerError: the server cannot be asked, or told, now.
    """
    job = adoption.job_of(record, folder.parent)
    storing = None
    if store:
        storing = way.store_of(job.spec, sites.of(record.queue), folder, Cancel(), around).store
    inheritance.settle(record.id, folder, around.server, storing)


class EventWay:
    """Runs payloads that work on event ranges, and those that merge what ranges have made."""

    def __init__(self, occupied: Occupied, around: Around, tell: Tell) -> None:
        self._occupied, self._around, self._tell = occupied, around, tell

    def takes(self, work: Work) -> bool:
        """Whether a job's work comes in event ranges, or is to merge them."""
        return work.job.spec.events or work.job.spec.merges_events

    def run(self, run: Run) -> PayloadOutcome:
        """Run a payload, and hand ranges to it; one that merges finds them in its directory."""
        work, plain, findings = run.work, run.plain, run.findings
        if plain is None or findings is None:
            raise TypeError("a run of event ranges without its means")
        if work.job.spec.merges_events:
            with merging.prepared(work.job.spec, run.place.root, run.command) as command:
                return plain(run._replace(command=command))

        def start(command: PayloadCommand, hold: Callable[[Running], Ask]) -> PayloadOutcome:
            return plain(run._replace(command=command, hold=hold))

        def stops_by(stop: Callable[[], None], ask: Ask) -> None:
            self._occupied.stops_by(work.key, stop, ask)

        ordered = way.Ordered(
            work.job.spec,
            work.site,
            run.place.root,
            run.command,
            Cancel() if run.cancelled is None else run.cancelled,
            stops_by,
            start,
            lambda figures: self._tell(Measured(work.key, metrics=figures)),
        )
        found = way.run(ordered, self._around)
        findings.metrics.update(found.metrics)
        findings.problem = found.problem if _counts(found) else None
        return found.outcome


def _counts(found: way.Found) -> bool:
    """Say whether what the ranges came to is the reason of a failure; a payload that fails has a reason of its own."""
    return found.outcome.well or (found.problem is not None and found.problem.code not in _CONSEQUENCES)


#: What follows from a payload that broke: no range was done. Why it broke is the better thing to tell.
_CONSEQUENCES = (ErrorCode.ES_RECOVERABLE, ErrorCode.ES_FATAL)
