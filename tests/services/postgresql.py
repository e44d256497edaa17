"""A real PostgreSQL for tests: a cluster of its own, on the loopback, in a folder of its own. For root and others."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports

#: The superuser of the cluster, who needs no password.
USER = "tests"
#: Seconds until it has to take connections.
PATIENCE = 90.0
#: Whose it is where root runs the tests: the server refuses to be root's.
ORDINARY = "nobody"

#: Fast: it survives the end of its processes, and not that of the machine.
QUICK = """
fsync = off
full_page_writes = off
"""
CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 100
shared_buffers = 64MB
jit = off
"""


class PostgreSQL:
    """One cluster, reached at ``port`` of 127.0.0.1 by `USER`, who may do all."""

    def __init__(self, programs: Path, folder: Path, daemons: Daemons, *, durable: bool) -> None:
        self.folder, self._programs, self._daemons, self._durable = folder, programs, daemons, durable
        (self.port,) = free_ports(1)
        self._data = folder / "data"

    def url(self, database: str, scheme: str = "postgresql") -> str:
        """Write the address of a database, as Django's and SQLAlchemy's settings want it."""
        return f"{scheme}://{USER}@127.0.0.1:{self.port}/{database}"

    def make_cluster(self) -> None:
        """Make an empty cluster."""
        self._data.mkdir(mode=0o700)
        if not os.geteuid():
            own = pwd.getpwnam(ORDINARY)
            for folder in (self.folder, self._data):
                os.chown(folder, own.pw_uid, own.pw_gid)
        options = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", f"--username={USER}")
        self._run("initdb", f"--pgdata={self._data}", *options)
        text = CONFIGURATION.format(port=self.port, folder=self.folder) + ("" if self._durable else QUICK)
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(text)

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        argv = [str(self._programs / "bin/postgres"), "-D", str(self._data)]
        # By the word for a fast end: what is connected is not waited for.
        self._daemons.start("postgresql", argv, {}, before=_ordinary(), ends_by=signal.SIGINT)
        self._daemons.wait(self._answers, PATIENCE, "PostgreSQL does not come up")

    def stop(self) -> None:
        """End it; it may be started again."""
        self._daemons.stop("postgresql")

    def kill(self) -> None:
        """End it with all its processes, as a power failure would; it may be started again."""
        below = psutil.Process(self._daemons.pid("postgresql")).children(recursive=True)
        self._daemons.kill("postgresql")
        for each in below:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        _, left = psutil.wait_procs(below, PATIENCE)
        assert not left, left

    def make_database(self, name: str) -> None:
        self.execute(f'CREATE DATABASE "{name}"', "postgres")

    def execute(self, statement: str, database: str) -> str:
        """Run SQL; answer what psql writes: rows by line, values between ``|``."""
        options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        where = ("--host=127.0.0.1", f"--port={self.port}", f"--username={USER}", f"--dbname={database}")
        return self._run("psql", *options, *where, f"--command={statement}").strip()

    def _answers(self) -> bool:
        argv = [str(self._programs / "bin/pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        return subprocess.run(argv, capture_output=True, timeout=PATIENCE).returncode == 0

    def _run(self, program: str, *words: str) -> str:
        argv = [*_ordinary(), str(self._programs / "bin" / program), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=self.folder)
        if done.returncode:
            raise AssertionError(f"{program}: {done.stderr}")
        return done.stdout


def _ordinary() -> Sequence[str]:
    """Answer the words before a command that make it an ordinary user's."""
    if os.geteuid():
        return []
    own = pwd.getpwnam(ORDINARY)
    return ["setpriv", f"--reuid={own.pw_uid}", f"--regid={own.pw_gid}", "--clear-groups", "--"]


@contextmanager
def running(*, durable: bool = False) -> Iterator[PostgreSQL]:
    """Install and start one; skip, or in CI fail, where that cannot be. Ends it by its process's number.

    A ``durable`` one waits for the disk at each commit.
    """
    programs = install("postgresql")
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))  # short: the name of a socket has a limit
    daemons = Daemons(folder)
    try:
        server = PostgreSQL(programs, folder, daemons, durable=durable)
        try:
            server.make_cluster()
            server.start()
        except (AssertionError, TimeoutError) as wrong:
            missing("postgresql", str(wrong))
        yield server
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
