"""Event ranges through Harvester's files: asked for, taken, and reported, in a folder that both see.

A file that Harvester has not taken away yet is never replaced by one that says less. What Harvester itself writes may
be half there: it is whole when the request that it answers is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import unquote, urlsplit

from pilot.api import exchange, replies
from pilot.contract.codec import ContractError, Dialect
from pilot.contract.messages import Command

if TYPE_CHECKING:
    from pilot.contract.events import EventAnswer, EventJob, EventRange, EventReport

REQUEST, RANGES, UPDATES = "worker_requestevents.json", "JobsEventRanges.json", "worker_updateevents.json"


class EventFiles:
    """What `SharedFiles` says about event ranges. Jobs of one access point may ask and report at the same time."""

    _folder: Path
    _place: Callable[[object], Path]
    _dump: str

    def share_events(self, folder: Path, place: Callable[[object], Path], dump: str) -> None:
        """Say where files are exchanged; ``place`` answers where those of one job are."""
        self._folder, self._place, self._dump = folder, place, dump
        self._sharing = threading.Lock()
        self._taken: dict[int, Path] = {}

    if TYPE_CHECKING:

        @property
        def name(self) -> str: ...  # noqa: D102  # of SharedFiles, as the next

        def is_killed(self) -> bool: ...  # noqa: D102

    def get_event_ranges(self, job: EventJob, count: int, request_id: str) -> tuple[EventRange, ...]:
        """Take the ranges that Harvester has brought for a job, or ask for them.

        Asked again under the same id, the same ranges are given again.

        Raises:
            replies.NotYet: Harvester was asked, and has brought none yet.
            replies.ServerError: the files cannot be read or written.
        """
        from pilot.contract.events import read_ranges

        try:
            with self._sharing:
                found = self._take(job, count, request_id)
            return read_ranges(found)
        except OSError as wrong:
            raise replies.Unreachable(f"{self.name}: {wrong}") from wrong
        except ContractError as wrong:
            raise replies.BadAnswer(f"{self._folder / RANGES}: {wrong}") from wrong

    def _take(self, job: EventJob, count: int, request_id: str) -> Any:
        kept = self._folder / f"{RANGES}.{request_id}"
        before = self._taken.get(job.job_id)
        if before is not None and before != kept:
            exchange.remove(before)  # its ranges were written down, or this would be the same request
        if (told := exchange.read_json(kept)) is not None:
            return told
        waited_for = (self._folder / REQUEST).exists()
        brought = None if waited_for else exchange.read_json(self._folder / RANGES)
        name = str(job.job_id)
        if not isinstance(brought, Mapping) or name not in brought:
            if not waited_for and (brought is not None or not (self._folder / RANGES).exists()):
                exchange.write_json(self._folder / REQUEST, {name: job.request(count, Dialect.LEGACY)})
            raise replies.NotYet(f"{self.name}: Harvester has brought no event ranges of job {name} yet")
        if brought[name]:
            exchange.write_json(kept, brought[name])
            self._taken[job.job_id] = kept
        self._leave({other: ranges for other, ranges in brought.items() if other != name})
        return brought[name]

    def _leave(self, others: Mapping[str, Any]) -> None:
        if others:
            exchange.write_json(self._folder / RANGES, others)
        else:
            exchange.remove(self._folder / RANGES)

    def withdraw_events(self) -> None:
        """Take back what only a living pilot wants: the request for ranges, and what was kept of answers.

        Raises:
            OSError: something cannot be removed.
        """
        for path in (self._folder / REQUEST, *self._taken.values()):
            exchange.remove(path)

    def update_events(self, report: EventReport) -> EventAnswer:
        """Tell Harvester how ranges have ended; archives that lie in a folder are for it to store.

        Raises:
            replies.ServerError: the files cannot be written.
        """
        from pilot.contract.events import EventAnswer

        place = self._place(report.job_id)
        try:
            if report.archive is not None and (path := _path(report.archive.url)) is not None:
                self.add_to_dump(place / self._dump, report.job_id, _stored(report, path))
            else:
                with self._sharing:
                    _add(place / UPDATES, report.job_id, [end.said() for end in report.ends])
        except OSError as wrong:
            raise replies.Unreachable(f"{self.name}: {wrong}") from wrong
        command = Command.KILL.value if self.is_killed() else ""
        return EventAnswer(tuple(True for _ in report.ends), command)

    def add_to_dump(self, path: Path, job_id: int, entries: Sequence[Mapping[str, Any]]) -> None:
        """Add a job's files to what Harvester has not taken yet; it takes the file away as soon as it has seen it.

        Raises:
            OSError: it cannot be written; what was there still is.
        """
        with self._sharing:
            _add(path, job_id, entries)


def _add(path: Path, job_id: int, entries: Sequence[Mapping[str, Any]]) -> None:
    """Add to what a file says of a job; what is there already is not said twice."""
    if not entries:
        return
    before = exchange.read_json(path)
    before = before if isinstance(before, dict) else {}
    known = before.get(str(job_id), [])
    new = [entry for entry in entries if entry not in known]
    exchange.write_json(path, {**before, str(job_id): [*known, *new]})


def _stored(report: EventReport, path: str) -> list[dict[str, Any]]:
    archive = report.archive
    if archive is None:
        return []
    facts = {
        "type": "zip_output",
        "path": path,
        "guid": archive.guid,
        "fsize": archive.size,
        "chksum": archive.checksum.partition(":")[2],
    }
    return [{**facts, "eventRangeID": end.id, "eventStatus": end.status.value} for end in report.ends]


def _path(url: str) -> Optional[str]:
    """Answer the path of a file in a folder; ``None`` for what lies on a storage that Harvester does not look into."""
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "file" else None
