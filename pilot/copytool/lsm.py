"""Copy by the site's own programs (local site mover): ``lsm-get`` and ``lsm-put``, and what else the site has.

What a site has no program for is made up for honestly: without ``stat`` or ``checksum`` the file is fetched back, and
measured here. Without ``rename`` a file is stored under its own name at once, so that the site's put has to see to it
that no half file keeps that name.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from pilot.copytool import checksum as sums
from pilot.copytool.base import (
    ANY_SCHEME,
    Cancel,
    CopyFailed,
    CopyTool,
    Deadline,
    FailureKind,
    FileFacts,
    Transfer,
)
from pilot.copytool.local import path_of
from pilot.copytool.program import Ran, run
from pilot.copytool.system_errors import told

if TYPE_CHECKING:
    from pilot.settings.lsm import Lsm as Programs

#: The convention's exit statuses, and what each says. Others, and those that say nothing, are told by words.
STATUSES: Mapping[int, tuple[Optional[FailureKind], str]] = {
    202: (None, "the program was called wrongly"),
    203: (None, "the site does not know an option, such as the space token"),
    204: (FailureKind.SIZE, "the sizes differ"),
    205: (FailureKind.CHECKSUM, "the checksums differ"),
    206: (None, "the target's folder is not there"),
    207: (FailureKind.PERMISSION, "the target may not be written"),
    208: (FailureKind.UNREACHABLE, "the storage is overloaded"),
    209: (FailureKind.SIZE, "the source has another size than was told"),
    210: (FailureKind.CHECKSUM, "the source has another checksum than was told"),
    211: (FailureKind.EXISTS, "the target is there, and differs"),
    213: (FailureKind.NO_SPACE, "the target's storage is full"),
    220: (FailureKind.UNREACHABLE, "a failure that passes"),
}
#: A put's way to say that the same file is there already.
SAME = 212
_SIZE = re.compile(r"^\s*(?:size[:=]?\s*)?(\d+)\s*$", re.MULTILINE | re.IGNORECASE)


class Lsm(CopyTool):
    """One process of the site's per file and step. Which programs there are, the settings say."""

    name = "lsm"
    schemes = (ANY_SCHEME,)

    @property
    def whole(self) -> bool:  # type: ignore[override]  # what a site has makes the difference
        """Whether the site has no program that renames."""
        return not self._site.rename

    @cached_property
    def _site(self) -> Programs:
        return self.settings.lsm

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        if transfer.target.startswith("file:") and not transfer.root:
            return self._fetch(transfer, deadline, cancel)
        source = path_of(transfer.source)
        with told(source, "read"):
            size = source.stat().st_size
            sum_ = sums.of_file(source, sums.ADLER32, deadline, cancel)
        token = str(self._says.get("token") or self._site.token)
        options = ["-t", token] if token else []
        words = [*options, *self._options(size, sum_), str(source), transfer.target]
        ran = self._run([*self._site.put, *words], deadline, cancel)
        if ran.status not in (0, SAME):
            raise _failure(ran)
        if (said := _sum_in(ran.output, sums.ADLER32)) not in (None, sum_):
            raise CopyFailed(FailureKind.CHECKSUM, f"{sum_} was to be stored, {self._site.put[0]} told {said}")
        return FileFacts(size, sum_)

    def _fetch(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        target = path_of(transfer.target)
        words = [*self._options(transfer.size, transfer.checksum), transfer.source, str(target)]
        with told(target.parent, "made"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # to many sites' programs a file that is there is a failure
        ran = self._run([*self._site.get, *words], deadline, cancel)
        if ran.status:
            raise _failure(ran)
        if not target.is_file():
            words_ = f"{self._site.get[0]} has ended well, but {target} is not there"
            raise CopyFailed(None, words_)
        return FileFacts(target.stat().st_size)

    def _options(self, size: Optional[int], sum_: Optional[str]) -> list[str]:
        if not self._site.options:
            return []
        return [*(["--size", str(size)] if size is not None else []), *(["--checksum", sum_] if sum_ else [])]

    def stat(self, url: str, deadline: Deadline) -> Optional[FileFacts]:
        """Say what lies at ``url``; where the site cannot tell, what cannot be fetched counts as not there."""
        try:
            if not self._site.stat:
                return self._fetch_back(url, sums.ADLER32, deadline)
            found = _SIZE.findall(self._output(self._site.stat, [url], deadline))
        except CopyFailed as failed:
            unknown = not self._site.stat and failed.kind is None
            if failed.kind is FailureKind.NO_SUCH_FILE or unknown:
                return None
            raise
        if not found:
            raise CopyFailed(None, f"{self._site.stat[0]} printed no size of {url}")
        return FileFacts(int(found[-1]))

    def checksum(self, url: str, algorithm: str, deadline: Deadline) -> str:
        sums.digest(algorithm)  # refuses what nobody here could compare with
        if not self._site.checksum:
            return str(self._fetch_back(url, algorithm, deadline).checksum)
        found = _sum_in(self._output(self._site.checksum, ["--type", algorithm, url], deadline), algorithm)
        if not found:
            raise CopyFailed(None, f"{self._site.checksum[0]} printed no {algorithm}:HEX of {url}")
        return found

    def rename(self, source: str, target: str, deadline: Deadline) -> None:
        self._output(self._must(self._site.rename, "rename", source), [source, target], deadline)

    def remove(self, url: str, deadline: Deadline) -> None:
        try:
            self._output(self._must(self._site.remove, "remove", url), [url], deadline)
        except CopyFailed as failed:
            if failed.kind is not FailureKind.NO_SUCH_FILE:
                raise

    def _must(self, program: Sequence[str], what: str, url: str) -> Sequence[str]:
        if not program:
            raise CopyFailed(None, f"the site has no program to {what} {url}; name one in lsm.{what}")
        return program

    def _output(self, program: Sequence[str], words: Sequence[str], deadline: Deadline) -> str:
        ran = self._run([*program, *words], deadline)
        if ran.status:
            raise _failure(ran)
        return ran.output

    def _run(self, words: Sequence[str], deadline: Deadline, cancel: Optional[Cancel] = None) -> Ran:
        # A site's program is a script that starts what copies; that has to end with a pilot that is killed.
        return run(words, deadline, cancel, setup=self.setup, guarded=True)

    def _fetch_back(self, url: str, algorithm: str, deadline: Deadline) -> FileFacts:
        with tempfile.TemporaryDirectory(prefix="lsm-") as folder:
            path = Path(folder, "back")
            size = self._fetch(Transfer("back", url, f"file://{path}"), deadline, deadline.cancel).size
            return FileFacts(size, sums.of_file(path, algorithm, deadline))


def _failure(ran: Ran) -> CopyFailed:
    """Answer what exit status and last words tell; the status first, where it says something."""
    plain = ran.failure()
    kind, meaning = STATUSES.get(ran.status, (None, ""))
    words = f"{plain.words} ({ran.status}: {meaning})" if meaning else plain.words
    return CopyFailed(kind or plain.kind, words)


def _sum_in(output: str, algorithm: str) -> Optional[str]:
    """Find the last checksum of a kind in what a program has printed; adler32 with its leading zeros."""
    found = re.findall(rf"\b{algorithm}:([0-9a-f]+)\b", output, re.IGNORECASE)
    if not found:
        return None
    digits = found[-1].lower()
    return f"{algorithm}:{digits.rjust(8, '0') if algorithm == sums.ADLER32 else digits}"
