"""Connections to a login node by OpenSSH, at whose other end our own modules answer; they are sent there when need be.

One connection does all: the login node's shell is told to start Python and nothing else, Python reads a first program
from its standard input, and that one takes our modules, under the hash of their content, and serves requests as a child
of `server.lib.apart` does. It ends with its input, so also when the server is killed.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import itertools
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from server.batch import ssh_starter
from server.batch.base import BatchFailed, BatchMisconfigured
from server.batch.ssh_options import SshOptions, command
from server.lib import apart

_ROOT = Path(__file__).parents[2]
#: Packages that are sent: their modules need each other and the standard library.
_SENT = ("pilot/contract", "server/batch", "server/lib")
#: What ssh itself needs of our environment: whose files, and where credentials are.
_GIVEN = ("PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "KRB5CCNAME")
#: Statuses of ``ssh``: something was wrong with the connection; and of a shell that finds no such program.
_LOST, _NO_PROGRAM = 255, (126, 127)
_LAST_WORDS = 400
#: Lines that others may write before we are heard.
_MOST_GREETINGS = 1000
#: Seconds that a program has to end after it has closed its output.
_FAREWELL = 5.0
#: What ssh says, what that means, and what to do.
_REMEDIES = (
    (
        "HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one in known_hosts: ask the site whether it has a new one, and only then replace it",
    ),
    ("Host key verification failed", "its host key is not in known_hosts: add it as the site publishes it"),
    ("Permission denied", "it does not let us in with this key or ticket: see options user and identity_file"),
)


class Agents(apart.Apart):
    """Connections to one login node, each of which is kept for a while for the next question."""

    unavailable = BatchFailed
    misconfigured = BatchMisconfigured

    def __init__(self, name: str, options: SshOptions) -> None:
        """Say which system's, and how it is reached; nothing is connected yet."""
        super().__init__("", {}, options.idle)
        self._name, self._options = name, options

    def _start(self) -> Connection:
        connection = Connection(command(self._options), self._options.host)
        try:
            self._greet(connection)
        except apart.Silent as silent:
            connection.kill()
            raise BatchFailed(str(silent)) from None
        except BaseException:
            connection.kill()
            raise
        return connection

    def _greet(self, connection: Connection) -> None:
        """Have our modules there, and running."""
        digest, modules = bundle()
        patience = self._options.connect + self._options.silence
        program = Path(ssh_starter.__file__).read_text()
        begin = {"program": program, "folder": self._options.folder, "name": self._name, "hash": digest}
        connection.write(begin, patience)
        for said in connection.greetings(patience):
            if "failed" in said:
                raise BatchFailed(f"{self._options.host}: {said['failed']}")
            if "ready" in said:
                return
            connection.write({"modules": base64.b64encode(modules).decode()}, patience)
        raise BatchFailed(f"{self._options.host}: its shell writes so much that nothing of ours is heard")


class Connection(apart.Child):
    """One ``ssh``; what it, and the login node's shell, have to say about a failure is kept."""

    def __init__(self, words: list[str], host: str) -> None:
        """Begin to connect."""
        self._host, self._errors = host, os.memfd_create("ssh")
        try:
            super().__init__(words, {name: os.environ[name] for name in _GIVEN if name in os.environ}, self._errors)
        except OSError as wrong:
            os.close(self._errors)
            raise BatchFailed(f"ssh cannot be started: {wrong.strerror}") from wrong

    def greetings(self, patience: float) -> Iterator[Mapping[str, Any]]:
        """Yield what our first program says; others may have greeted before."""
        for line in itertools.islice(self.lines(patience), _MOST_GREETINGS):
            _, mark, said = line.decode(errors="replace").partition(ssh_starter.MARK)
            if mark:
                yield json.loads(said)

    def kill(self) -> None:
        """End it; the login node ends what is ours there."""
        super().kill()
        os.close(self._errors)

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            return f"{self._host}: the connection was closed"
        said = os.pread(self._errors, os.fstat(self._errors).st_size, 0).decode(errors="replace")
        return f"{self._host}: {explain(status, said)}"


def explain(status: int, said: str) -> str:
    """Say why there is no connection, or none any more; pure."""
    lines = [line.strip() for line in said.splitlines() if line.strip(" @\r")]
    words = "; ".join(lines)[-_LAST_WORDS:] or "without a word"
    if status == _LOST:
        remedy = next((remedy for sign, remedy in _REMEDIES if sign in said), "")
        return f"{remedy} (ssh: {words})" if remedy else f"ssh has no connection: {words}"
    if status in _NO_PROGRAM:
        return f"there is no such Python there; name one by options.python ({words})"
    return f"what asks there has ended with status {status}: {words}"


@functools.cache
def bundle() -> tuple[str, bytes]:
    """Answer the modules that are sent as an archive, and the hash of it; the same ones make the same archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in ("pilot", "server"):
            archive.writestr(_entry(f"{package}/__init__.py"), "")
        for package in _SENT:
            for path in sorted((_ROOT / package).glob("*.py")):
                archive.writestr(_entry(f"{package}/{path.name}"), path.read_bytes())
    whole = file.getvalue()
    return hashlib.sha256(whole).hexdigest(), whole


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
