"""What a pilot does for those that died before it: offers their final reports, takes over their jobs, cleans up.

It acts on files only, and under the lock of the dead pilot's folder: two pilots never settle the same one. Processes
need no care, because a payload's keeper ends it when its pilot dies. Folders are looked for on this pilot's disk, and
in the one that the site names for what pilots could not settle.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.api.communicator import Report
from pilot.api.replies import BadQueueData, Refused, ServerError, Unreachable
from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.named import NamedTuple
from pilot.control import moving, reports
from pilot.control.component import Budget, Component
from pilot.control.journal import JOURNAL, PHASES, Journal, JournalUnusable, Record
from pilot.control.moving import PILOT_LOG
from pilot.control.news import News, Settled, Site
from pilot.errors import JobFailed
from pilot.job import Job, Phase, Problem
from pilot.runtime import workdir
from pilot.runtime.workdir import FOLDER

if TYPE_CHECKING:
    from pilot.api.communicator import Communicator
    from pilot.control import adoption
    from pilot.settings.sections import Queue
    from pilot.settings.sections import Recovery as Policy

log = logging.getLogger(__name__)

#: A request for work that nobody took over for so many seconds is of no use: its jobs are others' by now.
REQUEST_LIFE = 86400.0
#: A folder that a pilot died over before it had it is removed after so many seconds.
UNBORN_LIFE = 86400.0
#: So many jobs are taken over at a time; the next ones when these are done.
MOST_ADOPTED = 8


def orphans(bases: Sequence[Path], own: Path) -> Iterator[Path]:
    """Answer the folders of other pilots in which there is something to settle."""
    return (folder for folder in _others(bases, own) if _is_left(folder))


def _is_left(folder: Path) -> bool:
    """Say whether a pilot's folder holds more than its log."""
    try:
        return any(any(found) for found in (folder.glob(f"{JOURNAL}/*"), moving.places(folder), _parts(folder)))
    except OSError as wrong:  # another pilot has just removed it, or its disk is gone
        log.info("%s is left alone: %s", folder, wrong)
        return False


def _parts(folder: Path) -> Iterator[Path]:
    """Answer what has come in part from another file system: its source has it still."""
    return folder.glob(f"{moving.PART}*")


def _others(bases: Sequence[Path], own: Path) -> Iterator[Path]:
    """Answer the folders of other pilots of this account; what others could have written is not to be trusted."""
    for base in bases:
        for folder in _named(base, f"{FOLDER}*"):
            if folder != own and workdir.is_own(folder):
                yield folder


def _named(base: Path, names: str) -> list[Path]:
    try:
        return sorted(base.glob(names))
    except OSError as wrong:
        log.warning("dead pilots cannot be looked for in %s: %s", base, wrong)
        return []


def take_over_request(base: Path, own: Path, server: str, queue: str) -> Optional[str]:
    """Answer the id of a dead pilot's request for work that has no answer yet, and make it this pilot's.

    Asked again under that id, the server answers what it answered then, so that no job is lost between the two.
    """
    for folder in orphans((base,), own):
        with contextlib.suppress(JobFailed, JournalUnusable, OSError), workdir.lock(folder):
            journal = Journal(folder / JOURNAL)
            if (request_id := journal.open_request(server, queue)) is not None:
                journal.hand_over_request(Journal(own / JOURNAL))
                log.info("taking over request %s of %s", request_id, folder.name)
                return request_id
    return None


class RecoveryLane(Component):
    """Settles at the start, beside the jobs, and when it is asked to; says when it is done."""

    def __init__(
        self, inbox: queue.Queue[Any], budget: Budget, tell: Callable[[News], None], recovery: Recovery
    ) -> None:
        super().__init__("recovery", inbox, budget)
        self._recovery, self._tell = recovery, tell

    def handle(self, item: Any) -> None:
        self._tell(Settled(self._recovery.settle_all()))

    def broke(self, item: Any, error: Exception) -> None:
        self._tell(Settled())


class Sites(NamedTuple):
    """Where a job belongs that another pilot had: what the server says of its queue, and of the storages."""

    server: Communicator
    queue: Queue

    def of(self, name: str) -> Site:
        """Describe a queue. An address or a file that the settings name is this pilot's own queue's.

        Raises:
            ServerError: it cannot be described.
        """
        source = self.queue.data_url if name == self.queue.name else ""
        return Site(self.server.queue_data(name, source), self.server.storages(self.queue.storage_url))


def _job_of(record: Record, folder: Path) -> Job:
    from pilot.control import adoption

    return adoption.job_of(record, folder)


