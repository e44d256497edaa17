"""How a pilot works for Harvester: by which way it gets jobs, by which it reports, and where the files lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from pilot.api import replies
from pilot.api.communicator import Communicator
from pilot.api.environment import Environment
from pilot.api.shared_files import AccessPoint, SharedFiles, own_storage
from pilot.api.worker import FileWorker, ServerWorker, Worker, WorkerDoor, node_messages
from pilot.contract.messages import WorkRequest
from pilot.contract.queue import StorageEndpoint
from pilot.contract.worker import WorkerStatus
from pilot.settings import Mode, mode_of

if TYPE_CHECKING:
    from pilot.settings import Server, Settings


def adjusted(settings: Settings) -> Settings:
    """Answer the settings with the waits and limits that hold for looking after files instead of asking a server."""
    harvester = settings.harvester
    wait = harvester.ask_wait
    # A look at a folder costs nobody anything: the waits do not grow.
    job = replace(settings.job, requests=harvester.requests, ask_wait=wait, ask_wait_most=wait)
    return settings.evolve(job=job)


def access_point(settings: Settings, base: Path) -> AccessPoint:
    """Answer where files are exchanged: the folder that is named, else the one that the pilot works in."""
    harvester = settings.harvester
    folder = Path(harvester.workdir).absolute() if harvester.workdir else base
    others = ([Path(harvester.datadir).absolute()] if harvester.datadir else []) + [base]
    names = harvester.worker_attributes, harvester.event_status_dump
    return AccessPoint(folder, tuple(others), *names, each_own=settings.gathers)


class Pushed(Communicator):
    """Takes jobs from Harvester's files, and speaks with the server for everything else."""

    def __init__(self, server: Server, token: Callable[[], str], access: AccessPoint) -> None:
        super().__init__(server, token)
        self._files, self._access = SharedFiles(access), access

    def acquire(self, request: WorkRequest, request_id: str) -> replies.Jobs:
        """Take jobs from the files; see `SharedFiles.acquire`."""
        return self._files.acquire(request, request_id)

    def storages(self, source: str = "") -> Mapping[str, StorageEndpoint]:
        """Fetch the description of all storages; the access point is one too."""
        return {**own_storage(self._access.folder), **super().storages(source)}

    def withdraw(self) -> None:
        """See `SharedFiles.withdraw`."""
        self._files.withdraw()


def workers_for(
    settings: Settings, token: Callable[[], str], server: Communicator, base: Path, host: str
) -> list[Worker]:
    """Answer to whom this pilot is a worker: to Harvester by files, to the server, to both, or to nobody."""
    harvester, found = settings.harvester, list[Worker]()
    if isinstance(server, (SharedFiles, Pushed)):
        found.append(FileWorker(access_point(settings, base).folder, server.withdraw))
    if harvester.id and harvester.worker and harvester.status and settings.server.updates and settings.server.url:

        def status(word: str) -> WorkerStatus:
            return WorkerStatus(harvester.worker, harvester.id, word, host, settings.queue.name)

        node = partial(_node, settings, server, base) if harvester.node else lambda: iter(())
        found.append(ServerWorker(WorkerDoor(settings.server, token), status, node))
    return found


def _node(settings: Settings, server: Communicator, base: Path) -> Iterator[object]:
    try:
        site = server.queue_data(settings.queue.name, settings.queue.data_url).site
    except replies.ServerError:  # it is told where it matters, when work is asked for
        site = ""
    return node_messages(Environment(base), settings.queue, site)


def server_for(settings: Settings, token: Callable[[], str], base: Path) -> Communicator:
    """Answer who stands where the server would, for a pilot that works by files, in whole or in part."""
    access = access_point(settings, base)
    if mode_of(settings) is Mode.PUSHED:
        return Pushed(settings.server, token, access)
    return SharedFiles(access, settings.server, token)
