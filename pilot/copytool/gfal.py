"""Copy by gfal2: WebDAV, XRootD, GridFTP, SFTP and whatever else it has plugins for, by its module or its programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Optional, Protocol
from urllib.parse import quote

from pilot.copytool import grid
from pilot.copytool.apart import shared
from pilot.copytool.base import Cancel, CopyFailed, CopyTool, Deadline, FailureKind, FileFacts, Transfer
from pilot.copytool.checksum import ADLER32
from pilot.copytool.gfal_programs import Programs
from pilot.copytool.gfal_words import explained
from pilot.copytool.local import path_of
from pilot.copytool.system_errors import told

if TYPE_CHECKING:
    from pilot.settings import Settings

MODULE = "pilot.copytool.gfal_apart"
#: Protocols whose client computes a checksum while it copies.
_ONE_PASS = ("root", "roots", "xroot", "xroots")
#: Protocols in whose addresses what is no letter of a URL has to be encoded.
_ENCODED = ("davs", "dav", "https", "http", "gsiftp", *_ONE_PASS)
_UNRESERVED = "/:@!$&'()*+,;=~"


class _Way(Protocol):
    def call(
        self, function: str, arguments: Mapping[str, Any], deadline: Deadline, cancel: Optional[Cancel] = None
    ) -> Any: ...


class Gfal(CopyTool):
    """One process for each copy that goes on at the same time, which is used again; it is killed when it hangs."""

    name = "gfal"
    schemes = ("davs", "dav", "https", "http", "root", "roots", "xroot", "xroots", "gsiftp", "sftp", "srm", "file")

    @classmethod
    def needs(cls, settings: Settings) -> Sequence[str]:
        """Answer the Python with gfal2's module, or a program of gfal2's where there is none."""
        if settings.gfal.python and settings.gfal.use != "programs":
            return (settings.gfal.python,)
        if settings.gfal.use == "bindings" or (settings.gfal.use == "auto" and find_spec("gfal2")):
            return ()
        return ("gfal-copy",)

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        local, far = sorted((transfer.source, transfer.target), key=lambda url: not url.startswith("file:"))
        algorithm, _, value = (transfer.checksum or f"{ADLER32}:").partition(":")
        verify = f"{algorithm.upper()}:{value.lower()}" if self._computes(far) else ""
        self.make_folder(transfer.target.rpartition("/")[0], transfer.root, deadline, cancel)
        ends = {"source": _address(transfer.source, far), "target": _address(transfer.target, far)}
        self._ask("copy", far, deadline, cancel, **ends, verify=verify, streams=self.settings.gfal.streams)
        with told(path_of(local), "looked at"):
            size = path_of(local).stat().st_size
        checksum = self._verified(far, verify, deadline)
        if checksum is None and transfer.size is None:
            self._check_size(far, size, deadline)
        return FileFacts(size, checksum)

    def _check_size(self, url: str, size: int, deadline: Deadline) -> None:
        """Look whether all of a file has come: by GridFTP the end of a server is the end of a file to gfal2."""
        there = self.stat(url, deadline)
        if there is None or there.size != size:
            words = f"{size} bytes are here, {there.size if there else 0} at {url}"
            raise CopyFailed(FailureKind.SIZE, words)

    def _computes(self, url: str) -> bool:
        """Say whether gfal2 computes a checksum while it copies; for other protocols it reads the file once more."""
        return self.settings.gfal.verify and url.partition(":")[0] in _ONE_PASS

    def _verified(self, url: str, verify: str, deadline: Deadline) -> Optional[str]:
        """Answer the checksum that both ends have."""
        if not verify:
            return None
        algorithm, _, value = verify.lower().partition(":")
        return f"{algorithm}:{value}" if value else self.checksum(url, algorithm, deadline)

    def make_folder(self, folder: str, root: str, deadline: Deadline, cancel: Optional[Cancel] = None) -> None:
        """Make a folder that is not there, below ``root``, which has to be there unless it is ""."""
        ways = {"folder": _address(folder, folder), "root": _address(root, folder)}
        self._ask("make_folder", folder, deadline, cancel, **ways)

    def stat(self, url: str, deadline: Deadline) -> Optional[FileFacts]:
        found = self._ask("stat", url, deadline, url=_address(url, url))
        if found is None:
            return None
        if not found["file"]:
            raise CopyFailed(FailureKind.EXISTS, f"{url} is there, but is not a file")
        return FileFacts(found["size"])

    def checksum(self, url: str, algorithm: str, deadline: Deadline) -> str:
        return f"{algorithm}:{self._ask('checksum', url, deadline, url=_address(url, url), algorithm=algorithm)}"

    def rename(self, source: str, target: str, deadline: Deadline) -> None:
        """Give a file another name. Servers replace what has it, and are not asked to when something has."""
        if self.stat(target, deadline) is not None:
            raise CopyFailed(FailureKind.EXISTS, f"{target} exists")
        try:
            self._ask("rename", source, deadline, source=_address(source, source), target=_address(target, target))
        except CopyFailed as failed:
            # Globus's server says no more than that its arguments were invalid.
            if failed.kind is None and self.stat(source, deadline) is None:
                raise CopyFailed(FailureKind.NO_SUCH_FILE, failed.words) from failed
            raise
        if _address(target, target) != target and self.stat(target, deadline) is None:
            # Some WebDAV servers take the new name as it was encoded for them.
            raise CopyFailed(None, f"{source} has another name now, and not {target}")

    def remove(self, url: str, deadline: Deadline) -> None:
        try:
            self._ask("remove", url, deadline, url=_address(url, url))
        except CopyFailed as failed:
            if failed.kind is not FailureKind.NO_SUCH_FILE:
                raise

    def _ask(
        self, function: str, about: str, deadline: Deadline, cancel: Optional[Cancel] = None, **arguments: Any
    ) -> Any:
        settings, paths = self.settings.gfal, dict(grid.credentials(self.settings))
        token_file = settings.token_file or paths.get(grid.TOKEN, "")
        # XRootD's client takes its times from there alone; by its own it tries a dead server for twenty minutes.
        window = {"XRD_CONNECTIONWINDOW": str(int(settings.connect)), "XRD_CONNECTIONRETRY": "1"}
        way = self._way(tuple({**paths, **window}.items()), deadline, cancel)
        common = {"seconds": deadline.left(), "settings": {"options": settings.options, "token_file": token_file}}
        try:
            return way.call(function, {**arguments, **common}, deadline, cancel)
        except CopyFailed as failed:
            raise explained(failed, about, paths) from failed

    def _way(self, environment: tuple[tuple[str, str], ...], deadline: Deadline, cancel: Optional[Cancel]) -> _Way:
        settings = self.settings.gfal
        programs = Programs(dict(environment), self.setup)
        if settings.use == "programs":
            return programs
        module = shared(MODULE, settings.python, environment, self.setup)
        if settings.use == "auto":
            try:
                module.call("version", {}, deadline, cancel)
            except CopyFailed as failed:
                if failed.kind is FailureKind.TIMEOUT:
                    raise
                return programs
        return module


class Gfalcopy(Gfal):
    """The same under PanDA's other name for it."""

    name = "gfalcopy"


def _address(url: str, far: str) -> str:
    """Write a URL, in which nothing is encoded, as gfal2 wants it for what concerns the storage ``far``."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if far.partition(":")[0] not in _ENCODED or (scheme == "file" and far.partition(":")[0] not in _ONE_PASS):
        return url
    return f"{scheme}://{host}{slash}{quote(path, safe=_UNRESERVED)}" if url else ""
