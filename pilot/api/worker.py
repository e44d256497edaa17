"""A pilot as somebody's worker: it says that it begins, that it lives, that it ends; and hears that it is to end."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Optional, Protocol

from pilot.api import exchange, replies
from pilot.api.communicator import Communicator
from pilot.api.environment import Environment
from pilot.api.shared_files import KILL, OWN_MARK, is_own_mark, killed
from pilot.contract import routes
from pilot.contract.codec import Dialect, encode
from pilot.contract.job import PANDA_MB
from pilot.contract.version import PRODUCT
from pilot.contract.worker import FINISHED, STARTED, WorkerGpus, WorkerNode, WorkerStatus
from pilot.settings import Queue, Server

log = logging.getLogger(__name__)

HEARTBEAT = "worker_heartbeat.json"
GIB = 2**30
#: No word to the server about the worker takes longer than this, in seconds: nothing waits for it, the end a little.
PATIENCE = 2.0


class Worker(Protocol):
    """What is told about a worker, and to whom. All is called in one thread, and nothing of it raises.

    ``beats``: it wants to be called again from time to time.
    """

    beats: bool

    def begin(self) -> None:
        """Say that the pilot begins."""

    def beat(self) -> Optional[str]:
        """Say that it lives; answer in words why it is to end, if somebody wants that."""

    def end(self) -> None:
        """Say that it ends."""


class FileWorker:
    """Tells Harvester by files in the access point.

    ``worker_heartbeat.json`` is written anew from time to time. ``kill_worker.json``, which older pilots call
    ``kill_worker``, ends the worker: written by somebody else it is heeded, written by the pilot it says that the
    pilot has ended; the pilot writes both names.
    """

    beats = True

    def __init__(
        self,
        access: Path,
        withdraw: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._access, self._withdraw, self._now = access, withdraw, now
        self._told = False

    def begin(self) -> None:
        """Remove what a pilot that ended here before has left, and give a first sign of life."""
        for name in KILL:
            if is_own_mark(self._access / name):
                exchange.remove(self._access / name)
        self._write(HEARTBEAT, {"state": "running"})

    def beat(self) -> Optional[str]:
        """Write the heartbeat; answer once that somebody wants the worker ended."""
        self._write(HEARTBEAT, {"state": "running"})
        if self._told or not killed(self._access):
            return None
        self._told = True
        return f"Harvester wants the worker ended ({KILL[0]} in {self._access})"

    def end(self) -> None:
        """Say that the worker may go, and take back what only a living pilot wants."""
        self._write(HEARTBEAT, {"state": "ended"})
        try:
            self._withdraw()
        except OSError as wrong:
            log.warning("%s: %s", self._access, wrong)
        for name in KILL:
            if not (self._access / name).exists():
                self._write(name, {"reason": "the pilot has ended"})

    def _write(self, name: str, more: Mapping[str, Any]) -> None:
        said = {**OWN_MARK, "pilot": PRODUCT, "time": self._now().isoformat(timespec="seconds"), **more}
        try:
            exchange.write_json(self._access / name, said)
        except OSError as wrong:
            log.warning("%s: cannot be written: %s", self._access / name, wrong)


class WorkerDoor(Communicator):
    """The server's door for what workers say. What it answers beside "taken" is only logged: nobody depends on it."""

    def __init__(self, server: Server, token: Callable[[], str] = str) -> None:
        hasty = replace(
            server,
            connect_timeout=min(server.connect_timeout, PATIENCE),
            read_timeout=min(server.read_timeout, PATIENCE),
        )
        super().__init__(hasty, token)

    def tell(self, message: object, path: str, legacy: str = "") -> bool:
        """Say something once; answer whether it was taken. Without a ``legacy`` address it is said in /api/v1 only."""

        def send(dialect: Dialect) -> replies.Raw:
            if dialect is Dialect.LEGACY and not legacy:
                return replies.NOT_FOUND, b""
            address = path if dialect is Dialect.V1 else legacy
            return self._post(dialect, address, json.dumps(encode(message, dialect)), {}, again=False)

        try:
            dialect, said = self._speak(send)
            _ = replies.update_v1(said) if dialect is Dialect.V1 else replies.update_legacy(said)
        except replies.ServerError as wrong:
            log.info("%s was not taken: %s", type(message).__name__, wrong)
            return False
        return True


class ServerWorker:
    """Tells the server that Harvester's worker has begun and ended and, if asked to, what its node is."""

    beats = False

    def __init__(
        self,
        door: WorkerDoor,
        status: Callable[[str], WorkerStatus],
        node: Callable[[], Iterator[object]] = lambda: iter(()),
    ) -> None:
        self._door, self._status, self._node = door, status, node

    def begin(self) -> None:
        """Say that the pilot has started."""
        self._tell_status(STARTED)
        for message in self._node():
            self._door.tell(message, routes.WORKER_NODE if isinstance(message, WorkerNode) else routes.WORKER_GPUS)

    def beat(self) -> Optional[str]:
        """Say nothing: the reports on jobs tell that the pilot lives."""
        return None

    def end(self) -> None:
        """Say that the pilot has finished."""
        self._tell_status(FINISHED)

    def _tell_status(self, word: str) -> None:
        self._door.tell(self._status(word), routes.WORKER_STATUS_V1, routes.WORKER_STATUS)


def node_messages(found: Environment, queue: Queue, site: str = "") -> Iterator[object]:
    """Describe a node in PanDA's words: the node itself, then its GPUs, one message for each model."""
    cpu, host, disks = found.cpu, found.network.host, found.disks
    yield WorkerNode(
        site=site or queue.name,
        queue=queue.name,
        host=host,
        cpu_model=cpu.model,
        logical=cpu.logical or None,
        sockets=cpu.sockets or None,
        cores_per_socket=cpu.cores_per_socket or None,
        threads_per_core=cpu.threads_per_core or None,
        architecture=cpu.architecture,
        level=cpu.level or None,
        clock=cpu.mhz or None,
        memory=found.memory.total // PANDA_MB,
        disk=disks[0].size // GIB if disks else None,
    )
    for (vendor, model, memory, driver), count in Counter(
        (gpu.vendor, gpu.model, gpu.memory, gpu.driver) for gpu in found.gpus
    ).items():
        yield WorkerGpus(
            site=site or queue.name,
            host=host,
            vendor=vendor,
            model=model,
            count=count,
            memory=memory // PANDA_MB or None,
            framework="CUDA" if vendor == "NVIDIA" else "ROCm",
            driver=driver or None,
        )
