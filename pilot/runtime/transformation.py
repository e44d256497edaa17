"""Transformations that are fetched from the web: which addresses are allowed, and how one comes onto the node."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError, JobFailed
from pilot.job import Problem
from pilot.runtime import web

if TYPE_CHECKING:
    import requests

    from pilot.settings import Server

TRIES = 3
#: Seconds before the second try; doubles each time.
FIRST_WAIT = 1.0
MOST_REDIRECTS = 5
_PIECE = 2**16
_PORTS = {"http": 80, "https": 443}
_OK, _MOVED, _GONE = 200, (301, 302, 303, 307, 308), (404, 410)
#: What an address may not hold: some servers take these for slashes, stop at them, or decode what they have decoded.
_TRICKS = re.compile(r"[\\\x00-\x20\x7f]|%2f|%5c|%00|%25", re.IGNORECASE)
#: Nor its path: dots with parameters, and dots in a false UTF-8, which some servers take for the folder above.
_DOTS = re.compile(r"(^|/)\.\.?;|\ufffd")


@dataclass(frozen=True)
class _Place:
    scheme: str
    host: str
    port: int
    path: str  # without dots in it, and with a slash at its end when it is a folder


@dataclass(frozen=True)
class Allowed:
    """Addresses below which transformations may be fetched; whole path parts count, so ``/trf`` allows no ``/trfx``."""

    bases: tuple[str, ...]

    @classmethod
    def below(cls, bases: Iterable[str]) -> Allowed:
        """Take addresses as admins write them.

        Raises:
            ConfigError: one is no address of a web server, or names a user.
        """
        listed = tuple(bases)
        for base in listed:
            if isinstance(_place(base), str):
                raise ConfigError(f"verify.transformation_urls: {base!r}: {_place(base)}")
        return cls(listed)

    def objection(self, transformation: str) -> Optional[Problem]:
        """Say why a transformation may not be fetched; ``None`` when it may, or when it is none to be fetched."""
        if not naming.is_address(transformation):
            return None
        words = self.why_not(transformation)
        if not words and not naming.transformation_file(transformation):
            words = "it ends in no plain file name"
        if not words:
            return None
        return Problem(ErrorCode.TRF_DOWNLOAD_FAILURE, f"transformation: {transformation!r}: {words}")

    def why_not(self, url: str) -> str:
        """Say why an address is not allowed, or ``""``."""
        place = _place(url)
        if isinstance(place, str):
            return place
        if any(_lies_below(place, base) for base in map(_place, self.bases) if not isinstance(base, str)):
            return ""
        return f"it is below none of the allowed addresses ({', '.join(self.bases)}; verify.transformation_urls)"


def _place(url: str) -> _Place | str:
    """Read an address in one way only; answer in words why it cannot be."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as wrong:
        return str(wrong)
    if parts.scheme not in _PORTS or not parts.hostname:
        return "an address such as https://server.example/trf/ is expected"
    if "@" in parts.netloc:
        return "an address with a user name in it is not taken"
    if _TRICKS.search(url) or _DOTS.search(unquote(parts.path)):
        return "an address with backslashes, blanks, or coded slashes or dots is not taken"
    return _Place(parts.scheme, parts.hostname.lower().rstrip("."), port or _PORTS[parts.scheme], _path(parts))


def _path(parts: SplitResult) -> str:
    path = unquote(parts.path) or "/"
    normal = posixpath.normpath("/" + path.lstrip("/"))
    return normal + "/" if path.endswith("/") and normal != "/" else normal


def _lies_below(place: _Place, base: _Place) -> bool:
    folder = base.path if base.path.endswith("/") else base.path + "/"
    same = (place.scheme, place.host, place.port) == (base.scheme, base.host, base.port)
    return same and place.path.startswith(folder)


@dataclass(frozen=True)
class Patience:
    """How long somebody waits for a file.

    ``left`` answers the seconds that are left; ``wait`` waits some seconds and says whether it is given up.
    """

    left: Callable[[], float]
    wait: Callable[[float], bool]


