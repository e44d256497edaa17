"""A storage that is reached by the xroot protocol, such as EOS.

XRootD's own client does the asking, in a process apart (`server.storage.apart`): it pipelines thousands of requests,
and can be ended whatever it hangs in. Who may do what is decided by the credentials in the server's environment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

from server.storage.apart import Apart
from server.storage.base import Fault, FaultKind, Found, Locality, Space, Storage
from server.storage.paths import folder_of, sort_out
from server.storage.place import Place

#: Seconds that the process apart may be silent beyond its time: it should be the first to say that time is up.
MARGIN = 10.0
#: The longest time that an option may say, in seconds.
LONGEST = 7 * 86400.0
MODULE = "server.storage.xrootd_apart"
#: Of a file's flags, as XRootD's protocol has them.
OFFLINE, HAS_BACKUP = 8, 128


@dataclass(frozen=True)
class XrootdOptions:
    """``patience``: the longest silence of the service, in seconds; ``checksum_patience``: while it reads a file.

    ``checksums_at_once``: files that it is asked to read at a time.
    """

    patience: float = 60.0
    checksum_patience: float = 3600.0
    checksums_at_once: int = 4

    def check(self, place: Place) -> None:
        """Refuse what cannot be.

        Raises:
            StorageMisconfigured: naming the option and its value.
        """
        for name in ("patience", "checksum_patience"):
            if not 0 < getattr(self, name) <= LONGEST:
                raise place.wrong(name, f"{getattr(self, name)} is no time above 0 and up to {LONGEST:.0f} s")
        if self.checksums_at_once < 1:
            raise place.wrong("checksums_at_once", f"{self.checksums_at_once} is less than 1")


class XrootdStorage(Storage):
    """One, below a folder of it."""

    name: ClassVar[str] = "xrootd"
    #: Whether its folders are to be listed by asking for each file: what is offline is left out of lists otherwise.
    singly: ClassVar[bool] = False

    def __init__(self, place: Place, options: XrootdOptions) -> None:
        found = urlsplit(place.root)
        self._root, self._options = place.root, options
        self._host, self._base = f"{found.scheme}://{found.netloc}", "/" + found.path.strip("/")
        self._base = self._base.rstrip("/")
        patience = math.ceil(options.patience)
        self._apart = Apart(MODULE, client_settings(patience))
        self._where: dict[str, Any] = {"host": self._host, "base": self._base, "patience": patience}

    @classmethod
    def open(cls, place: Place) -> Self:
        cls._check_root(place)
        options = place.read_options(XrootdOptions)
        options.check(place)
        return cls(place, options)

    @classmethod
    def _check_root(cls, place: Place) -> None:
        try:
            found = urlsplit(place.root)
            good = found.scheme in ("root", "roots") and bool(found.hostname) and found.port != 0
            good = good and not (found.query or found.fragment or set(place.root) & set(" \t\n"))
        except ValueError:  # a port that is no number, an address whose bracket does not close
            good = False
        if not good:
            raise place.wrong("root", f"{place.root} is no address such as root://host:1094//folder")

    def url(self, path: str) -> str:
        return f"{self._host}/{self._base}/{path}"

    def look(self, paths: Sequence[str], *, checksums: bool = False) -> Mapping[str, Found | Fault]:
        good, refused = sort_out(paths)
        found = {path: self._found(said) for path, said in self._ask("look", good)}
        if checksums:
            found.update(self._with_checksums(found))
        return {**refused, **found}

    def remove(self, paths: Sequence[str]) -> Mapping[str, Fault | None]:
        good, refused = sort_out(paths)
        gone = {path: None if said == "gone" else fault_of(said) for path, said in self._ask("remove", good)}
        return {**refused, **gone}

    def list_below(self, folder: str) -> Iterable[tuple[str, Found]]:
        below = folder_of(folder)
        if below is None:
            return
        asked = {**self._where, "folder": below, "singly": self.singly}
        for pieces in self._apart.ask("list_below", asked, patience=self._options.patience + MARGIN):
            for path, said in pieces:
                found = self._found(said)
                if isinstance(found, Found):
                    yield path, found

    def space(self) -> Space | None:
        for said in self._apart.ask("space", self._where, patience=self._options.patience + MARGIN):
            return read_space(said)
        return None

    def locality(self, flags: int) -> Locality:
        """Read it from a file's flags. What is neither on disk nor on tape has a name only."""
        if flags & OFFLINE:
            return Locality.TAPE if flags & HAS_BACKUP else Locality.LOST
        return Locality.DISK_AND_TAPE if flags & HAS_BACKUP else Locality.DISK

    def _with_checksums(self, found: Mapping[str, Found | Fault]) -> Iterator[tuple[str, Found | Fault]]:
        """Yield what has a checksum now, or could not be read; what is only on tape is not brought for it."""
        there = {path: each for path, each in found.items() if isinstance(each, Found) and each.locality.on_disk}
        patience = math.ceil(self._options.checksum_patience)
        for path, said in self._ask("checksums", list(there), patience, at_once=self._options.checksums_at_once):
            one = there[path]
            yield path, Found(one.size, one.locality, said) if isinstance(said, str) else fault_of(said)

    def _ask(self, function: str, paths: Sequence[str], patience: int = 0, **more: Any) -> Iterator[Any]:
        asked = {**self._where, "paths": paths, "patience": patience or self._where["patience"], **more}
        if paths:
            for pieces in self._apart.ask(function, asked, patience=asked["patience"] + MARGIN):
                yield from pieces

    def _found(self, said: Any) -> Found | Fault:
        if isinstance(said, dict):
            return fault_of(said)
        size, flags = said
        return Found(size, self.locality(flags))


def fault_of(said: Mapping[str, str]) -> Fault:
    """Read a fault that came from the process apart."""
    return Fault(FaultKind(said["kind"]), said["words"])


def read_space(said: str) -> Space | None:
    """Read the answer to a query for space, such as ``oss.cgroup=default&oss.space=9&oss.free=8``."""
    values = parse_qs(said)
    try:
        return Space(int(values["oss.space"][0]), int(values["oss.free"][0]))
    except (KeyError, ValueError):
        return None


def client_settings(patience: int) -> dict[str, str]:
    """Answer the variables by which XRootD's client keeps to a time: of its own it waits for minutes."""
    seconds = str(max(1, patience))
    return {
        "XRD_CONNECTIONWINDOW": seconds,
        "XRD_CONNECTIONRETRY": "1",
        "XRD_REQUESTTIMEOUT": seconds,
        "XRD_STREAMTIMEOUT": seconds,
        "XRD_STREAMERRORWINDOW": seconds,
        "XRD_TIMEOUTRESOLUTION": "1",
    }
