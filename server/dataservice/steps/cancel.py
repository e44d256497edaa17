"""Step: storages and movers are told that what they were asked for was given up. Best effort: nothing waits for it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial

from server.dataservice.limits import limits
from server.dataservice.models import Submission, Transfer
from server.dataservice.states import LIVING, SubmissionState, TransferKind, values
from server.dataservice.steps.contact import Silent, ask, silent_last
from server.dataservice.steps.tries import paths_of, seconds
from server.dataservice.where import Rims
from server.storage.base import StorageUnavailable, Tape

log = logging.getLogger(__name__)

#: Seconds for which a storage is waited for. It is one that has been silent for long, mostly.
PATIENCE = 60.0


class Hangs(StorageUnavailable):
    """A storage has not come back from being told; its thread waits still, and there shall be no second one."""


def cancel(rims: Rims, *, now: datetime, keep: Callable[[], None], patience: float = PATIENCE) -> int:
    """Tell each storage what it need not do any more; answer of how many calls one was told.

    One that does not answer is told again at later turns, for as long as a try may take; one that hangs is told once.
    """
    bounds = limits()
    wanted = Submission.objects.filter(to_cancel__isnull=False)
    wanted.filter(to_cancel__lt=now - seconds(bounds.patience)).update(to_cancel=None)
    # Of a call that has only begun nobody knows yet what to cancel; it ends when it is made again, for nothing.
    known = wanted.exclude(state=SubmissionState.BEGUN).order_by(*silent_last(), "to_cancel", "pk")
    silent, told = set[str](), 0
    for submission in list(known[: bounds.calls_per_cycle]):
        if submission.endpoint in silent:
            continue
        keep()
        rows = Submission.objects.filter(pk=submission.pk)
        rows.update(to_cancel=None)  # before the call: whoever is killed in it does not come back to it
        try:
            ask(submission.endpoint, partial(_tell, submission, rims, patience), now)
            told += 1
        except Silent as why:
            silent.add(submission.endpoint)
            if not isinstance(why.__cause__, Hangs):
                rows.update(to_cancel=submission.to_cancel)
    return told


def _tell(submission: Submission, rims: Rims, patience: float) -> None:
    transfers = Transfer.objects.filter(submission=submission)
    if submission.kind == TransferKind.PRESTAGE:
        tape = rims.storage_of(submission.endpoint)
        paths = list(paths_of(transfers.exclude(state__in=values(LIVING))).values())
        if isinstance(tape, Tape) and submission.ticket and paths:
            within(patience, lambda: tape.release(submission.ticket, paths))
    elif not transfers.filter(state__in=values(LIVING)).exists():  # others in the same call go on
        mover = rims.mover_of(submission.source, submission.endpoint)
        within(patience, lambda: mover.cancel(submission.ticket or submission.number))


def within(patience: float, question: Callable[[], None]) -> None:
    """Ask a storage in a thread that nobody waits for longer than so many seconds; it must not ask the database.

    Raises:
        Hangs: it takes longer.
        StorageUnavailable: it fails.
    """
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def work() -> None:
        try:
            question()
        except StorageUnavailable as why:
            answers.put(str(why) or "no answer")
        except Exception as why:
            log.exception("a plugin failed when it was told to give up")
            answers.put(f"its plugin failed: {type(why).__name__}: {why}")
        else:
            answers.put("")

    threading.Thread(target=work, name="cancel", daemon=True).start()
    try:
        said = answers.get(timeout=patience)
    except queue.Empty as late:
        raise Hangs(f"it was told to give up, and has not answered for {patience:g} s") from late
    if said:
        raise StorageUnavailable(said)
