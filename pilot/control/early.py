"""Outputs that are stored while their payload runs: it says in a file of its directory which of them are finished.

A thread beside each payload waits for that file, as the kernel tells of it. What it has not stored when the payload
ends is stored with the other outputs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable

from pilot.contract import naming
from pilot.contract.job import FileSpec
from pilot.control.news import Work
from pilot.control.tails import open_file
from pilot.copytool.base import Cancel
from pilot.errors import PilotError
from pilot.realtime.noticing import CREATED, MODIFIED, MOVED_TO, Noticing

log = logging.getLogger(__name__)

#: Of a longer list no more is read, in bytes.
LARGEST = 2**20
#: Stores some outputs of a job; until it has, or is asked to give up.
Store = Callable[[Work, Sequence[FileSpec], Cancel], object]


def finished(text: bytes) -> list[str]:
    """Read the names of finished outputs: one in each line; a line that has no end yet is being written."""
    lines = text.split(b"\n")[:-1]
    return [os.fsdecode(line).strip() for line in lines]


class Early:
    """``store`` stores outputs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @contextlib.contextmanager
    def beside(self, work: Work, folder: Path, cancelled: Cancel) -> Iterator[None]:
        """Store outputs while the block runs a job's payload; a copy that is under way when it ends is given up.

        Event ranges, and searches that write the same outputs again and again, have their own ways.
        """
        spec = work.job.spec
        if not spec.outputs or spec.events or spec.iterative:
            yield
            return
        cancel, reading, writing = Cancel(), *os.pipe()
        watch = _Watch(work, folder, lambda files: self._store(work, files, cancel))
        thread = threading.Thread(target=watch.run, args=[reading, cancel], name="early", daemon=True)
        try:
            thread.start()
            with cancelled.doing(cancel.ask):
                yield
        finally:
            cancel.ask()
            os.close(writing)
            thread.join()
            os.close(reading)


class _Watch:
    """Waits for the list of one payload's finished outputs."""

    def __init__(self, work: Work, folder: Path, store: Callable[[Sequence[FileSpec]], object]) -> None:
        self._key, self._folder, self._store = work.key, folder, store
        self._path = folder / naming.FINISHED_OUTPUTS
        self._left = {file.lfn: file for file in work.job.spec.outputs}

    def run(self, end: int, cancel: Cancel) -> None:
        """Store what the payload names, until ``end`` can be read, or there is nothing left."""
        noticing = Noticing()
        try:
            noticing.watch(self._folder, CREATED | MOVED_TO)
            while noticing.works and self._left and not cancel:
                # The list may be another file than before: it is watched before it is read, so that nothing is missed.
                if self._path.is_file() and not self._path.is_symlink():
                    noticing.watch(self._path, MODIFIED)
                self._look()
                if end in select.select([noticing.fileno(), end], [], [])[0]:
                    break
                noticing.drain()
        finally:
            noticing.close()

    def _look(self) -> None:
        named = [name for name in finished(self._read()) if name in self._left]
        files = [self._left.pop(name) for name in dict.fromkeys(named)]
        if files:
            try:
                self._store(files)
            except (PilotError, OSError) as failed:  # they are stored with the others, or the job fails of them then
                log.warning("job %d.%d: not stored ahead: %s", *self._key, failed)

    def _read(self) -> bytes:
        with contextlib.suppress(OSError), open_file(self._path) as file:
            return file.read(LARGEST)
        return b""
