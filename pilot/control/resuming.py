"""Finds a dead pilot of this account whose allocations go on without it: the next pilot takes its place.

The directories of its jobs cannot be moved while ranks write in them, so its folder becomes the new pilot's own.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from pilot.control.journal import JOURNAL, Journal, JournalUnusable, Record
from pilot.errors import JobFailed
from pilot.hpc import record
from pilot.hpc.choosing import adjusted
from pilot.runtime import workdir

if TYPE_CHECKING:
    from pilot.contract.queue import QueueData
    from pilot.control.agent import Parts
    from pilot.settings import Settings

log = logging.getLogger(__name__)


def take(base: Path, queue: str, held: contextlib.ExitStack) -> Optional[Path]:
    """Answer the folder of such a pilot of the same queue, locked until ``held`` is closed; ``None``: there is none."""
    for folder in sorted(base.glob(f"{workdir.FOLDER}*")):
        if not workdir.is_own(folder) or not _goes_on(folder):
            continue
        with contextlib.ExitStack() as trying, contextlib.suppress(JobFailed, JournalUnusable, OSError):
            trying.enter_context(workdir.lock(folder))
            if _goes_on(folder) and any(one.queue == queue for one in Journal(folder / JOURNAL).records()):
                held.enter_context(trying.pop_all())
                return folder
    return None


def _goes_on(folder: Path) -> bool:
    found = (record.read(allocation) for allocation in record.allocations(folder))
    return any(one is not None and one.outlives for one in found)


def inherited(own: Path) -> tuple[Record, ...]:
    """Answer the records of jobs that were in a pilot's folder before it began."""
    journal = Journal(own / JOURNAL)
    with contextlib.suppress(JournalUnusable, OSError):
        journal.complete()
        return tuple(journal.records())
    return ()


def prepared(
    settings: Settings, base: Path, held: contextlib.ExitStack, make: Callable[[Path, contextlib.ExitStack], Path]
) -> tuple[Settings, Path, tuple[Record, ...]]:
    """Answer what a pilot that gathers begins with: its settings, its folder, and the jobs that are in it already.

    Args:
        settings: As they were given.
        base: Where pilots have their folders.
        held: The folder is locked until this is closed.
        make: Makes a new folder.
    """
    own = take(base, settings.queue.name, held)
    return adjusted(settings), own or make(base, held), inherited(own) if own else ()


def gathering(parts: Parts, queue: QueueData, held: contextlib.ExitStack) -> Parts:
    """Answer what the agent is made from of a pilot that has just heard that its queue is a supercomputer's."""
    parts = parts._replace(settings=adjusted(parts.settings, queue))
    own = take(parts.base, queue.name, held)
    if own is None:
        return parts
    log.info("taking the place of a dead pilot: %s", own)
    return parts._replace(own=own, inherited=inherited(own))
