"""The server process: granian with worker processes of one Python thread each, which end when it ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

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


def serve(host: str, port: int, *, workers: int, say: Callable[[str], object]) -> None:
    """Answer requests until SIGTERM or SIGINT; say the address when the first answer was given.

    One thread per worker runs requests: SQLite has one writer, and more threads would only wait for its lock. A request
    waits for that thread in `gateway`, until all of it has arrived.

    Raises:
        CommandError: the address is in use, or not this machine's.
    """
    _refuse_taken(host, port)
    metrics.share_among_workers(settings.HOME)
    server = Server(
        "server.manage.worker:application",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=workers,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE,
    )

    @server.on_startup
    def watch() -> None:
        threading.Thread(target=_say_when_ready, args=(host, port, say), daemon=True).start()

    server.serve()


def _refuse_taken(host: str, port: int) -> None:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as wrong:
        raise CommandError(
            f"cannot listen on {host}:{port}: {wrong.strerror}; choose another --host or --port"
        ) from wrong


def _say_when_ready(host: str, port: int, say: Callable[[str], object]) -> None:
    """Ask the server itself until it answers, and say where.

    Plain socket calls only: this thread runs while workers are forked, and holds no lock that they would inherit.
    """
    name = _ANY.get(host, host)
    question = f"GET {IS_ALIVE} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
    never = threading.Event()
    while True:
        try:
            with socket.create_connection((name, port)) as connection:
                connection.sendall(question)
                if connection.recv(12):
                    break
        except OSError:
            pass
        never.wait(0.02)
    say(f"serving on http://{f'[{name}]' if ':' in name else name}:{port}")