@dataclass(frozen=True)
class Fetching:
    """How transformations are fetched. ``most`` is in bytes.

    The server's own time-outs, authorities and web proxy are used; its token goes to nobody.
    """

    allowed: Allowed
    server: Server
    most: int

    def fetch(self, url: str, folder: Path, patience: Patience) -> Path:
        """Fetch a transformation into a job's directory, executable by its owner alone.

        Raises:
            JobFailed: it is not allowed, does not come or is too large (TRF_DOWNLOAD_FAILURE), is not there any more
                (MISSING_USER_CODE), could not be written (NO_LOCAL_SPACE, CHMOD_TRF), or nobody wants it any more
                (COPY_CANCELLED).
        """
        if (objection := self.allowed.objection(url)) is not None:
            raise JobFailed(objection.code, objection.detail)
        words = ""
        for attempt in range(TRIES):
            if attempt and patience.wait(FIRST_WAIT * 2 ** (attempt - 1)):
                raise JobFailed(ErrorCode.COPY_CANCELLED, f"{url}: given up after {words}")
            try:
                return _write(folder / naming.transformation_file(url), self._content(url, patience))
            except _Passes as passing:
                words = str(passing)
        raise JobFailed(ErrorCode.TRF_DOWNLOAD_FAILURE, f"{url}: {words}; tried {TRIES} times")

    def _content(self, url: str, patience: Patience) -> bytes:
        import requests

        with web.session(self.server, self.server.ip_version) as session:
            try:
                return self._followed(session, url, patience)
            # Every error of requests is an OSError; while a body is read, those of urllib3 come as they are.
            except (OSError, requests.exceptions.BaseHTTPError) as wrong:  # type: ignore[attr-defined]
                raise _Passes(f"{type(wrong).__name__}: {wrong}") from wrong

    def _followed(self, session: requests.Session, url: str, patience: Patience) -> bytes:
        """Follow redirections, as long as they stay below what is allowed."""
        at, times = url, (self.server.connect_timeout, self.server.read_timeout)
        for _ in range(MOST_REDIRECTS):
            with session.get(at, timeout=times, stream=True, allow_redirects=False) as answer:
                if answer.status_code not in _MOVED:
                    return self._body(answer, url, patience)
                at = urljoin(at, answer.headers.get("Location", ""))
            if words := self.allowed.why_not(at):
                raise JobFailed(ErrorCode.TRF_DOWNLOAD_FAILURE, f"{url}: leads on to {at}: {words}")
        raise JobFailed(ErrorCode.TRF_DOWNLOAD_FAILURE, f"{url}: leads on more than {MOST_REDIRECTS} times")

    def _body(self, answer: requests.Response, url: str, patience: Patience) -> bytes:
        if answer.status_code in _GONE:
            raise JobFailed(ErrorCode.MISSING_USER_CODE, f"{url}: HTTP {answer.status_code}")
        if answer.status_code != _OK:
            raise _Passes(f"HTTP {answer.status_code}")
        found = bytearray()
        # Whatever has come, at once: a read of a certain size would wait for its last byte.
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            found += piece
            if len(found) > self.most:
                words = f"{url}: has more than {self.most} bytes (verify.transformation_size)"
                raise JobFailed(ErrorCode.TRF_DOWNLOAD_FAILURE, words)
            if patience.wait(0) or not patience.left():
                raise JobFailed(ErrorCode.COPY_CANCELLED, f"{url}: given up after {len(found)} bytes")
        if not found:
            raise _Passes("it came empty")
        return bytes(found)


class _Passes(Exception):
    """What may go well when it is tried again."""


def _write(path: Path, content: bytes) -> Path:
    try:
        path.write_bytes(content)
    except OSError as wrong:
        raise JobFailed(ErrorCode.NO_LOCAL_SPACE, f"{path}: {wrong.strerror}") from wrong
    try:
        path.chmod(0o700)
    except OSError as wrong:
        raise JobFailed(ErrorCode.CHMOD_TRF, f"{path}: {wrong.strerror}") from wrong
    return path
