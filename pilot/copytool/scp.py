"""Copy by OpenSSH: ``scp`` moves the bytes, ``ssh`` runs a few words of shell on the storage's host for the rest.

A path is never part of a text that a shell reads: it is an argument, quoted. A connection takes 0.1 s and more, so that
the steps share one; a large file has its own, whose encryption is another core's work.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from pilot.contract.named import NamedTuple
from pilot.copytool import checksum as sums
from pilot.copytool.base import Cancel, CopyFailed, CopyTool, Deadline, FailureKind, FileFacts, Inside, Setup, Transfer
from pilot.copytool.local import path_of
from pilot.copytool.program import Ran, before, run
from pilot.copytool.ssh_scripts import FOLDER, NAME, NO_FOLDER, NO_PROGRAM, READ, READ_BACK, REMOVE, SIZE, SUM, SUM_UP
from pilot.copytool.ssh_shared import LOST, Connection, Connections
from pilot.copytool.system_errors import told

if TYPE_CHECKING:
    from pilot.settings.scp import Scp as Ways

_ADDRESS = re.compile(r"(?:scp|ssh|sftp)://(?:([^@/\s]+)@)?(\[[0-9a-fA-F:.]+\]|[^@:/\s]+)(?::(\d+))?(/.*)")
_SPECIAL = re.compile(r"[^\w@%+=:,./-]")
#: Which OpenSSH there is, by what comes before it.
_VERSIONS: dict[Setup, tuple[int, int]] = {}
#: Bytes from which on a file has a connection of its own; so has one of a size that is not known.
LARGE = 16 * 2**20
#: What all tools of a pilot share; tools are made for each job.
CONNECTIONS = Connections()


class Place(NamedTuple):
    """A path on a host; ``user`` and ``port`` may be left to OpenSSH's configuration."""

    user: str
    host: str
    port: str
    path: str

    @property
    def login(self) -> str:
        """Who, and where."""
        return f"{self.user}@{self.host}" if self.user else self.host


