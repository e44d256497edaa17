"""What the owner of ranges has others do: ask and tell the server, pack, store. Each errand says what came of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Protocol

from pilot.api.replies import NotYet, Refused, ServerError
from pilot.contract.codes import ErrorCode
from pilot.contract.events import (
    TRANSIENT,
    Archive,
    EventAnswer,
    EventJob,
    EventRange,
    EventReport,
)
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.messages import StoredFile
from pilot.copytool.base import Cancel, Deadline
from pilot.errors import JobFailed
from pilot.eventservice import outputs
from pilot.eventservice.outputs import Output
from pilot.job import Problem

log = logging.getLogger(__name__)


class Came(NamedTuple):
    """The server has given ranges; none: it has none left."""

    ranges: tuple[EventRange, ...]


class NotCame(NamedTuple):
    """It gave no answer that could be used."""

    problem: Problem


class Packed(NamedTuple):
    """Outputs are in an archive, others could not be: see `outputs.pack`. No archive: nothing could be packed."""

    archive: Archive
    ids: Sequence[str]
    without: dict[str, str]


class Stored(NamedTuple):
    """An archive lies on its storage."""

    archive: Archive


class NotStored(NamedTuple):
    """It could not be stored, or not be made: then ``lfn`` is empty."""

    lfn: str
    problem: Problem


class Told(NamedTuple):
    """The server has taken a report."""

    report: EventReport
    answer: EventAnswer


class NotTold(NamedTuple):
    """It did not take it; ``refused``: it never will."""

    report: EventReport
    problem: Problem
    refused: bool


class Broke(NamedTuple):
    """An errand met an error that nobody knows."""

    error: BaseException


class Server(Protocol):
    """What a `Communicator` says about event ranges."""

    def get_event_ranges(self, job: EventJob, count: int, request_id: str) -> tuple[EventRange, ...]:
        """See `pilot.api.event_ranges`."""

    def update_events(self, report: EventReport) -> EventAnswer:
        """See `pilot.api.event_ranges`."""


class Storing(Protocol):
    """What the copy engine does with outputs."""

    def stage_out(
        self, spec: JobSpec, files: Sequence[FileSpec], folder: Path, deadline: Deadline, cancel: Cancel
    ) -> tuple[StoredFile, ...]:
        """See `pilot.copytool.engine`."""


class Errands:
    """Does one thing after the other, in a thread of its own; what comes of each is put to ``tell``."""

    def __init__(self, name: str, tell: Callable[[Any], None]) -> None:
        self._pool, self._tell = ThreadPoolExecutor(1, f"events-{name}"), tell

    def send(self, do: Callable[[], object]) -> None:
        """Have something done."""
        self._pool.submit(do).add_done_callback(self._done)

    def _done(self, errand: Future[object]) -> None:
        error = errand.exception()
        self._tell(errand.result() if error is None else Broke(error))

    def close(self) -> None:
        """Wait until what was begun is done."""
        self._pool.shutdown()


class Talk:
    """Asks and tells the server about one job's ranges, again and again while that may help.

    Args:
        server: To be asked and told.
        job: Whose ranges.
        cancel: Asked for when the job is to end: a report is then tried once more, and not waited for.
        closed: Asked for when no more ranges are wanted.
        patience: Seconds for which an answer is waited for.
        wait: Seconds before a request is repeated.
        waits: Seconds before a report is repeated: first, doubled each time, and at most.
    """

    def __init__(
        self,
        server: Server,
        job: EventJob,
        cancel: Cancel,
        closed: Cancel,
        *,
        patience: float,
        wait: float,
        waits: tuple[float, float],
    ) -> None:
        self._server, self._job, self._cancel, self._closed = server, job, cancel, closed
        self._patience, self._wait, self._waits = patience, wait, waits

    def ask(self, count: int, request_id: str) -> object:
        """Ask for ranges; the same request each time."""
        until = Deadline(self._patience)
        while True:
            try:
                return Came(self._server.get_event_ranges(self._job, count, request_id))
            except ServerError as wrong:
                problem = Problem(ErrorCode(wrong.code), f"no event ranges came: {wrong.detail}")
                if not isinstance(wrong, NotYet):
                    log.warning("%s", problem.detail)
                if not wrong.passes or not until.left():
                    return NotCame(problem)
            if self._closed.wait(min(self._wait, until.left())):
                return NotCame(problem)

    def tell(self, report: EventReport) -> object:
        """Report ranges until the report is taken, or refused, or the job has to end."""
        wait, most = self._waits
        while True:
            try:
                return Told(report, self._server.update_events(report))
            except ServerError as wrong:
                problem = Problem(ErrorCode(wrong.code), f"event ranges could not be reported: {wrong.detail}")
                log.warning("%s", problem.detail)
                if isinstance(wrong, Refused) or not wrong.passes:
                    return NotTold(report, problem, refused=True)
            if self._cancel.wait(wait):
                return NotTold(report, problem, refused=False)
            wait = min(2 * wait, most)


class Store:
    """Makes archives of one job's outputs, and stores them. ``number_of`` answers a storage's number by its name."""

    def __init__(
        self,
        spec: JobSpec,
        folder: Path,
        storing: Storing,
        cancel: Cancel,
        seconds: float,
        number_of: Callable[[str], int],
    ) -> None:
        self._spec, self._folder, self._storing, self._cancel = spec, folder, storing, cancel
        self._seconds, self._number_of = seconds, number_of

    def pack(self, given: Sequence[Output]) -> object:
        """Put outputs into one archive."""
        name = outputs.archive_name(given[0].range_id)
        path = self._folder / name
        try:
            ids, without = outputs.pack(path, given)
            size, checksum = outputs.facts(path)
        except OSError as wrong:
            words = f"outputs of event ranges cannot be packed: {path}: {wrong.strerror or wrong}"
            return NotStored("", Problem(ErrorCode.FILE_HANDLING, words))
        if not ids:
            outputs.drop([str(path)], self._folder)
        return Packed(Archive(name, size, checksum), ids, dict(without))

    def store(self, archive: Archive) -> object:
        """Store an archive; one that lies there already, as it is, counts as stored."""
        changed = Problem(ErrorCode.PUT_ADLER_MISMATCH, f"{archive.lfn} is not what it was when it was packed")
        if not outputs.is_whole(self._folder / archive.lfn, archive.size):
            return NotStored(archive.lfn, changed)
        file = FileSpec(archive.lfn, Role.ZIP, scope=TRANSIENT)
        try:
            (there,) = self._storing.stage_out(self._spec, (file,), self._folder, Deadline(self._seconds), self._cancel)
        except JobFailed as failed:
            return NotStored(archive.lfn, Problem(failed.code, failed.detail))
        if not _agree(archive.checksum, there.checksum):
            return NotStored(archive.lfn, changed)
        number = self._number_of(there.endpoint)
        return Stored(archive._replace(storage=number, url=there.url, endpoint=there.endpoint, guid=there.guid))


def _agree(ours: str, theirs: Optional[str]) -> bool:
    """Say whether two checksums may be of one file; those of two kinds tell nothing."""
    kind = ours.partition(":")[0]
    return theirs is None or theirs.partition(":")[0] != kind or theirs == ours
