"""Copies by the xroot protocol with XRootD's own client: its Python module, or its programs ``xrdcp`` and ``xrdfs``."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Optional, Protocol

from pilot.copytool import checksum, grid
from pilot.copytool.base import Cancel, CopyFailed, CopyTool, Deadline, FailureKind, FileFacts, Transfer
from pilot.copytool.local import path_of
from pilot.copytool.system_errors import told
from pilot.copytool.xrdcp_words import Place, cut_short, free_bytes, named, place_of, summed

if TYPE_CHECKING:
    from pilot.settings import Settings

PROGRAMS = ("xrdcp", "xrdfs")
#: Seconds for which a storage's folder that was there is taken to be there.
ROOT_HOLDS = 5.0


class _Way(Protocol):
    def copy(self, source: str, target: str, algorithm: str, deadline: Deadline, cancel: Cancel) -> FileFacts: ...
    def stat(self, place: Place, deadline: Deadline) -> FileFacts: ...
    def checksum(self, place: Place, algorithm: str, deadline: Deadline) -> str: ...
    def space(self, place: Place, deadline: Deadline) -> str: ...
    def rename(self, place: Place, path: str, deadline: Deadline) -> None: ...
    def remove(self, place: Place, deadline: Deadline) -> None: ...


class Xrdcp(CopyTool):
    """Has a file's checksum computed while it is copied; a server keeps no half file for long ("posc")."""

    name = "xrdcp"
    schemes = ("root", "roots", "xroot", "xroots")

    def __init__(self, settings: Optional[Settings] = None, says: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(settings, says)
        self._roots: dict[str, float] = {}  # storages' folders, and when they were seen to be there

    @classmethod
    def needs(cls, settings: Settings) -> Sequence[str]:
        """Answer the Python with XRootD's module, or the programs where there is none."""
        own = settings.xrdcp
        if own.way == "programs" or own.options:
            return PROGRAMS
        if own.python:
            return (own.python,)
        return () if own.way == "bindings" or find_spec("XRootD") else PROGRAMS

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        algorithm = (transfer.checksum or checksum.ADLER32).partition(":")[0]
        if transfer.target.startswith("file:"):
            return self._fetch(_source(transfer), path_of(transfer.target), algorithm, deadline, cancel)
        source = path_of(transfer.source)
        with told(source, "read"):
            if not source.is_file():
                raise CopyFailed(FailureKind.NO_SUCH_FILE, f"{source} is not a file")
        if transfer.root:
            self._look_for_root(transfer.root, deadline)
        url = named(transfer.target)
        facts = self._way().copy(str(source), url, algorithm, deadline, cancel)
        self._see_to_all_of_it(url, facts.size, deadline)
        return FileFacts(facts.size, facts.checksum, seen=True)

    def _fetch(self, url: str, target: Path, algorithm: str, deadline: Deadline, cancel: Cancel) -> FileFacts:
        try:
            facts = self._way().copy(url, str(target), algorithm, deadline, cancel)
            _see_to_all_of_it(target, facts.size)
            return facts
        except CopyFailed:
            with contextlib.suppress(OSError):
                target.unlink()
            raise

    def stat(self, url: str, deadline: Deadline) -> Optional[FileFacts]:
        try:
            return self._way().stat(place_of(url), deadline)
        except CopyFailed as failed:
            if failed.kind is FailureKind.NO_SUCH_FILE:
                return None
            raise

    def checksum(self, url: str, algorithm: str, deadline: Deadline) -> str:
        return summed(self._way().checksum(place_of(url), algorithm, deadline), algorithm, url)

    def rename(self, source: str, target: str, deadline: Deadline) -> None:
        """Give a file another name. XRootD replaces what has that name, so that is looked for before."""
        if self.stat(target, deadline) is not None:
            raise CopyFailed(FailureKind.EXISTS, f"{target} is there already")
        self._way().rename(place_of(source), place_of(target).path, deadline)

    def remove(self, url: str, deadline: Deadline) -> None:
        try:
            self._way().remove(place_of(url), deadline)
        except CopyFailed as failed:
            if failed.kind is not FailureKind.NO_SUCH_FILE:
                raise

    def _way(self) -> _Way:
        own, paths = self.settings.xrdcp, grid.credentials(self.settings)
        if own.way == "bindings" and own.options:
            given = " ".join(own.options)
            words = f"xrdcp.options ({given}) are the program's: leave them out, or set xrdcp.way to programs"
            raise CopyFailed(None, words)
        if own.way != "programs" and not own.options:
            from pilot.copytool.xrdcp_bindings import Bindings

            bindings = Bindings(own, paths, self.setup)
            if own.way == "bindings" or bindings.there():
                return bindings
        from pilot.copytool.xrdcp_programs import Programs

        return Programs(own, paths, self.setup)

    def _look_for_root(self, root: str, deadline: Deadline) -> None:
        """See to it that nothing is stored where the storage is not: XRootD would make any folder."""
        now = time.monotonic()
        if now - self._roots.get(root, -ROOT_HOLDS) < ROOT_HOLDS:
            return
        try:
            self._way().stat(place_of(root), deadline)
        except CopyFailed as failed:
            if failed.kind is FailureKind.NO_SUCH_FILE:
                words = f"{root}: the storage's folder is not there; mounted?"
                raise CopyFailed(FailureKind.UNREACHABLE, words) from failed
            if failed.kind is not FailureKind.EXISTS:  # as it is no file
                raise
        self._roots[root] = now

    def _see_to_all_of_it(self, url: str, size: int, deadline: Deadline) -> None:
        """See to it that a server has all bytes: one whose disk is full may take a write for whole that is not."""
        stored = self.stat(url, deadline)
        there = 0 if stored is None else stored.size
        if there != size:
            said = ""
            with contextlib.suppress(CopyFailed):  # not every server tells
                said = self._way().space(place_of(url), deadline)
            raise cut_short(url, there, size, free_bytes(said))


def _see_to_all_of_it(target: Path, size: int) -> None:
    """See to it that all bytes were written: XRootD takes a write that a full disk cuts short for a whole one."""
    with told(target, "looked at"):
        there = target.stat().st_size
        if there != size:
            raise cut_short(str(target), there, size, shutil.disk_usage(target.parent).free)


def _source(transfer: Transfer) -> str:
    """Answer where to read; a catalogue may have put words for the server after the name, as Castor wants them."""
    return named(transfer.source) if "?" in transfer.lfn else transfer.source
