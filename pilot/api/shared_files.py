"""Speaks with Harvester by files in a folder that both see, the *access point*, where no server can be reached.

The second way beside `pilot.api.communicator`, with the same methods. What a pilot writes there is written in one step;
what Harvester writes may be half there when it is read, and is then read again later.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.parse import unquote, urlsplit

from pilot.api import exchange, pool_catalog, replies
from pilot.api.communicator import Communicator, Report
from pilot.api.event_files import EventFiles
from pilot.api.job_files import STORAGE, JobFiles, read_jobs
from pilot.api.keys import KeyPair
from pilot.contract.codec import Dialect, encode
from pilot.contract.messages import Command, JobUpdate, UpdateAnswer, WorkRequest
from pilot.contract.queue import QueueData, StorageEndpoint, local_storage
from pilot.settings import Server

__all__ = ["AccessPoint", "SharedFiles"]

log = logging.getLogger(__name__)

REQUEST, ATTRIBUTES, DUMP = "worker_requestjob.json", "worker_attributes.json", "event_status.dump.json"
JOB_REPORT, IDS = "jobReport.json", "pandaIDs.out"
QUEUE_DATA, STORAGE_DATA = "queuedata.json", "ddmendpoints.json"
#: Both names by which pilots and Harvester know the file that ends a worker.
KILL = ("kill_worker.json", "kill_worker")
#: What such a file says when the pilot itself wrote it, at its end: the worker may go.
OWN_MARK = {"by": "compass-pilot"}
#: What a pilot says of a job by ``worker_attributes.json``; its files are told in the dump.
_NOT_ATTRIBUTES = ("xml", "metaData")
_FINAL = ("finished", "failed", "holding")
#: Part of a job's report that Harvester has no use for, and that may be large.
_EMPTIED = "logfileReport"


@dataclass(frozen=True)
class AccessPoint:
    """Where files are exchanged. ``attributes`` and ``dump`` name other files than the usual ones, if not "".

    ``each_own``: a worker has many jobs, and what is told of each goes into a folder of its own, by its number.
    """

    folder: Path
    job_folders: tuple[Path, ...] = ()
    attributes: str = ""
    dump: str = ""
    each_own: bool = False


class SharedFiles(EventFiles, Communicator):
    """Stands where a `Communicator` stands. One thread asks for work, the reports of one job come from one thread.

    Only descriptions of queue and storages may still be asked for by an address. Every failure of the file system is a
    `replies.ServerError` that may pass: the disk may be full, or away, for a while.
    """

    def __init__(self, access: AccessPoint, server: Optional[Server] = None, token: Callable[[], str] = str) -> None:
        super().__init__(server if server and server.url else Server(url="http://localhost"), token)
        self._access = access
        self._jobs = JobFiles(access.folder, access.job_folders)
        self._kept: Optional[Path] = None
        self._logs: dict[int, str] = {}
        self.share_events(access.folder, self._jobs.place, access.dump or DUMP)

    @property
    def name(self) -> str:
        """Which access point this is; journals name it."""
        return f"harvester {self._access.folder}"

    def acquire(self, request: WorkRequest, request_id: str) -> replies.Jobs:
        """Take as many jobs as are wanted from the job files; when there is none, ask Harvester for them by a file.

        Raises:
            replies.ServerError: the files cannot be read, or not yet.
        """
        try:
            return self._acquire(request.count, request_id)
        except OSError as wrong:
            raise replies.Unreachable(f"{self.name}: {wrong}") from wrong

    def _acquire(self, count: int, request_id: str) -> replies.Jobs:
        kept = self._jobs.kept(request_id)
        if self._kept is not None and self._kept != kept:
            exchange.remove(self._kept)  # its jobs were taken, or this would be the same request
        raws = self._jobs.take(count, request_id)
        if not raws:
            if not (self._access.folder / REQUEST).exists():
                exchange.write_json(self._access.folder / REQUEST, {"nJobs": count})
            return replies.Jobs()
        self._kept = kept
        for raw in raws:
            if self._access.each_own and str(raw.get("PandaID")).isdigit():
                (self._access.folder / str(raw["PandaID"])).mkdir(exist_ok=True)
            self._link_inputs(self._jobs.place(raw.get("PandaID")))
        found = read_jobs(raws, self._jobs)
        self._logs.update({job.id: job.log.lfn for job in found.jobs if job.log})
        self._tell_wrapper([*(str(job.id) for job in found.jobs), *(str(job.id) for job in found.broken)])
        return found

    def _link_inputs(self, place: Path) -> None:
        """Link what the catalogue names and Harvester has not linked itself."""
        text = exchange.read(place / pool_catalog.NAME)
        try:
            catalog = pool_catalog.read(text) if text and text.strip() else {}
            for lfn, name in catalog.items():
                link = place / Path(lfn).name
                if not link.exists() and (path := pool_catalog.path_of(name)).exists():
                    exchange.remove(link)
                    link.symlink_to(path)
        except ValueError as wrong:
            log.warning("%s: %s", place / pool_catalog.NAME, wrong)

    def _tell_wrapper(self, ids: list[str]) -> None:
        path = self._access.folder / IDS
        known = (exchange.read(path) or "").split()
        exchange.write(path, "\n".join(dict.fromkeys((*known, *ids))) + "\n")

    def compose(self, update: JobUpdate, progress: Optional[tuple[int, Optional[int]]] = None) -> Report:
        """Write a report, in the words of PanDA's older dialect, which Harvester expects."""
        told = None if progress is None else f"{progress[0]}/{'?' if progress[1] is None else progress[1]}"
        return Report(json.dumps(encode(update, Dialect.LEGACY)), told)

    def report(self, report: Report) -> UpdateAnswer:
        """Write what is told of a job where Harvester finds it; answer ``tobekilled`` when the worker is to end.

        Raises:
            replies.ServerError: it could not be written. `replies.Refused`: it is no report.
        """
        try:
            said = json.loads(report.said_in(Dialect.LEGACY))
            job_id, state = int(said["jobId"]), str(said["state"])
        except (ValueError, TypeError, KeyError) as wrong:
            raise replies.Refused(f"this is no report: {wrong}") from wrong
        try:
            self._write_report(job_id, state, said)
        except OSError as wrong:
            raise replies.Unreachable(f"{self.name}: {wrong}") from wrong
        return UpdateAnswer(Command.KILL.value if self.is_killed() else Command.NONE.value)

    def _write_report(self, job_id: int, state: str, said: Mapping[str, Any]) -> None:
        place = self._jobs.place(job_id)
        if says := said.get("metaData"):
            exchange.write_json(place / JOB_REPORT, _emptied(says))
        if state in _FINAL:
            # First the files: who reads that the job has ended finds them.
            self._add_to_dump(place / (self._access.dump or DUMP), job_id, said)
        attributes = {key: value for key, value in said.items() if key not in _NOT_ATTRIBUTES}
        exchange.write_json(place / (self._access.attributes or ATTRIBUTES), {**attributes, "jobStatus": state})

    def _add_to_dump(self, path: Path, job_id: int, said: Mapping[str, Any]) -> None:
        """Add a job's files; Harvester takes the file away as soon as it has seen it."""
        files = said.get("xml") or {}
        entries = [
            self._entry(job_id, lfn, facts)
            for lfn, facts in (json.loads(files) if isinstance(files, str) else files).items()
        ]
        self.add_to_dump(path, job_id, entries)

    def _entry(self, job_id: int, lfn: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        is_log = lfn == self._logs[job_id] if job_id in self._logs else ".log" in lfn
        return {
            "type": "log" if is_log else "output",
            "path": _path(str(facts.get("surl", ""))),
            "guid": facts.get("guid", ""),
            "fsize": facts.get("fsize"),
            "chksum": facts.get("adler32") or facts.get("md5sum") or "",
        }

    def is_killed(self) -> bool:
        """Whether somebody else wants this worker ended."""
        return killed(self._access.folder)

    def queue_data(self, name: str, source: str = "") -> QueueData:
        """Fetch a queue's description: from ``source``, or from ``queuedata.json`` in the access point.

        Raises:
            replies.ServerError: there is none of that queue.
        """
        return super().queue_data(name, source or str(self._access.folder / QUEUE_DATA))

    def storages(self, source: str = "") -> Mapping[str, StorageEndpoint]:
        """Fetch the description of all storages, likewise, from ``ddmendpoints.json``; the access point is one too."""
        path = self._access.folder / STORAGE_DATA
        found = super().storages(source or str(path)) if source or path.exists() else {}
        return {**own_storage(self._access.folder), **found}

    def new_proxy(self, role: str) -> str:
        """Harvester brings credentials itself, and gives none.

        Raises:
            replies.Refused: always.
        """
        raise replies.Refused(f"{self.name}: no proxy ({role}) can be asked for by files; Harvester renews it")

    def new_token(self, client: str, key: str) -> str:
        """Harvester brings tokens too.

        Raises:
            replies.Refused: always.
        """
        raise replies.Refused(f"{self.name}: no token can be asked for by files; Harvester renews it")

    def new_pass(self) -> str:
        """And passes.

        Raises:
            replies.Refused: always.
        """
        raise replies.Refused(f"{self.name}: no pass can be asked for by files; Harvester renews it")

    def key_pair(self, public: str, private: str) -> KeyPair:
        """Harvester has no keys of storages.

        Raises:
            replies.Refused: always.
        """
        words = f"no keys ({public}, {private}) can be asked for by files; set s3.credentials_file"
        raise replies.Refused(f"{self.name}: {words}")

    def withdraw(self) -> None:
        """Take back what only a living pilot wants: the request for jobs, and what was kept of the last answer."""
        for path in (self._access.folder / REQUEST, self._kept):
            if path is not None:
                exchange.remove(path)
        self.withdraw_events()


def own_storage(access: Path) -> dict[str, StorageEndpoint]:
    """Describe the access point as the storage in which lie the inputs that Harvester has brought."""
    return {STORAGE: StorageEndpoint.from_wire(STORAGE, local_storage(STORAGE, str(access.absolute())))}


def killed(access: Path) -> bool:
    """Whether somebody else wants this worker ended: there is a file that says so, under either of its names."""
    return any((access / name).exists() and not is_own_mark(access / name) for name in KILL)


def is_own_mark(path: Path) -> bool:
    """Whether a file that ends a worker was written by a pilot, to say that it has ended."""
    try:
        found = exchange.read_json(path)
    except OSError:
        return False
    return isinstance(found, dict) and OWN_MARK.items() <= found.items()


def _path(url: str) -> str:
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "file" else url


def _emptied(report: Any) -> Any:
    """Answer the payload's own report without the parts of its log."""
    try:
        found = json.loads(report) if isinstance(report, str) else report
    except ValueError:
        return report
    return _without(found)


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: {} if key == _EMPTIED else _without(one) for key, one in value.items()}
    return [_without(one) for one in value] if isinstance(value, list) else value