class Recovery:
    """Settles what dead pilots have left. ``tell`` hands their jobs to the conductor; ``now``: seconds since 1970.

    ``inherited`` are jobs of a dead pilot whose folder is this one's own now.
    """

    def __init__(
        self,
        base: Path,
        own: Path,
        sites: Sites,
        facts: reports.Facts,
        policy: Policy,
        tell: Callable[[News], None],
        now: Callable[[], float],
        inherited: Sequence[Record] = (),
    ) -> None:
        external = Path(policy.folder).absolute() if policy.folder else base
        self._bases, self._own = tuple(dict.fromkeys((base, external))), own
        self._sites, self._server, self._facts = sites, sites.server, facts
        self._policy, self._tell, self._now = policy, tell, now
        self._adopted = 0
        self._inherited = list(inherited)
        #: Brings the event ranges of a job to their end, in its directory; may raise a `ServerError`.
        self.settle_events: Callable[[Record, Path], None] = lambda record, place: None

    def settle_all(self) -> int:
        """Settle what can be settled; answer how many jobs are left, most often because the server did not answer."""
        left = self._adopted = 0
        if self._inherited:
            try:
                left += self._settle_inherited()
            except Unreachable as wrong:
                log.warning("the server cannot be reached, jobs of this folder are left for later: %s", wrong)
                return len(self._inherited)
        for folder in [*orphans(self._bases, self._own), *self._worn_out()]:
            try:
                with workdir.lock(folder):
                    left += self._settle(folder)
            except JobFailed as wrong:  # it belongs to a pilot that lives, most often
                log.info("%s is left alone: %s", folder.name, wrong)
            except (JournalUnusable, OSError) as wrong:
                log.warning("%s is left for later: %s", folder.name, wrong)
            except Unreachable as wrong:  # nor for the next ones
                log.warning("the server cannot be reached, dead pilots' jobs are left for later: %s", wrong)
                return left + 1
        self._remove_unborn()
        return left

    def _settle_inherited(self) -> int:
        journal = Journal(self._own / JOURNAL)
        for record in list(self._inherited):
            self._adopted = 0  # they are here already, and their payloads perhaps in one allocation
            if record.server != self._server.name or self._settle_job(self._own, journal, record):
                self._inherited.remove(record)
        return len(self._inherited)

    def _worn_out(self) -> Iterator[Path]:
        """Answer folders in which there is nothing but a log that was kept long enough."""
        for folder in _others(self._bases, self._own):
            if not _is_left(folder) and self._is_old(folder):
                yield folder

    def _is_old(self, folder: Path) -> bool:
        for path in (folder / PILOT_LOG, folder):
            with contextlib.suppress(OSError):
                return path.stat().st_mtime < self._now() - self._policy.keep_logs
        return False

    def _remove_unborn(self) -> None:
        for folder in (folder for base in self._bases for folder in _named(base, f".{FOLDER}*")):
            with contextlib.suppress(OSError):
                if folder.lstat().st_mtime < self._now() - UNBORN_LIFE and workdir.is_own(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def _settle(self, folder: Path) -> int:
        journal = Journal(folder / JOURNAL)
        journal.complete()
        whole = moving.complete(folder)
        journal.close_request()
        ours = [record for record in journal.records() if record.server == self._server.name]
        left = sum(not self._settle_job(folder, journal, record) for record in ours)
        before = self._now() - self._policy.age_most
        journal.drop_unreadable(before)
        if not whole:
            moving.drop_arriving(folder, before)
        elif not journal.holds_jobs():
            self._clean(folder, journal)
        return left

    def _clean(self, folder: Path, journal: Journal) -> None:
        for place in (*moving.places(folder), *_parts(folder), *folder.glob(f"{workdir.EARLY}*")):
            workdir.remove(workdir.Workdir(place))
        if journal.request_since() > self._now() - REQUEST_LIFE:
            return  # for a pilot of its queue to take over
        journal.answered()
        if self._is_old(folder) or not (folder / PILOT_LOG).exists():
            shutil.rmtree(folder, ignore_errors=True)

    def _settle_job(self, folder: Path, journal: Journal, record: Record) -> bool:
        """Have one final report taken, or the job taken over; True when nothing is left to do for it here."""
        from pilot.control import adoption  # not for the many pilots that find nothing

        if not self._without_events(record, folder / naming.workdir(*record.key)):
            return False
        if record.final:
            return self._offer(folder, journal, record)
        job, now = adoption.job_of(record, folder), self._now()
        left = self._allocated(folder, job, record)
        # Ranks that live write in the job's directory: whoever cannot take their pilot's place leaves it where it is.
        if left == "running" and folder != self._own and now - record.started <= self._policy.age_most:
            return False
        chosen = adoption.plan(job, record, self._policy, now, allocated=left in ("running", "reported"))
        if chosen is None:
            return self._end(folder, journal, record, adoption.lost(record))
        return self._adopted < MOST_ADOPTED and self._adopt(folder, journal, record, chosen)

    @staticmethod
    def _allocated(folder: Path, job: Job, record: Record) -> str:
        """Say what is left of a payload that was handed to an allocation; see `pilot.hpc.record.Left`."""
        place = workdir.of(folder, job.spec)
        if record.phase != Phase.RUNNING.value or not workdir.is_allocated(place):
            return ""
        from pilot.hpc.record import left

        return left(place.root, record.key).value

    def _without_events(self, record: Record, place: Path) -> bool:
        """Have a job's event ranges reported; the server takes none of a job that has ended."""
        try:
            if (place / naming.EVENT_JOURNAL).exists():
                self.settle_events(record, place)
        except Unreachable:
            raise
        except ServerError as wrong:
            log.warning("job %d.%d: its event ranges wait for the server: %s", *record.key, wrong)
            return False
        return True

    def _adopt(self, folder: Path, journal: Journal, record: Record, chosen: adoption.Plan) -> bool:
        """Take a job over, if the server still wants it from us: another attempt may have stored its outputs."""
        from pilot.control import adoption

        try:
            answer = self._server.report(self._running(record, folder))
            site = self._sites.of(record.queue)
        except Unreachable:
            raise
        except Refused as wrong:
            log.info("job %d.%d is nobody's business any more: %s", *record.key, wrong)
            return self._forget(folder, journal, record)
        except BadQueueData as wrong:
            log.warning("job %d.%d waits for a description of its queue: %s", *record.key, wrong)
            return False
        except ServerError as wrong:
            log.warning("job %d.%d of a dead pilot is left for later: %s", *record.key, wrong)
            return False
        if answer.kills:
            words = "the server wants the job ended (tobekilled)"
            return self._end(folder, journal, record, Problem(ErrorCode.KILLED_BY_SERVER, words))
        if folder != self._own:
            moving.move_job(folder, self._own, record.key)
        self._adopted += 1
        log.info("job %d.%d of a dead pilot, left %s, goes on here", *record.key, record.phase)
        self._tell(adoption.adoption(record, self._own, site, chosen))
        return True

    def _end(self, folder: Path, journal: Journal, record: Record, problem: Problem) -> bool:
        """Report a job as failed. The report is written down first: the same words again, should this pilot die too."""
        job = _job_of(record, folder).evolve(phase=Phase.REPORTING, problem=problem)
        update = reports.final(job, self._course(record), self._facts.of(record.node), self._now())
        final = self._server.compose(update, None).text
        record = replace(record, phase=Phase.REPORTING.value, problem=problem, final=final)
        journal.write(record, durable=True)
        return self._offer(folder, journal, record)

    def _offer(self, folder: Path, journal: Journal, record: Record) -> bool:
        try:
            self._server.report(Report(record.final))
        except Refused as wrong:
            log.warning("job %d.%d: the server does not want its report: %s", *record.key, wrong)
        except Unreachable:
            raise
        except ServerError as wrong:
            log.warning("job %d.%d: its report stays in %s: %s", *record.key, journal.folder, wrong)
            return False
        log.info("job %d.%d of a dead pilot is settled", *record.key)
        return self._forget(folder, journal, record)

    @staticmethod
    def _forget(folder: Path, journal: Journal, record: Record) -> bool:
        journal.forget(*record.key)
        try:
            workdir.remove(workdir.of(folder, _job_of(record, folder).spec))
        except JobFailed as wrong:  # tried again with the folder; the other jobs in it do not wait
            log.warning("job %d.%d: %s", *record.key, wrong)
        return True

    def _running(self, record: Record, folder: Path) -> Report:
        phase = Phase(record.phase) if record.phase in PHASES else Phase.RUNNING  # of a newer pilot
        job = _job_of(record, folder).evolve(phase=phase)
        facts = self._facts.of(record.node)
        return self._server.compose(reports.running(job, self._course(record), facts, self._now()), None)

    @staticmethod
    def _course(record: Record) -> reports.Course:
        return reports.Course(
            record.queue, record.started, {Phase(name): seconds for name, seconds in record.spent.items()}
        )
