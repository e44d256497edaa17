"""A real OpenSSH server for tests: on the loopback, for the user who runs them, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports

#: Seconds until it has to listen.
PATIENCE = 90.0
CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/id.pub
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
MaxStartups 100
KexAlgorithms curve25519-sha256
Subsystem sftp internal-sftp
SetEnv PATH={path}
"""
#: As root it wants a user and a folder of the machine's: it gets them in a mount namespace of its own.
AS_ROOT = 'mount --bind "$0" /etc/passwd && mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"'


class Sshd:
    """One server. ``folder/programs`` stands first in the PATH of who logs in."""

    def __init__(self, programs: Path, folder: Path, daemons: Daemons) -> None:
        self.folder, self._programs, self._daemons = folder, programs, daemons
        (self.port,) = free_ports(1)
        self.identity, self.known_hosts = folder / "id", folder / "known_hosts"
        (folder / "programs").mkdir()

    def configure(self) -> None:
        for name in ("host_key", "id"):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.folder / name)]
            subprocess.run(argv, check=True)
        path = f"{self.folder / 'programs'}:/usr/local/bin:/usr/bin:/bin"
        (self.folder / "sshd_config").write_text(CONFIGURATION.format(port=self.port, folder=self.folder, path=path))
        host_key = (self.folder / "host_key.pub").read_text()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {host_key}")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        argv = [str(self._programs / "usr/sbin/sshd"), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        self._daemons.start("sshd", argv, {}, before=self._before())
        self._daemons.wait(self._listens, PATIENCE, "sshd does not listen")

    def _before(self) -> list[str]:
        if os.geteuid():
            return []
        return ["unshare", "--mount", "sh", "-c", AS_ROOT, str(self._users())]

    def _users(self) -> Path:
        """Write whom the server knows: whoever runs the tests, with nothing in the home that a shell would read."""
        me, home = pwd.getpwuid(os.geteuid()), self.folder / "home"
        home.mkdir(exist_ok=True)
        lines = [
            f"{me.pw_name}:x:{me.pw_uid}:{me.pw_gid}::{home}:/bin/sh",
            "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin",
        ]
        path = self.folder / "passwd"
        path.write_text("\n".join(lines) + "\n")
        return path

    def stop(self) -> None:
        """End it, with whoever is logged in."""
        everyone = self._processes()
        self._daemons.stop("sshd")
        for each in everyone:
            with suppress(psutil.NoSuchProcess):
                each.kill()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it do nothing for a while, also for those who are logged in; connections to it stay open."""
        everyone = self._processes()
        _signal(everyone, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(everyone, signal.SIGCONT)

    def sessions(self) -> list[psutil.Process]:
        """Answer the processes of those who are logged in, and what they run."""
        return psutil.Process(self._daemons.pid("sshd")).children(recursive=True)

    @property
    def connections(self) -> int:
        """How many have logged in since it was made."""
        return (self.folder / "sshd.out").read_text(errors="replace").count("Accepted publickey")

    def _processes(self) -> list[psutil.Process]:
        listener = psutil.Process(self._daemons.pid("sshd"))
        return [listener, *listener.children(recursive=True)]

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(number)


@contextmanager
def running() -> Iterator[Sshd]:
    """Have one for a while."""
    programs = install("sshd")
    folder = Path(tempfile.mkdtemp(prefix="sshd-"))
    daemons = Daemons(folder)
    try:
        server = Sshd(programs, folder, daemons)
        server.configure()
        try:
            server.start()
        except (OSError, subprocess.CalledProcessError) as wrong:
            missing("sshd", str(wrong))
        yield server
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
