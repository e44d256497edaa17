"""What a pilot is started with: wrapper, bundle and its hash, server, queue, and the file of its token.

Wrapper, bundle and pass travel with each job (`Template.files`), under names that are the same on every node. A queue
whose nodes have the bundle already, on CVMFS, or fetch it from an address, says so by the wrapper's own options, with
which its pilot options may begin: ``["--bundle", "/cvmfs/sw.example.org/pilot.pyz", "--lifetime", "3600"]``. The hash
is that of this server's bundle in any case.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from server.batch.base import Needs, Template

#: Names in the directory that a job starts in.
WRAPPER, BUNDLE, PASS = "pilot-wrapper.sh", "pilot.pyz", "pilot.token"
#: The wrapper's own options; the first word that is none begins the pilot's.
WRAPPER_OPTIONS = frozenset(
    [
        *("--bundle", "--sha256", "--python", "--pythons", "--scratch", "--cache", "--token", "--proxy"),
        *("--silence", "--exit-as", "--last-words"),
    ]
)
#: The least that a POSIX system has.
_PATH = "/usr/local/bin:/usr/bin:/bin"
_ELSEWHERE = re.compile(r"/\S+|https?://[^\s/]\S*")


class CannotLaunch(Exception):
    """Something that every pilot needs is not there; the words say what, and what to do."""


@dataclass(frozen=True)
class Launch:
    """What all pilots of this server have in common. ``bundle_cache`` is a folder of this machine."""

    wrapper: Path
    bundle: Path | None
    server_url: str
    token_file: Callable[[str], Path]  # of a queue's pilots
    bundle_cache: Path | None = None

    def template(
        self,
        key: str,
        queue: str,
        *,
        options: Sequence[str],
        grace: float,
        here: bool = False,
        needs: Needs | None = None,
        job_options: Mapping[str, Any] | None = None,
    ) -> Template:
        """Write what one submission starts.

        Args:
            key: Names the submission.
            queue: The pilots' queue.
            options: Further words for the wrapper, then for the pilot.
            grace: Seconds between the order to stop and the end.
            here: Pilots run on this machine: they share an unpacked bundle, and the server's Python will do for them.
            needs: What each job wants of the system.
            job_options: What the queue asks of its batch system.

        Raises:
            CannotLaunch: a file is missing, nobody said where the server is, or an option cannot be so.
        """
        bundle = self._bundle()
        elsewhere = wrapper_options(options).get("--bundle")
        if elsewhere is not None and not _ELSEWHERE.fullmatch(elsewhere):
            raise CannotLaunch(
                f"{queue}: pilot options: --bundle: {elsewhere!r} is neither a whole path nor an http(s) address"
            )
        files = {WRAPPER: self.wrapper, PASS: self.token_file(queue)}
        if elsewhere is None:
            files[BUNDLE] = bundle
        for path in files.values():
            if not path.is_file():
                raise CannotLaunch(f"{path} is not there")
        return Template(
            key=key,
            argv=("/bin/sh", WRAPPER, *options),
            environment={**self._environment(queue, bundle), **(self._at_home() if here else {})},
            grace=grace,
            files=files,
            needs=needs or Needs(),
            options=job_options or {},
        )

    def _bundle(self) -> Path:
        if self.bundle is None:
            raise CannotLaunch("COMPASS_SERVER_BUNDLE is not set: the file that `make bundle` wrote is expected")
        if not self.bundle.is_file():
            raise CannotLaunch(f"{self.bundle} is not there")
        return self.bundle

    def _environment(self, queue: str, bundle: Path) -> Mapping[str, str]:
        if not self.server_url:
            raise CannotLaunch(
                "COMPASS_SERVER_URL is not set: the address at which pilots reach this server is expected"
            )
        return {
            "PATH": _PATH,
            "LANG": "C.UTF-8",
            "COMPASS_BUNDLE": BUNDLE,
            "COMPASS_BUNDLE_SHA256": sha256_of(bundle),
            "COMPASS_PILOT__SERVER__URL": self.server_url,
            "COMPASS_PILOT__SERVER__TOKEN_FILE": PASS,
            "COMPASS_PILOT__QUEUE__NAME": queue,
        }

    def _at_home(self) -> Mapping[str, str]:
        # The server's own Python comes last: there may be no other. Of its own processes it knows by itself.
        own = {"PATH": f"{_PATH}:{sys.base_prefix}/bin", "COMPASS_REPORT": "no"}
        return {**own, **({"COMPASS_BUNDLE_CACHE": str(self.bundle_cache)} if self.bundle_cache else {})}


def wrapper_options(options: Sequence[str]) -> Mapping[str, str]:
    """Answer those of a queue's pilot options that are the wrapper's own, as the wrapper reads them.

    Raises:
        CannotLaunch: the last of them has no value.
    """
    found: dict[str, str] = {}
    words = list(options)
    while words and words[0] in WRAPPER_OPTIONS:
        if len(words) == 1:
            raise CannotLaunch(f"pilot options: {words[0]} needs a value")
        found[words[0]], words = words[1], words[2:]
    return found


def sha256_of(path: Path) -> str:
    """Answer the hash of a file; read again only when it has changed."""
    found = path.stat()
    return _sha256(path, found.st_mtime_ns, found.st_size, found.st_ino)


@lru_cache(maxsize=8)
def _sha256(path: Path, *_version: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
