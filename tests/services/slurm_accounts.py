"""Two real Slurms with accounts in common, for tests: clusters that one set of commands knows by their names."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.services import mariadb
from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports
from tests.services.slurm import PATIENCE, Slurm

CLUSTERS = {"alpha": ("a1",), "beta": ("b1",)}
CONFIGURATION = """
AuthType=auth/munge
AuthInfo=socket={munge}
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
PluginDir={plugins}
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_accounts
"""
#: A controller that forgets fast, and tells the accounts.
MORE = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={munge}
MinJobAge=2
"""


class Accounts:
    """The daemon of the accounts, and the clusters by their names."""

    def __init__(self, folder: Path, daemons: Daemons, database: mariadb.MariaDB) -> None:
        self.folder, self._daemons, self._database = folder, daemons, database
        (self._port,) = free_ports(1)
        programs = install("slurm")
        self.clusters = {
            name: Slurm(programs, folder / name, Daemons(folder / name), nodes, name)
            for name, nodes in CLUSTERS.items()
        }

    def start(self) -> None:
        """Start everything and wait until all nodes are idle."""
        key, (first, *_) = os.urandom(128), self.clusters.values()
        munge = first.folder / "munge.sock"
        for cluster in self.clusters.values():
            cluster.folder.mkdir()
            more = MORE.format(port=self._port, munge=cluster.folder / "munge.sock")
            cluster.write_configuration(more, key)
            cluster.start_munge()
        self._write(munge, first.user)
        self.start_daemon()
        for name, cluster in self.clusters.items():
            first.until(lambda name=name: name in self._added(name), f"{name} is not in the accounts")
            cluster.start_slurm()

    def start_daemon(self) -> None:
        variables = {"SLURM_CONF": str(self.folder / "slurm.conf"), "MYSQL_UNIX_PORT": str(self._database.socket)}
        self._daemons.start("slurmdbd", [str(install("slurm_accounts") / "usr/sbin/slurmdbd"), "-D"], variables)

    def stop_daemon(self) -> None:
        """End the daemon; the clusters go on."""
        self._daemons.stop("slurmdbd")

    def close(self) -> None:
        for cluster in self.clusters.values():
            cluster.close()

    def _write(self, munge: Path, user: str) -> None:
        self._database.make_database("slurm_accounts")
        plugins = (install("slurm_accounts") / "plugins").resolve()
        names = {"munge": munge, "port": self._port, "user": user, "plugins": plugins, "folder": self.folder}
        path = self.folder / "slurmdbd.conf"
        path.write_text(CONFIGURATION.format(**names))
        path.chmod(0o600)

    def _added(self, name: str) -> str:
        cluster = self.clusters[name]
        cluster.run("sacctmgr", "-i", "add", "cluster", name, check=False)
        return cluster.run("sacctmgr", "-n", "-P", "list", "cluster", "format=cluster", check=False)


@contextmanager
def running() -> Iterator[Accounts]:
    """Install and start all; skip, or in CI fail, where that cannot be. Ends it by its processes' numbers."""
    install("slurm_accounts")
    with mariadb.running() as database, ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: the name of a socket has a limit
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        daemons = Daemons(folder)
        stack.callback(daemons.close)
        accounts = Accounts(folder, daemons, database)
        stack.callback(accounts.close)
        try:
            accounts.start()
        except (AssertionError, TimeoutError) as wrong:
            missing("slurm_accounts", f"{wrong} within {PATIENCE:.0f} s")
        yield accounts
