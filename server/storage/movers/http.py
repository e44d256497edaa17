"""Third-party copies by HTTP: the target's server is told to COPY from a source. Run apart.

Who asks is said by the server's environment: ``X509_USER_PROXY`` (or ``X509_USER_CERT`` and ``X509_USER_KEY``),
``X509_CERT_DIR`` or ``REQUESTS_CA_BUNDLE`` for whom to trust, ``BEARER_TOKEN_FILE`` for a token, which both get.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from server.storage.base import StorageUnavailable
from server.storage.movers.steps import CopyRefused, Tool, carry_out, clean

if TYPE_CHECKING:
    import requests

_ARRIVED = re.compile(r"Stripe Bytes Transferred:\s*(\d+)")


class HttpTool(Tool):
    """By requests. ``patience``: the longest silence, in seconds; a server that copies speaks every few."""

    def __init__(self, patience: float, environment: Mapping[str, str]) -> None:
        self._patience, self._environment = patience, environment

    def size(self, url: str) -> int | None:
        answer = self._ask("HEAD", url)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        self._need_success("HEAD", url, answer)
        return int(answer.headers.get("Content-Length", -1))

    def checksum(self, url: str) -> str | None:
        answer = self._ask("HEAD", url, {"Want-Digest": "adler32"}, patience=3600.0)  # the server reads the file
        return read_digest(answer.headers.get("Digest", "")) if answer.ok else None

    def copy(self, source: str, target: str) -> Iterator[int]:
        self._make_folders(target)
        yield from self._copy(source, target)

    def _copy(self, source: str, target: str) -> Iterator[int]:
        import requests

        headers = {"Source": _https(source), "Overwrite": "T", "RequireChecksumVerification": "false"}
        if "Authorization" in self._session.headers:
            headers["TransferHeaderAuthorization"] = str(self._session.headers["Authorization"])
        else:
            headers["Credential"] = "none"
        with self._ask("COPY", target, headers, stream=True) as answer:
            self._need_success("COPY", target, answer)
            last = ""
            try:
                for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
                    last = str(line).strip() or last
                    if found := _ARRIVED.search(last):
                        yield int(found[1])
            except requests.RequestException as wrong:
                raise CopyRefused(f"the copy was cut off: {wrong}") from wrong
        if last and not last.lower().startswith("success"):
            raise CopyRefused(last)

    def rename(self, before: str, after: str) -> None:
        self._need_success("MOVE", before, self._ask("MOVE", before, {"Destination": _https(after), "Overwrite": "F"}))

    def remove(self, url: str) -> None:
        answer = self._ask("DELETE", url)
        if answer.status_code != HTTPStatus.NOT_FOUND:
            self._need_success("DELETE", url, answer)

    def _make_folders(self, url: str) -> None:
        """Make the folders above a file that are missing; whether that helped, the copy tells."""
        found = urlsplit(url)
        missing: list[str] = []
        for folder in PurePosixPath(found.path).parents[:-1]:
            above = f"{found.scheme}://{found.netloc}{folder}/"
            if self._ask("PROPFIND", above, {"Depth": "0"}).status_code != HTTPStatus.NOT_FOUND:
                break
            missing.append(above)
        for folder_url in reversed(missing):
            self._ask("MKCOL", folder_url)

    def _need_success(self, method: str, url: str, answer: requests.Response) -> None:
        if not answer.ok:
            raise CopyRefused(f"{method} {url}: {answer.status_code} {answer.reason} {answer.text[:200]}".strip())

    def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        patience: float = 0.0,
        stream: bool = False,
    ) -> requests.Response:
        import requests

        times = (self._patience, patience or self._patience)
        # Said with each request: requests would take its own variable before what a session says.
        trusted = self._environment.get("X509_CERT_DIR") or self._environment.get("REQUESTS_CA_BUNDLE") or True
        try:
            return self._session.request(
                method, _https(url), headers=headers, timeout=times, stream=stream, verify=trusted
            )
        except requests.RequestException as wrong:
            raise StorageUnavailable(f"{method} {url}: {wrong}") from wrong

    @cached_property
    def _session(self) -> requests.Session:
        import requests

        found, said = requests.Session(), self._environment
        proxy = said.get("X509_USER_PROXY")
        if proxy:
            found.cert = proxy
        elif "X509_USER_CERT" in said and "X509_USER_KEY" in said:
            found.cert = (said["X509_USER_CERT"], said["X509_USER_KEY"])
        if token := said.get("BEARER_TOKEN_FILE"):
            found.headers["Authorization"] = f"Bearer {Path(token).read_text().strip()}"
        return found


def read_digest(said: str) -> str | None:
    """Read the adler32 of a header ``Digest: adler32=084b021f``."""
    for one in said.split(","):
        name, _, value = one.strip().partition("=")
        if name.lower() == "adler32" and re.fullmatch(r"[0-9a-fA-F]{1,8}", value):
            return f"adler32:{value.lower().rjust(8, '0')}"
    return None


def _https(url: str) -> str:
    """Write an address as HTTP has it: storages are called davs too."""
    found = urlsplit(url)
    scheme = {"davs": "https", "dav": "http"}.get(found.scheme, found.scheme)
    return f"{scheme}://{found.netloc}{quote(found.path, safe='/%')}"


def copy(order: dict[str, Any], patience: int) -> Iterator[Any]:
    """Carry out one copy."""
    yield from carry_out(HttpTool(patience, os.environ), **order)


def clear(aside: str, patience: int) -> Iterator[Any]:
    """Remove what a copy that was given up has left."""
    clean(HttpTool(patience, os.environ), aside)
    yield {}