class Scp(CopyTool):
    """Steps that share a connection, without a terminal and without questions."""

    name = "scp"
    schemes = ("scp", "sftp", "ssh")
    programs = ("scp", "ssh")

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        version_of(self.setup, deadline, cancel)
        if transfer.target.startswith("file:"):
            return self._fetch(transfer, deadline, cancel)
        source, target = path_of(transfer.source), place_of(transfer.target)
        with told(source, "read"):
            size = source.stat().st_size
            source.open("rb").close()
        words = [str(source), f"{target.login}:{self._shown(target.path, to=True)}"]
        ran = self._scp(target, words, size, deadline, cancel)
        if ran.status and ran.failure().kind in (FailureKind.NO_SUCH_FILE, None):
            # Mostly the dataset's folder is there, so that asking first would cost every file a connection.
            self._make_folder(target, transfer.root, deadline, cancel)
            ran = self._scp(target, words, size, deadline, cancel)
        if ran.status:
            raise ran.failure()
        return FileFacts(size)

    def _fetch(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        source, target = place_of(transfer.source), path_of(transfer.target)
        words = [f"{source.login}:{self._shown(source.path, to=False)}", str(target)]
        with told(target.parent, "made"):
            target.parent.mkdir(parents=True, exist_ok=True)
        ran = self._scp(source, words, LARGE if transfer.size is None else transfer.size, deadline, cancel)
        if ran.status:
            raise ran.failure()
        with told(target, "looked at"):
            return FileFacts(target.stat().st_size)

    def stat(self, url: str, deadline: Deadline) -> Optional[FileFacts]:
        place = place_of(url)
        try:
            said = self._ask(place, SIZE, [place.path], deadline)
        except CopyFailed as failed:
            if failed.kind is FailureKind.NO_SUCH_FILE:
                return None
            raise
        if found := re.search(r"^size +(\d+)$", said, re.MULTILINE):
            return FileFacts(int(found[1]))
        raise CopyFailed(FailureKind.EXISTS, f"{url} is there, but is not a file")

    def checksum(self, url: str, algorithm: str, deadline: Deadline) -> str:
        """Have the storage's host compute a checksum; where it has no program for that, read the file through."""
        sums.digest(algorithm)  # refuses what nobody here could compare with
        place = place_of(url)
        ran = self._ssh(place, SUM, [place.path, SUM_UP, algorithm], deadline)
        if ran.status == NO_PROGRAM:
            python = self.setup.python if isinstance(self.setup, Inside) else sys.executable
            summing = [python, "-I", "-c", READ_BACK, SUM_UP, algorithm]
            ran = run([*summing, *self._command(place, READ, [place.path])], deadline, setup=self.setup)
        found = re.search(r"^sum ([0-9a-f]+)$", ran.output, re.MULTILINE)
        if ran.status or not found:
            raise ran.failure()
        return f"{algorithm}:{found[1]}"

    def rename(self, source: str, target: str, deadline: Deadline) -> None:
        old, new = place_of(source), place_of(target)
        if old[:3] != new[:3]:
            raise CopyFailed(None, f"{source} cannot become {target}: these are two hosts")
        self._ask(old, NAME, [old.path, new.path], deadline)

    def remove(self, url: str, deadline: Deadline) -> None:
        place = place_of(url)
        try:
            self._ask(place, REMOVE, [place.path], deadline)
        except CopyFailed as failed:
            if failed.kind is not FailureKind.NO_SUCH_FILE:
                raise

    @cached_property
    def _ways(self) -> Ways:
        return self.settings.scp

    @cached_property
    def _old(self) -> bool:
        """Whether scp's own protocol is spoken."""
        return self._ways.protocol == "scp" or version_of(self.setup) < (8, 7)

    def _shown(self, path: str, *, to: bool) -> str:
        """Write a path as scp wants it: a pattern when it fetches, and read by a shell when it speaks the old way."""
        return _SPECIAL.sub(r"\\\g<0>", path) if self._old or not to else path

    def _make_folder(self, target: Place, root: str, deadline: Deadline, cancel: Cancel) -> None:
        folder = str(Path(target.path).parent)
        top = place_of(root + "/").path if root else "/"
        ran = self._ssh(target, FOLDER, [top, folder], deadline, cancel)
        if ran.status == NO_FOLDER:
            words = f"{top} on {target.host}: the storage's folder is not there; mounted?"
            raise CopyFailed(FailureKind.UNREACHABLE, words)
        if ran.status:
            raise ran.failure()

    def _ask(self, place: Place, script: str, words: Sequence[str], deadline: Deadline) -> str:
        ran = self._ssh(place, script, words, deadline)
        if ran.status:
            raise ran.failure()
        return ran.output

    def _ssh(
        self, place: Place, script: str, words: Sequence[str], deadline: Deadline, cancel: Optional[Cancel] = None
    ) -> Ran:
        cancel = deadline.cancel if cancel is None else cancel
        with self._shared(place, deadline, cancel) as shared:
            command = self._command(place, script, words, shared)
            return _or_lost(run(command, deadline, cancel, setup=self.setup), shared)

    def _command(
        self, place: Place, script: str, words: Sequence[str], shared: Optional[Connection] = None
    ) -> list[str]:
        there = shlex.join(["env", "LC_ALL=C", "sh", "-c", script, "sh", *words])
        return [*self._to(place), *(shared.options if shared else ()), "--", _bare(place.login), there]

    def _to(self, place: Place) -> list[str]:
        return ["ssh", *self._options(place.port and ["-p", place.port])]

    def _scp(self, place: Place, words: Sequence[str], size: int, deadline: Deadline, cancel: Cancel) -> Ran:
        speaks = [] if version_of(self.setup) < (8, 7) else ["-O"] if self._old else ["-s"]
        command = ["scp", *speaks, *self._options(place.port and ["-P", place.port])]
        if size >= LARGE:
            return run([*command, "--", *words], deadline, cancel, setup=self.setup)
        with self._shared(place, deadline, cancel) as shared:
            more = shared.options if shared else ()
            return _or_lost(run([*command, *more, "--", *words], deadline, cancel, setup=self.setup), shared)

    @contextlib.contextmanager
    def _shared(self, place: Place, deadline: Deadline, cancel: Cancel) -> Iterator[Optional[Connection]]:
        """Give a connection that steps share; ``None`` when there is none, and each makes its own."""
        setup, kept = self.setup, self._ways.kept
        if not kept or isinstance(setup, Inside):  # a container need not show the folder of the socket
            yield None
            return
        ssh = [*before(setup, {}), *self._to(place)]
        with CONNECTIONS.to(_bare(place.login), ssh, kept, deadline, cancel) as connection:
            try:
                yield connection
            except CopyFailed as failed:
                if connection and failed.kind is FailureKind.TIMEOUT:  # it may be the connection that hangs
                    CONNECTIONS.forget(connection)
                raise

    def _options(self, port: Sequence[str]) -> list[str]:
        ways = self._ways
        known = {"strict": "yes", "new": "accept-new", "any": "no"}[ways.host_keys]
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": known,
            "ConnectTimeout": f"{ways.connect:.0f}",
            "ServerAliveInterval": f"{ways.silence / 3:.0f}",
            "ServerAliveCountMax": "3",
            "ControlMaster": "no",
            "ControlPersist": "no",
            "LogLevel": "ERROR",
            "ForwardAgent": "no",
            "ForwardX11": "no",
            **({"UserKnownHostsFile": ways.known_hosts, "GlobalKnownHostsFile": "none"} if ways.known_hosts else {}),
            **({"IdentityFile": ways.identity_file, "IdentitiesOnly": "yes"} if ways.identity_file else {}),
        }
        config = ["-F", ways.config] if ways.config else []
        return [*config, *port, *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]


def _bare(login: str) -> str:
    """Write who and where for ``ssh``, to which brackets around an address say nothing."""
    return re.sub(r"[\[\]]", "", login)


def _or_lost(ran: Ran, shared: Optional[Connection]) -> Ran:
    """Forget a connection that was lost, so that the next step makes another one."""
    if shared and ran.status == LOST:
        CONNECTIONS.drop(shared)
        if ran.failure().kind is None:  # whoever shares it is not told why
            return ran._replace(errors=f"{ran.errors} lost connection")
    return ran


def place_of(url: str) -> Place:
    """Read ``scp://[user@]host[:port]/path``; nothing in it is decoded."""
    found = _ADDRESS.fullmatch(url)
    if not found or found[2].startswith("-") or (found[1] or "").startswith("-"):
        raise CopyFailed(None, f"{url} is no address such as scp://host:22/path")
    user, host, port, path = found.groups(default="")
    return Place(user, host, port, "/" + path.lstrip("/"))


def version_of(setup: Setup, deadline: Optional[Deadline] = None, cancel: Optional[Cancel] = None) -> tuple[int, int]:
    """Answer which OpenSSH this is, which is asked once; of one that does not tell, that it is new."""
    if setup not in _VERSIONS:
        ran = run(["ssh", "-V"], deadline or Deadline(30), cancel, setup=setup)
        found = re.search(r"OpenSSH_(\d+)\.(\d+)", ran.errors + ran.output)
        if not found:
            return (9, 0)
        _VERSIONS[setup] = (int(found[1]), int(found[2]))
    return _VERSIONS[setup]
