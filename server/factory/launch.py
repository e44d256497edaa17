"""What a pilot is started with: wrapper, bundle and its hash, server, queue, and the file of its token."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from server.batch.base import Template


class CannotLaunch(Exception):
    """Something that every pilot needs is not there; the words say what, and what to do."""


@dataclass(frozen=True)
class Launch:
    """What all pilots of this server have in common."""

    wrapper: Path
    bundle: Path | None
    server_url: str
    token_file: Callable[[str], Path]  # of a queue's pilots
    bundle_cache: Path | None = None

    def template(self, key: str, queue: str, *, options: Sequence[str], grace: float) -> Template:
        """Write what one submission starts.

        Raises:
            CannotLaunch: a file is missing, or nobody said where the server is.
        """
        return Template(
            key=key,
            argv=("/bin/sh", str(self.wrapper), *options),
            environment=self._environment(queue),
            grace=grace,
        )

    def _environment(self, queue: str) -> Mapping[str, str]:
        if self.bundle is None:
            raise CannotLaunch("COMPASS_SERVER_BUNDLE is not set: the file that `make bundle` wrote is expected")
        if not self.server_url:
            raise CannotLaunch(
                "COMPASS_SERVER_URL is not set: the address at which pilots reach this server is expected"
            )
        token_file = self.token_file(queue)
        for path in (self.wrapper, self.bundle, token_file):
            if not path.is_file():
                raise CannotLaunch(f"{path} is not there")
        return {
            # The server's own Python comes last: for pilots of this machine, where there may be no other.
            "PATH": f"/usr/local/bin:/usr/bin:/bin:{sys.base_prefix}/bin",
            "LANG": "C.UTF-8",
            "COMPASS_BUNDLE": str(self.bundle),
            "COMPASS_BUNDLE_SHA256": sha256_of(self.bundle),
            **({"COMPASS_BUNDLE_CACHE": str(self.bundle_cache)} if self.bundle_cache else {}),
            "COMPASS_PILOT__SERVER__URL": self.server_url,
            "COMPASS_PILOT__SERVER__TOKEN_FILE": str(token_file),
            "COMPASS_PILOT__QUEUE__NAME": queue,
        }


def sha256_of(path: Path) -> str:
    """Answer the hash of a file; read again only when it has changed."""
    found = path.stat()
    return _sha256(path, found.st_mtime_ns, found.st_size, found.st_ino)


@lru_cache(maxsize=8)
def _sha256(path: Path, *_version: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
