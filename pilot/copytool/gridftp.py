"""Copy by GridFTP with Globus's globus-url-copy.

That program copies, and can do nothing else that a storage is asked for: sizes, checksums, names. For ``gsiftp`` gfal2
does it, as the settings of the tool `gfal` have it; for ``ftp``, which knows nobody, the standard library's FTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Optional
from urllib.parse import quote

from pilot.copytool import grid, plain_ftp
from pilot.copytool.base import Cancel, CopyFailed, CopyTool, Deadline, FileFacts, Transfer
from pilot.copytool.gfal import Gfal
from pilot.copytool.last_words import kind_of, last_of
from pilot.copytool.local import path_of
from pilot.copytool.program import CANNOT_RUN, run
from pilot.copytool.system_errors import told

if TYPE_CHECKING:
    from pilot.settings import Settings

#: What is done to data on their way, as the program calls it.
_PROTECTIONS = {"none": ["-nodcau"], "authenticate": [], "integrity": ["-dcsafe"], "privacy": ["-dcpriv"]}
_PLAIN = "ftp:"


class Gridftp(CopyTool):
    """One process per file, by as many connections as the settings say."""

    name = "gridftp"
    schemes = ("gsiftp", "ftp", "file")
    programs = ("globus-url-copy",)

    @classmethod
    def needs(cls, settings: Settings) -> Sequence[str]:
        return (settings.gridftp.program,)

    @cached_property
    def _gfal(self) -> Gfal:
        return Gfal(self.settings, {"setup": self.setup})

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        if transfer.target.startswith("file:"):
            local = path_of(transfer.target)
        else:
            local = path_of(transfer.source)
            self._make_folder(transfer.target.rpartition("/")[0], transfer.root, deadline, cancel)
        try:
            self._run(transfer, deadline, cancel)
        except CopyFailed:
            if transfer.target.startswith("file:"):
                local.unlink(missing_ok=True)  # it begins with an empty file, whatever becomes of the copy
            raise
        with told(local, "looked at"):
            return FileFacts(local.stat().st_size)

    def stat(self, url: str, deadline: Deadline) -> Optional[FileFacts]:
        return plain_ftp.stat(url, deadline) if url.startswith(_PLAIN) else self._gfal.stat(url, deadline)

    def checksum(self, url: str, algorithm: str, deadline: Deadline) -> str:
        asked = plain_ftp.checksum if url.startswith(_PLAIN) else self._gfal.checksum
        return asked(url, algorithm, deadline)

    def rename(self, source: str, target: str, deadline: Deadline) -> None:
        asked = plain_ftp.rename if source.startswith(_PLAIN) else self._gfal.rename
        asked(source, target, deadline)

    def remove(self, url: str, deadline: Deadline) -> None:
        asked = plain_ftp.remove if url.startswith(_PLAIN) else self._gfal.remove
        asked(url, deadline)

    def _make_folder(self, folder: str, root: str, deadline: Deadline, cancel: Cancel) -> None:
        if folder.startswith(_PLAIN):
            plain_ftp.make_folder(folder, root, deadline, cancel)
        else:
            self._gfal.make_folder(folder, root, deadline, cancel)

    def _run(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> None:
        settings = self.settings.gridftp
        streams = ["-p", str(settings.streams)] if settings.streams else []
        ends = (_address(transfer.source), _address(transfer.target))
        argv = [settings.program, *_PROTECTIONS[settings.protection], *streams, *settings.options, *ends]
        ran = run(argv, deadline, cancel, environment=grid.credentials(self.settings), setup=self.setup)
        if ran.status:
            kind = None if ran.status in CANNOT_RUN else kind_of(ran.errors)
            far = transfer.source if transfer.target.startswith("file:") else transfer.target
            raise CopyFailed(kind, f"{far}: {last_of(ran.errors) or f'it ended with status {ran.status}'}")


def _address(url: str) -> str:
    """Write a URL, in which nothing is encoded, as Globus wants it."""
    scheme, host = url.partition("://")[0], plain_ftp.server_of(url)
    return f"{scheme}://{host}{quote(plain_ftp.path_of(url), safe='/')}"
