"""Real GridFTP servers for tests, by proxies and anonymous: on the loopback, in a folder of their own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.services.authority import Authority
from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports

#: Whom the server runs as when the tests are root's; it would not serve root.
USER = "nobody"
#: Seconds until they have to listen.
PATIENCE = 90.0


class GridFTP:
    """Two servers of one folder, ``storage``: ``secure`` (gsiftp) and ``plain`` (ftp) are its addresses.

    ``secure`` knows ``person`` alone; ``environment`` is what a client needs that has a good proxy of this person.
    """

    def __init__(self, programs: Path, folder: Path, daemons: Daemons) -> None:
        self.copy_program, self.folder, self._daemons = programs / "usr/bin/globus-url-copy", folder, daemons
        self._server = programs / "usr/sbin/globus-gridftp-server"
        self.storage, self._mapped = folder / "storage", folder / "grid-mapfile"
        self._user = USER if os.geteuid() == 0 else getpass.getuser()
        self._ports = dict(zip(("secure", "plain"), free_ports(2), strict=True))
        self.authority = Authority(folder / "authority")
        self._host = self.authority.issue("localhost")
        self.person = self.authority.issue("pilot", delegates=True)
        self.environment = self.credentials(self.authority.proxy(self.person))

    @property
    def secure(self) -> str:
        return f"gsiftp://localhost:{self._ports['secure']}{self.storage}"

    @property
    def plain(self) -> str:
        return f"ftp://127.0.0.1:{self._ports['plain']}{self.storage}"

    def credentials(self, proxy: Path) -> Mapping[str, str]:
        """Answer the variables by which a client uses a proxy."""
        return {"X509_CERT_DIR": str(self.authority.hashed()), "X509_USER_PROXY": str(proxy)}

    def prepare(self) -> None:
        """Make what both need."""
        for folder in (self.folder, self.authority.folder, self.authority.hashed()):
            folder.chmod(0o755)
        self.storage.mkdir()
        self.storage.chmod(0o777)
        shutil.chown(self._host, self._user)
        self._mapped.write_text(f'"/CN={self.person.stem}" {self._user}\n')

    def start(self) -> None:
        """Start both, and wait until they listen."""
        files = {"X509_USER_CERT": self._host, "X509_USER_KEY": self._host, "GRIDMAP": self._mapped}
        known = {name: str(file) for name, file in files.items()}
        self._start("secure", ["-auth-level", "7"], {**known, "X509_CERT_DIR": str(self.authority.hashed())})
        self._start("plain", ["-allow-anonymous"], {})
        self._daemons.wait(self._listen, PATIENCE, "GridFTP does not listen")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have both hang for a while (SIGSTOP), with the process that each connection has."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End both, and what serves connections, as a power failure would."""
        self._signal(signal.SIGKILL)
        for name in self._ports:
            self._daemons.kill(name)

    def put(self, name: str, content: bytes) -> Path:
        """Let a file lie there which is the server's own; answer where."""
        path = self.storage / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        for each in (path, *path.parents):
            if each == self.storage:
                break
            shutil.chown(each, self._user)
        return path

    def files(self) -> Sequence[str]:
        """Answer the names of all files that lie there, in order."""
        return sorted(str(path.relative_to(self.storage)) for path in self.storage.rglob("*") if not path.is_dir())

    def empty(self) -> None:
        """Remove all that lies there."""
        for path in self.storage.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _signal(self, number: signal.Signals) -> None:
        for name in self._ports:
            os.killpg(self._daemons.pid(name), number)

    def _start(self, name: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
        local = ["-control-interface", "127.0.0.1", "-data-interface", "127.0.0.1", "-hostname", "localhost"]
        own = [str(self._server), "-exec", str(self._server), "-daemon", "-no-chdir", "-port", str(self._ports[name])]
        reuid = ["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        self._daemons.start(name, [*own, *local, *words], environment, before=reuid)

    def _listen(self) -> bool:
        for port in self._ports.values():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)):
                    return False
        return True


@contextmanager
def running() -> Iterator[GridFTP]:
    """Have them for a while."""
    programs = install("gridftp")
    folder = Path(tempfile.mkdtemp(prefix="gridftp-"))
    daemons = Daemons(folder)
    try:
        server = GridFTP(programs, folder, daemons)
        server.prepare()
        try:
            server.start()
        except TimeoutError as wrong:
            missing("gridftp", str(wrong))
        yield server
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
