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
PATIENCE = 10.0


class GridFTP:
    """Two servers of one folder, ``storage``: ``secure`` (gsiftp) and ``plain`` (ftp) are its addresses.

    ``secure`` knows ``person`` alone; ``environment`` is what a client needs that has a good proxy of this person.
    """

    def __init__(self, programs: Path, folder: Path, daemons: Daemons) -> None:
        self.copy_program, self.folder, self._daemons = programs / "usr/bin/globus-url-copy", folder, daemons
        self._server = programs / "usr/sbin/globus-gridftp-server"
        self.storage = folder / "storage"
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

    def start(self) -> None:
        """Start both, and wait until they listen."""
        for folder in (self.folder, self.authority.folder, self.authority.hashed()):
            folder.chmod(0o755)
        self.storage.mkdir()
        self.storage.chmod(0o777)
        user = USER if os.geteuid() == 0 else getpass.getuser()
        shutil.chown(self._host, user)
        mapped = self.folder / "grid-mapfile"
        mapped.write_text(f'"/CN={self.person.stem}" {user}\n')
        files = {"X509_USER_CERT": self._host, "X509_USER_KEY": self._host, "GRIDMAP": mapped}
        known = {name: str(file) for name, file in files.items()}
        self._start("secure", ["-auth-level", "7"], {**known, "X509_CERT_DIR": str(self.authority.hashed())})
        self._start("plain", ["-allow-anonymous"], {})
        self._daemons.wait(self._listen, PATIENCE, "GridFTP does not listen")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have both hang for a while: whoever connects gets no answer."""
        for name in self._ports:
            os.kill(self._daemons.pid(name), signal.SIGSTOP)
        try:
            yield
        finally:
            for name in self._ports:
                os.kill(self._daemons.pid(name), signal.SIGCONT)

    def empty(self) -> None:
        """Remove all that lies there."""
        for path in self.storage.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

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
        try:
            server.start()
        except TimeoutError as wrong:
            missing("gridftp", str(wrong))
        yield server
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
