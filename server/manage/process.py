"""The server process: granian with worker processes of one Python thread each, which end when it ends."""

from __future__ import annotations

import math
import socket
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import Server

from pilot.contract.routes import IS_ALIVE
from server.lib import metrics

#: Seconds that a worker has for the request in its hands when it is told to stop.
GRACE = 20

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (to be reached, not to be listened on)


#: Who may open the Unix socket: the server's own user and the file's group, to which the web server in front belongs.
SOCKET_MODE = 0o660


@dataclass(frozen=True)
class Place:
    """Where the server listens: at host and port or, when there is one, at a Unix socket."""

    host: str = "127.0.0.1"
    port: int = 25080
    path: Path | None = None

    def connect(self) -> socket.socket:
        """Connect with who listens there.

        Raises:
            OSError: nobody does.
        """
        if self.path is None:
            return socket.create_connection((_ANY.get(self.host, self.host), self.port))
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(str(self.path))
        except OSError:
            line.close()
            raise
        return line

    def __str__(self) -> str:
        name = _ANY.get(self.host, self.host)
        return f"unix:{self.path}" if self.path else f"http://{f'[{name}]' if ':' in name else name}:{self.port}"


class Replaced(dict[int, float]):
    """When granian has replaced which worker. It asks here before it does so again, and ends when that was just now.

    One worker that dies twice in some seconds, as of too much memory, is no reason to end all others: it is told so
    only when too many have died of late, as those do that cannot start.
    """

    #: So many deaths within so many seconds are borne.
    MOST, LATELY = 10, 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._deaths = clock, list[float]()

    def get(self, worker: int, default: Any = 0.0) -> Any:
        """Note that a worker has died; answer the present when too many have, else a time that is long past."""
        now = self._clock()
        self._deaths = [*(death for death in self._deaths if now - death < self.LATELY), now]
        return now if len(self._deaths) > self.MOST else -math.inf


def serve(place: Place, *, workers: int, say: Callable[[str], object]) -> None:
    """Answer requests until SIGTERM or SIGINT; say the address when the first answer was given.

    One thread per worker runs requests: SQLite has one writer, and more threads would only wait for its lock. A request
    waits for that thread in `gateway`, until all of it has arrived.

    Raises:
        CommandError: the address is in use, or not this machine's.
    """
    _refuse_taken(place)
    metrics.share_among_workers(settings.HOME)
    server = Server(
        "server.manage.worker:application",
        address=place.host,
        port=place.port,
        uds=place.path,
        uds_permissions=SOCKET_MODE if place.path else None,
        interface=Interfaces.RSGI,
        workers=workers,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE,
    )

    server.respawned_wrks = Replaced()

    @server.on_startup
    def watch() -> None:
        threading.Thread(target=_say_when_ready, args=(place, say), daemon=True).start()

    server.serve()


def _refuse_taken(place: Place) -> None:
    if place.path is not None:
        _refuse_taken_path(place, place.path)
        return
    try:
        family = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((place.host, place.port))
    except OSError as wrong:
        words = f"cannot listen on {place.host}:{place.port}: {wrong.strerror}; choose another --host or --port"
        raise CommandError(words) from wrong


def _refuse_taken_path(place: Place, path: Path) -> None:
    """Refuse what somebody listens at, and what is no socket: a dead server's is removed, and nothing else."""
    try:
        place.connect().close()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise CommandError(f"cannot listen on {place}: {path.parent} is no folder") from None
    except OSError as wrong:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CommandError(f"cannot listen on {place}: there is something, which is no socket") from wrong
        path.unlink()
    else:
        raise CommandError(f"cannot listen on {place}: a server listens there already")


def _say_when_ready(place: Place, say: Callable[[str], object]) -> None:
    """Ask the server itself until it answers, and say where.

    Plain socket calls only: this thread runs while workers are forked, and holds no lock that they would inherit.
    """
    question = f"GET {IS_ALIVE} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
    never = threading.Event()
    while True:
        try:
            with place.connect() as connection:
                connection.sendall(question)
                if connection.recv(12):
                    break
        except OSError:
            pass
        never.wait(0.02)
    say(f"serving on {place}")
