"""A real MariaDB for tests: a server of its own, at a socket in a folder of its own. For root and others."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.containers import install, missing
from tests.services.daemons import Daemons

#: Who may do all, by the socket, without a password.
USER = "root"
#: Seconds until it has to take connections.
PATIENCE = 60.0

#: What is answered is on the disk.
DURABLE = ("--innodb-flush-log-at-trx-commit=1", "--innodb-doublewrite=1")
#: Fast: it survives the end of its process, and not that of the machine.
QUICK = (
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--innodb-file-per-table=0",
    "--debug-no-sync",
)


class MariaDB:
    """One server, reached by a socket in its folder by `USER`, who may do all."""

    def __init__(self, programs: Path, folder: Path, daemons: Daemons, *, durable: bool) -> None:
        self.folder, self._programs, self._daemons, self._durable = folder, programs, daemons, durable
        self.socket = folder / "socket"

    def url(self, database: str) -> str:
        """Write the address of a database, as the server's setting has it."""
        return f"mariadb://{USER}@localhost/{database}?socket={self.socket}"

    def start(self) -> None:
        """Start it, with empty tables at the first time, and wait until it takes connections."""
        tables, share = self.folder / "data", self._programs / "usr/share/mysql"
        if not tables.exists():
            shutil.copytree(self._programs / "tables", tables)
        options = (
            f"--user={pwd.getpwuid(os.geteuid()).pw_name}",
            f"--datadir={tables}",
            f"--tmpdir={self.folder}",
            f"--socket={self.socket}",
            f"--pid-file={self.folder / 'pid'}",
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share / 'charsets'}",
            f"--plugin-dir={self._programs / 'usr/lib/mysql/plugin'}",
            "--innodb-log-file-size=48M",
            "--innodb-buffer-pool-size=64M",
            "--max-connections=100",
            "--performance-schema=0",
            "--skip-networking",
            "--skip-grant-tables",
            *(DURABLE if self._durable else QUICK),
        )
        self._daemons.start("mariadb", [str(self._programs / "sbin/mariadbd"), "--no-defaults", *options], {})
        self._daemons.wait(self._answers, PATIENCE, "MariaDB does not come up")

    def stop(self) -> None:
        """End it; it may be started again."""
        self._daemons.stop("mariadb")

    def kill(self) -> None:
        """End it as a power failure would; it may be started again."""
        self._daemons.kill("mariadb")

    def make_database(self, name: str) -> None:
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")

    def execute(self, statement: str, database: str = "mysql") -> list[tuple[object, ...]]:
        """Run SQL; answer the rows."""
        import pymysql

        connection = pymysql.connect(unix_socket=str(self.socket), user=USER, database=database, autocommit=True)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def _answers(self) -> bool:
        import pymysql

        try:
            self.execute("SELECT 1")
        except pymysql.OperationalError:
            return False
        return True


@contextmanager
def running(*, durable: bool = False) -> Iterator[MariaDB]:
    """Install and start one; skip, or in CI fail, where that cannot be. Ends it by its process's number."""
    programs = install("mariadb")
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))  # short: the name of a socket has a limit
    daemons = Daemons(folder)
    try:
        server = MariaDB(programs, folder, daemons, durable=durable)
        try:
            server.start()
        except (AssertionError, TimeoutError, subprocess.SubprocessError) as wrong:
            missing("mariadb", str(wrong))
        yield server
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
