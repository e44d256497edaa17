"""What a pilot does for those that died on the same disk: offers their final reports, reports their jobs lost, cleans.

It acts on files only, and under the lock of the dead pilot's folder: two pilots never settle the same one. Processes
need no care, because a payload's keeper ends it when its pilot dies.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.api.communicator import Report
from pilot.api.replies import Refused, ServerError
from pilot.contract.job import JobSpec
from pilot.control import reports
from pilot.control.component import END, Budget, Component
from pilot.control.data import PILOT_LOG
from pilot.control.journal import Journal, JournalUnusable, Record
from pilot.errors import JobFailed
from pilot.job import Phase
from pilot.runtime import workdir

if TYPE_CHECKING:
    from pilot.api.communicator import Communicator

log = logging.getLogger(__name__)

#: How the folder of one pilot begins; below it lie its journal, its log and its jobs' directories.
FOLDER = "compass-pilot-"
JOURNAL = "journal"
START: Any = object()
#: A request for work that nobody took over for so many seconds is of no use: its jobs are others' by now.
REQUEST_LIFE = 86400.0


def orphans(base: Path, own: Path) -> Iterator[Path]:
    """Answer the folders of other pilots in which there is something to settle."""
    for folder in sorted(base.glob(f"{FOLDER}*")):
        if folder != own and (any(folder.glob(f"{JOURNAL}/*.json")) or any(folder.glob("PanDA_Pilot-*"))):
            yield folder


def take_over_request(base: Path, own: Path, server: str, queue: str) -> Optional[str]:
    """Answer the id of a dead pilot's request for work that has no answer yet, and make it this pilot's.

    Asked again under that id, the server answers what it answered then, so that no job is lost between the two.
    """
    for folder in orphans(base, own):
        with contextlib.suppress(JobFailed, JournalUnusable), workdir.lock(folder):
            journal = Journal(folder / JOURNAL)
            if (request_id := journal.open_request(server, queue)) is not None:
                journal.hand_over_request(Journal(own / JOURNAL))
                log.info("taking over request %s of %s", request_id, folder.name)
                return request_id
    return None


class RecoveryLane(Component):
    """Settles once at the start, beside the jobs, and again at the end when something was left."""

    def __init__(self, inbox: queue.Queue[Any], budget: Budget, recovery: Recovery) -> None:
        super().__init__("recovery", inbox, budget)
        self._recovery, self._first = recovery, True
        self._left = 0

    def take(self) -> Any:
        if self._first:
            self._first = False
            return START
        item = super().take()
        if item is END and self._left:
            self._left = self._recovery.settle_all()
        return item

    def handle(self, item: Any) -> None:
        self._left = self._recovery.settle_all()


class Recovery:
    """Settles what dead pilots have left."""

    def __init__(
        self, base: Path, own: Path, server: Communicator, facts: reports.Facts, now: Callable[[], float]
    ) -> None:
        self._base, self._own, self._server, self._facts, self._now = base, own, server, facts, now

    def settle_all(self) -> int:
        """Settle what can be settled; answer how many jobs are left because the server did not take their report."""
        left = 0
        for folder in orphans(self._base, self._own):
            try:
                with workdir.lock(folder):
                    left += self._settle(folder)
            except JobFailed as wrong:  # it belongs to a pilot that lives, most often
                log.info("%s is left alone: %s", folder.name, wrong)
            except JournalUnusable as wrong:
                log.warning("%s", wrong)
        return left

    def _settle(self, folder: Path) -> int:
        journal = Journal(folder / JOURNAL)
        records = list(journal.records())
        left = sum(not self._settle_job(journal, record) for record in records if record.server == self._server.name)
        if not journal.holds_jobs():
            for place in folder.glob("PanDA_Pilot-*"):
                workdir.remove(workdir.Workdir(place))
            if journal.request_since() > self._now() - REQUEST_LIFE:
                return left  # for a pilot of its queue to take over
            journal.answered()
            if not (folder / PILOT_LOG).exists():
                shutil.rmtree(folder, ignore_errors=True)
        return left

    def _settle_job(self, journal: Journal, record: Record) -> bool:
        """Have one final report taken; True when nothing is left to do for it."""
        if not record.final:
            record = replace(record, phase=Phase.REPORTING.value, final=self._lost(record))
            # The same words again, should this pilot die too.
            journal.write(record, durable=True)
        try:
            self._server.report(Report(record.final))
        except Refused as wrong:
            log.warning("job %d.%d: the server does not want its report: %s", record.id, record.attempt, wrong)
        except ServerError as wrong:
            log.warning("job %d.%d: its report stays in %s: %s", record.id, record.attempt, journal.folder, wrong)
            return False
        log.info("job %d.%d of a dead pilot is settled", record.id, record.attempt)
        journal.forget(record.id, record.attempt)
        return True

    def _lost(self, record: Record) -> str:
        words = f"its pilot died while the job was {record.phase}"
        if record.problem:
            words += f", after {record.problem}"
        spec = JobSpec(id=record.id, attempt=record.attempt, transformation="")
        update = reports.lost(spec, record.queue, record.started, self._facts, self._now(), words)
        return self._server.compose(update, None).text
