"""What the engine tells of its tries, made into what became of a file."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pilot.api.staged import FileResult, State
from pilot.contract.addresses import shown
from pilot.contract.codes import ErrorCode
from pilot.contract.job import Role

if TYPE_CHECKING:
    from pilot.api.staging import Item
    from pilot.contract.messages import StoredFile
    from pilot.copytool.trace import Trace
    from pilot.errors import JobFailed


class Tries:
    """Keeps what one engine tells, for the thread that it tells it in: there it works on one file at a time."""

    def __init__(self) -> None:
        self._here = threading.local()

    def note(self, trace: Trace) -> None:
        """Take down one try."""
        self._here.traces.append(trace)

    @contextlib.contextmanager
    def of_this_thread(self) -> Iterator[Sequence[Trace]]:
        """Answer a list that fills with the tries that this thread makes meanwhile."""
        self._here.traces = []
        yield self._here.traces


def done(item: Item, stored: StoredFile, seconds: float, tries: Sequence[Trace]) -> FileResult:
    """Answer what became of a file that is where it should be."""
    here, there = str(item.folder / item.file.lfn), shown(stored.url)
    incoming = item.file.role is Role.INPUT
    return FileResult(
        item.file,
        State.DONE,
        size=stored.size,
        seconds=seconds,
        tool=tries[-1].tool if tries else "",
        source=there if incoming else here,
        target=here if incoming else there,
        endpoint=stored.endpoint,
        checksum=stored.checksum or "",
        guid=stored.guid,
        attempts=len(tries),
    )


def not_done(item: Item, failed: JobFailed, seconds: float, tries: Sequence[Trace]) -> FileResult:
    """Answer what became of a file that could not be moved, or was given up."""
    here, incoming = str(item.folder / item.file.lfn), item.file.role is Role.INPUT
    last = tries[-1] if tries else None
    return FileResult(
        item.file,
        State.CANCELLED if failed.code is ErrorCode.COPY_CANCELLED else State.FAILED,
        code=int(failed.code),
        words=failed.detail,
        seconds=seconds,
        tool=last.tool if last else "",
        source=(last.source if last else "") if incoming else here,
        target=here if incoming else (last.target if last else ""),
        endpoint=last.endpoint if last else item.file.endpoint,
        guid=item.file.guid,
        attempts=len(tries),
    )
