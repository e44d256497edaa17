"""What a pilot does for the event ranges of one that died: stores archives that were made, reports what was stored.

What had not come so far is left to the server, which gives it to somebody else once the job has ended.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Callable, Optional

from pilot.api.replies import Refused
from pilot.contract.events import Archive
from pilot.eventservice import book, journal
from pilot.eventservice.book import Book
from pilot.eventservice.errands import NotStored, Server
from pilot.eventservice.outgoing import next_report, take
from pilot.eventservice.outputs import is_whole
from pilot.eventservice.ranges import IllegalMove, Move, State

log = logging.getLogger(__name__)

#: Stores an archive; answers `errands.Stored` or `errands.NotStored`.
Storing = Callable[[Archive], object]


def settle(job_id: int, folder: Path, server: Server, storing: Optional[Storing]) -> None:
    """Bring a dead pilot's ranges to their end, from the journal in a job's directory, which is removed then.

    Args:
        job_id: The job.
        folder: Its directory.
        server: To be told.
        storing: Stores what was packed; ``None``: the site wants no outputs of dead pilots stored.

    Raises:
        ServerError: the server cannot be told now; what was stored stands in the journal.
        JobFailed: the journal cannot be written.
    """
    found = _read(folder)
    if found is not None:
        noting = journal.Journal(folder, again=True)
        try:
            found.goes_on(noting.note)
            _settle(job_id, folder, found, server, storing)
        finally:
            noting.close()
    journal.forget(folder)


def _read(folder: Path) -> Optional[Book]:
    try:
        return book.read(journal.lines(folder))
    except (OSError, ValueError, KeyError, TypeError, IllegalMove) as wrong:
        log.error("%s: what a dead pilot wrote of event ranges cannot be read: %s", folder, wrong)
        return None


def _settle(job_id: int, folder: Path, found: Book, server: Server, storing: Optional[Storing]) -> None:
    found.move(Move.LEAVE, [held.id for held in found.all(State.READY, State.GIVEN, State.DONE)])
    for lfn in dict.fromkeys(held.archive for held in found.all(State.PACKED)):
        _store(folder, found, found.archives[lfn], storing)
    while (report := next_report(job_id, found)) is not None:
        try:
            take(found, report, server.update_events(report))
        except Refused as wrong:
            log.warning("job %d: the server does not want its event ranges: %s", job_id, wrong)
            found.move(Move.REFUSE, [end.id for end in report.ends])
    log.info("job %d of a dead pilot: %d event ranges are reported", job_id, found.count(State.REPORTED))


def _store(folder: Path, found: Book, archive: Archive, storing: Optional[Storing]) -> None:
    """Store an archive, whole as it was noted; what was stored already, before its pilot died, is found there."""
    whole = is_whole(folder / archive.lfn, archive.size)
    answer = storing(archive) if storing is not None and whole else None
    if isinstance(answer, NotStored):
        log.warning("%s of a dead pilot is not stored: %s", archive.lfn, answer.problem.detail)
    stored = getattr(answer, "archive", None)
    if stored is not None:
        found.store(stored)
    else:
        found.move(Move.LEAVE, [held.id for held in found.inside(archive.lfn)])
