"""A real Redis on the loopback, for tests: plain, and by TLS with certificates of clients."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.services.authority import Authority
from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports

#: Seconds until it has to listen.
PATIENCE = 30.0


class Redis:
    """One server. ``plain`` and ``tls`` are its ports; by TLS it wants a certificate of its authority."""

    def __init__(self, programs: Path, folder: Path, daemons: Daemons) -> None:
        self.folder, self._programs, self._daemons = folder, programs, daemons
        self.plain, self.tls = free_ports(2)
        self.authority = Authority(folder / "authority")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        own = self.authority.issue("localhost")
        words = {
            "bind": "127.0.0.1",
            "port": self.plain,
            "tls-port": self.tls,
            "tls-cert-file": own,
            "tls-key-file": own,
            "tls-ca-cert-file": self.authority.file,
            "tls-auth-clients": "yes",
            "dir": self.folder,
            "appendonly": "no",
        }
        argv = [str(self._programs / "usr/bin/redis-server")]
        for name, value in words.items():
            argv += [f"--{name}", str(value)]
        self._daemons.start("redis", [*argv, "--save", ""], {})
        self._daemons.wait(self._listens, PATIENCE, "Redis does not listen")

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.plain), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False


@contextmanager
def running() -> Iterator[Redis]:
    """Have one for a while."""
    programs = install("redis")
    folder = Path(tempfile.mkdtemp(prefix="redis-"))
    daemons = Daemons(folder)
    try:
        server = Redis(programs, folder, daemons)
        try:
            server.start()
        except TimeoutError as wrong:
            missing("redis", str(wrong))
        yield server
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
