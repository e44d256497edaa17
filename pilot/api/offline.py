"""Work without a server: jobs come from a file, reports become files, and queue and storage are this machine's.

The objects here stand where a `Communicator` stands, and answer as one does.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from pilot.api import replies
from pilot.api.communicator import Communicator, Report
from pilot.contract.codec import ContractError, Dialect, decode, encode, read_json
from pilot.contract.job import JobSpec
from pilot.contract.job_wire import from_panda
from pilot.contract.messages import JobUpdate, UpdateAnswer, WorkRequest
from pilot.contract.order import order_from_wire
from pilot.contract.queue import QueueData, StorageEndpoint, local_storage
from pilot.contract.states import JobState
from pilot.errors import ConfigError
from pilot.settings import Server

if TYPE_CHECKING:
    from pilot.settings import Settings

log = logging.getLogger(__name__)

#: The last report, as PanDA's updateJob takes it; batch systems that speak for their pilots collect it.
HEARTBEAT = "heartbeat.json"
#: The last report on one attempt, likewise.
FINAL = "final-{id}-{attempt}.json"
QUEUE = STORAGE = "LOCAL"
#: Where the files of jobs lie when the settings name no storages, below the pilot's folder.
STORAGE_FOLDER = "storage"
_OVER = (JobState.FINISHED, JobState.FAILED)


class ReportFiles(Communicator):
    """Asks a server for work and tells it nothing: each report is written to a file in ``folder`` instead."""

    def __init__(self, server: Server, token: Callable[[], str], folder: Path) -> None:
        super().__init__(server, token)
        self._folder = folder
        self._writing = threading.Lock()

    def compose(self, update: JobUpdate, progress: Optional[tuple[int, Optional[int]]] = None) -> Report:
        """Write a report in the dialect in which it will be kept."""
        return Report(json.dumps(encode(update, Dialect.LEGACY)))

    def report(self, report: Report) -> UpdateAnswer:
        """Write a report down; there is never a command.

        Raises:
            replies.ServerError: it cannot be written.
        """
        try:
            text = report.said_in(Dialect.LEGACY)
            update = decode(JobUpdate, json.loads(text), Dialect.LEGACY)
        except (ValueError, TypeError) as wrong:
            raise replies.Refused(f"this is no report: {wrong}") from wrong
        final = FINAL.format(id=update.job_id, attempt=update.attempt or 0)
        try:
            with self._writing:
                for name in (HEARTBEAT, final) if update.state in _OVER else (HEARTBEAT,):
                    self._write(self._folder / name, text)
        except OSError as wrong:
            raise replies.Unreachable(f"{self._folder}: the report cannot be written: {wrong.strerror}") from wrong
        return UpdateAnswer()

    @staticmethod
    def _write(path: Path, text: str) -> None:
        """Replace a file as a whole, so that whoever looks finds the old report or the new one."""
        new = path.with_name(f".{path.name}.{os.getpid()}.new")  # pilots of one folder write the same names
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(path)


class Offline(ReportFiles):
    """Gives jobs that are known already, each once; nobody is asked for anything."""

    def __init__(self, jobs: Sequence[JobSpec], folder: Path, name: str) -> None:
        super().__init__(Server(url="http://localhost"), str, folder)
        self._jobs, self._name = list(jobs), name
        self._endpoints = {STORAGE, *(file.endpoint for job in jobs for file in job.files if file.endpoint)}
        self._given: dict[str, tuple[JobSpec, ...]] = {}
        self._giving = threading.Lock()

    @property
    def name(self) -> str:
        """What stands in journals for a server."""
        return self._name

    def acquire(self, request: WorkRequest, request_id: str) -> replies.Jobs:
        """Give the next jobs; the same request again gets the same ones."""
        with self._giving:
            if request_id not in self._given:
                given, self._jobs = self._jobs[: request.count], self._jobs[request.count :]
                self._given[request_id] = tuple(given)
            return replies.Jobs(self._given[request_id])

    def queue_data(self, name: str, source: str = "") -> QueueData:
        """Describe the queue: from ``source``, or as one that is this machine with a folder as its storage."""
        if source:
            return super().queue_data(name, source)
        return QueueData(
            name=name,
            copytools={"local": {}},
            acopytools={"default": ("local",)},
            astorages={"default": (STORAGE,)},
            container_type="apptainer:pilot",
        )

    def storages(self, source: str = "") -> Mapping[str, StorageEndpoint]:
        """Describe the storages: from ``source``, or each that a job names as one and the same folder."""
        if source:
            return super().storages(source)
        folder = self._folder / STORAGE_FOLDER
        folder.mkdir(exist_ok=True)
        entry = local_storage(STORAGE, str(folder))
        return {name: StorageEndpoint.from_wire(name, entry) for name in self._endpoints}

    def _exchange(self, method: str, url: str, *_: Any, **__: Any) -> replies.Raw:
        raise replies.BadQueueData(f"{url}: there is no server to ask; name a file")


def read_jobs(path: Path) -> tuple[JobSpec, ...]:
    """Read a file of jobs: one, or a list, each in PanDA's words (getJob) or in ours (job/submit).

    A job in our words gets the next number from 1 on as its PandaID, and attempt 1.

    Raises:
        ConfigError: it cannot be read, or a job in it is none; the message names the file, the job and the field.
    """
    try:
        found = read_json(path.read_bytes())
    except OSError as wrong:
        raise ConfigError(f"job.file: {path}: {wrong.strerror}") from wrong
    except ValueError as wrong:
        raise ConfigError(f"job.file: {path} is not JSON: {wrong}") from wrong
    listed = found.get("jobs", [found]) if isinstance(found, Mapping) else found
    if not isinstance(listed, list) or not listed or not all(isinstance(job, Mapping) for job in listed):
        raise ConfigError(f"job.file: {path} holds no job and no list of jobs")
    jobs = tuple(_job(job, at, path) for at, job in enumerate(listed, start=1))
    if len({job.key for job in jobs}) < len(jobs):
        raise ConfigError(f"job.file: {path} names a job twice (PandaID and attemptNr)")
    return jobs


def _job(job: Mapping[str, Any], at: int, path: Path) -> JobSpec:
    try:
        if "PandaID" in job:
            return from_panda(job)
        order = order_from_wire({"computingSite": QUEUE, **job})
    except ContractError as wrong:
        raise ConfigError(f"job.file: {path}, job {at}: {wrong}") from wrong
    return replace(order.spec, id=at, attempt=1, name=order.spec.name or f"job.{at}")


def adjusted(settings: Settings) -> Settings:
    """Answer the settings of a pilot that has a file of jobs: it runs them all, asks nobody again, and then ends."""
    job = replace(settings.job, requests=1, time_floor=settings.job.lifetime)
    return settings.evolve(job=job, queue=replace(settings.queue, name=settings.queue.name or QUEUE))


def server_for(settings: Settings, token: Callable[[], str], base: Path) -> ReportFiles:
    """Answer who stands where the server would, for a pilot that has a file of jobs or sends no reports.

    Raises:
        ConfigError: the file of jobs cannot be read.
    """
    if not settings.job.file:
        return ReportFiles(settings.server, token, base)
    path = Path(settings.job.file).absolute()
    return Offline(read_jobs(path), base, f"file {path}")
