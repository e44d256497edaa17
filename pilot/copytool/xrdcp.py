"""Copies by the xroot protocol with XRootD's programs ``xrdcp`` and ``xrdfs``; a process for each thing to do."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from pilot.copytool import checksum
from pilot.copytool.base import Cancel, CopyFailed, CopyTool, Deadline, FailureKind, FileFacts, Transfer
from pilot.copytool.local import path_of
from pilot.copytool.program import Ran, run
from pilot.copytool.system_errors import told
from pilot.copytool.xrdcp_words import copied, cut_short, failure, found, free_bytes, summed

#: Seconds: the longest time-out that the clients get, for they take none without an end, and by how much it is later
#: than a deadline.
_LONGEST, _MARGIN = 7 * 86400.0, 5.0


class Xrdcp(CopyTool):
    """Has a file's checksum computed while it is copied; a server keeps no half file for long (``--posc``)."""

    name = "xrdcp"
    schemes = ("root", "roots", "xroot", "xroots")
    programs = ("xrdcp", "xrdfs")

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        algorithm = (transfer.checksum or checksum.ADLER32).partition(":")[0]
        if transfer.target.startswith("file:"):
            target = path_of(transfer.target)
            try:
                facts = self._copy(f"{algorithm}:print", _source(transfer), str(target), deadline, cancel)
                _see_to_all_of_it(target, facts.size)
                return facts
            except CopyFailed:
                with contextlib.suppress(OSError):
                    target.unlink()
                raise
        source = path_of(transfer.source)
        with told(source, "read"):
            if not source.is_file():
                raise CopyFailed(FailureKind.NO_SUCH_FILE, f"{source} is not a file")
        if transfer.root:
            self._look_for_root(transfer.root, deadline)
        url = _named(transfer.target)
        facts = self._copy(f"{algorithm}:source", str(source), url, deadline, cancel)
        self._see_to_all_of_it(url, facts.size, deadline)
        return facts

    def _copy(self, sum_: str, source: str, target: str, deadline: Deadline, cancel: Cancel) -> FileFacts:
        streams, options = self.settings.xrdcp.streams, self.settings.xrdcp.options
        several = ["--streams", str(streams)] if streams > 1 else []
        words = ["--nopbar", "--force", "--posc", "--cksum", sum_, *several, *options]
        ran = self._run(["xrdcp", *words, source, target], deadline, cancel)
        if ran.status:
            raise failure(ran, target if source.startswith("/") else source)
        return copied(ran.output + ran.errors, sum_.partition(":")[0])

    def stat(self, url: str, deadline: Deadline) -> Optional[FileFacts]:
        try:
            said = self._ask(url, ["stat"], deadline)
        except CopyFailed as failed:
            if failed.kind is FailureKind.NO_SUCH_FILE:
                return None
            raise
        return found(said, url)

    def checksum(self, url: str, algorithm: str, deadline: Deadline) -> str:
        said = self._ask(url, ["query", "checksum"], deadline, more=f"?cks.type={algorithm}", silence=_LONGEST)
        return summed(said, algorithm, url)

    def rename(self, source: str, target: str, deadline: Deadline) -> None:
        """Give a file another name. XRootD replaces what has that name, so that is looked for before."""
        if self.stat(target, deadline) is not None:
            raise CopyFailed(FailureKind.EXISTS, f"{target} is there already")
        self._ask(source, ["mv"], deadline, [_parts(target)[1]])

    def remove(self, url: str, deadline: Deadline) -> None:
        try:
            self._ask(url, ["rm"], deadline)
        except CopyFailed as failed:
            if failed.kind is not FailureKind.NO_SUCH_FILE:
                raise

    def _look_for_root(self, root: str, deadline: Deadline) -> None:
        """See to it that nothing is stored where the storage is not: xrdcp would make any folder."""
        try:
            self._ask(root, ["stat"], deadline)
        except CopyFailed as failed:
            if failed.kind is not FailureKind.NO_SUCH_FILE:
                raise
            words = f"{root}: the storage's folder is not there; mounted?"
            raise CopyFailed(FailureKind.UNREACHABLE, words) from failed

    def _see_to_all_of_it(self, url: str, size: int, deadline: Deadline) -> None:
        """See to it that a server has all bytes: one whose disk is full may take a write for whole that is not."""
        stored = self.stat(url, deadline)
        there = 0 if stored is None else stored.size
        if there != size:
            said = ""
            with contextlib.suppress(CopyFailed):  # not every server tells
                said = self._ask(url, ["query", "space"], deadline)
            raise cut_short(url, there, size, free_bytes(said))

    def _ask(
        self,
        url: str,
        words: Sequence[str],
        deadline: Deadline,
        further: Sequence[str] = (),
        *,
        more: str = "",
        silence: Optional[float] = None,
    ) -> str:
        server, path = _parts(url)
        ran = self._run(["xrdfs", server, *words, path + more, *further], deadline, silence=silence)
        if ran.status:
            raise failure(ran, url)
        return ran.output

    def _run(
        self,
        arguments: Sequence[str],
        deadline: Deadline,
        cancel: Optional[Cancel] = None,
        silence: Optional[float] = None,
    ) -> Ran:
        settings = self.settings.xrdcp
        # Beyond the deadline: what is given up by then is killed, and told as late, rather than by what came of that.
        left = min(deadline.left() + _MARGIN, _LONGEST)
        seconds = {
            "XRD_TIMEOUTRESOLUTION": 1.0,
            "XRD_CONNECTIONWINDOW": min(settings.connect, left),
            "XRD_STREAMTIMEOUT": min(silence or settings.silence, left),
            "XRD_REQUESTTIMEOUT": left,  # a file may have to come from tape
            "XRD_CPINITTIMEOUT": left,
        }
        environment = {name: str(math.ceil(value)) for name, value in seconds.items()}
        environment["XRD_CONNECTIONRETRY"] = "1"  # the engine tries again, maybe elsewhere
        return run(arguments, deadline, cancel, environment=environment, setup=self.setup)


def _see_to_all_of_it(target: Path, size: int) -> None:
    """See to it that all bytes were written: xrdcp takes a write that a full disk cuts short for a whole one."""
    with told(target, "looked at"):
        there = target.stat().st_size
        if there != size:
            raise cut_short(str(target), there, size, shutil.disk_usage(target.parent).free)


def _parts(url: str) -> tuple[str, str]:
    """Answer the server of a URL, and the path of a file there."""
    scheme, _, rest = _named(url).partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", "/" + path.lstrip("/")


def _source(transfer: Transfer) -> str:
    """Answer where to read; a catalogue may have put words for the server after the name, as Castor wants them."""
    return _named(transfer.source) if "?" in transfer.lfn else transfer.source


def _named(url: str) -> str:
    if "?" in url:
        raise CopyFailed(None, f"{url}: what follows a question mark is no part of a file's name for XRootD; rename it")
    return url
