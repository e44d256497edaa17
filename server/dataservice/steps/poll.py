"""Step: storages and movers are asked how far their requests are, one question for each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from server.dataservice import door
from server.dataservice.door import Step
from server.dataservice.limits import limits
from server.dataservice.logic.consequences import follow_failures
from server.dataservice.models import Submission, Transfer, TransferRequest
from server.dataservice.states import (
    AT_WORK,
    Answer,
    SubmissionState,
    TransferKind,
    TransferState,
    values,
)
from server.dataservice.steps.contact import Silent, ask, checked, silent_last
from server.dataservice.steps.tries import again, not_after, paths_of, seconds
from server.dataservice.where import Rims
from server.storage.base import Copied, CopyState, Recall, Recalled, Tape

SERVICE = "dataservice.poll"
UNKNOWN = Recalled(Recall.UNKNOWN)
#: Mover's words in those of a recall: to both, a file waits, moves, is there, has failed, or was forgotten.
_AS_RECALL = {
    CopyState.QUEUED: Recall.QUEUED,
    CopyState.ACTIVE: Recall.ACTIVE,
    CopyState.DONE: Recall.ON_DISK,
    CopyState.FAILED: Recall.FAILED,
    CopyState.UNKNOWN: Recall.UNKNOWN,
}


def poll(rims: Rims, *, now: datetime, keep: Callable[[], None]) -> int:
    """Ask how far requests are; answer how many files have moved. A silent storage is left alone for this run."""
    bounds, moved, silent = limits(), 0, set[str]()
    close_those_over()
    taken = Submission.objects.filter(not_after("asked", now - seconds(bounds.poll_every)), state=SubmissionState.TAKEN)
    taken = taken.filter(Exists(_files_in(AT_WORK))).order_by(*silent_last(), "asked", "pk")
    for _ in range(bounds.calls_per_cycle):
        submission = taken.exclude(endpoint__in=silent).first()
        if submission is None:
            break
        keep()
        try:
            moved += _poll_one(submission, rims, now)
        except Silent:
            silent.add(submission.endpoint)
    return moved


def _poll_one(submission: Submission, rims: Rims, now: datetime) -> int:
    """Ask for one request.

    Raises:
        Silent: the storage did not answer.
    """
    transfers = list(Transfer.objects.filter(submission=submission, state__in=values(AT_WORK)).order_by("pk"))
    paths = paths_of(transfers)
    said = ask(submission.endpoint, lambda: _ask(submission, paths, rims), now) if paths else {}
    with transaction.atomic():
        here = [one for one in door.locked(paths, AT_WORK) if one.submission_id == submission.pk]
        lifetimes = _lifetimes(here)
        door.note_late(_late(said, here), by=SERVICE, now=now)
        judged = (_step(one, said[one.pk], submission, lifetimes[one.request_id], now) for one in here)
        steps = [step for step in judged if step is not None]
        door.move_all(steps, by=SERVICE, now=now)
        follow_failures(steps, now)
        Submission.objects.filter(pk=submission.pk).update(asked=now)
    return len(steps)


def _late(said: Mapping[int, Recalled], here: Sequence[Transfer]) -> dict[int, str]:
    """Answer what was said of files that are not at work any more."""
    still = {one.pk for one in here}
    return {key: f"{one.state.value} {one.words}".strip() for key, one in said.items() if key not in still}


def close_those_over() -> None:
    """End the submissions that have no file any more for which their ticket is needed."""
    needed = (*AT_WORK, TransferState.ON_DISK, TransferState.PINNED)
    taken = Submission.objects.filter(state=SubmissionState.TAKEN).exclude(Exists(_files_in(needed)))
    taken.update(state=SubmissionState.OVER)


def _files_in(states: Sequence[TransferState]) -> QuerySet[Transfer]:
    return Transfer.objects.filter(submission=OuterRef("pk"), state__in=values(states))


def _ask(submission: Submission, paths: Mapping[int, str], rims: Rims) -> dict[int, Recalled]:
    if submission.kind == TransferKind.PRESTAGE:
        tape = rims.storage_of(submission.endpoint)
        if not isinstance(tape, Tape):
            raise LookupError(f"storage {submission.endpoint!r} has no tapes")
        told = checked(tape.recalled(submission.ticket, list(paths.values())), Recalled)
        return {key: told.get(path, UNKNOWN) for key, path in paths.items()}
    storage = rims.storage_of(submission.endpoint)
    mover = rims.mover_of(submission.source, submission.endpoint)
    copied = checked(mover.status(submission.ticket), Copied)
    return {key: _as_recalled(copied.get(storage.url(path))) for key, path in paths.items()}


def _as_recalled(copied: Copied | None) -> Recalled:
    return UNKNOWN if copied is None else Recalled(_AS_RECALL[copied.state], copied.words)


def _lifetimes(transfers: Sequence[Transfer]) -> dict[int, float]:
    """Answer for how long the files of requests are wanted, by the number of the request."""
    requests = TransferRequest.objects.filter(pk__in={one.request_id for one in transfers})
    return dict(requests.values_list("pk", "lifetime"))


def _step(transfer: Transfer, said: Recalled, submission: Submission, lifetime: float, now: datetime) -> Step | None:
    """Say what becomes of a file after what was said of it; nothing when that is no news."""
    if said.state is Recall.ON_DISK:
        return Step(
            transfer, TransferState.ON_DISK, "", {"due": now, **_kept(transfer, said, submission, lifetime, now)}
        )
    if said.state is Recall.FAILED:
        return again(transfer, said.words or "the storage says no more than that it failed", now, answer=Answer.REFUSED)
    if said.state is Recall.UNKNOWN:
        return again(transfer, said.words or "the storage does not know the request any more", now)
    age = abs(now - submission.begun)  # begun far in the future: by a clock that was wrong
    if age >= seconds(limits(transfer.kind).patience):
        days = age.total_seconds() / 86400
        return again(transfer, f"given up: it was {transfer.state} for {days:.1f} days", now)
    if said.state is Recall.ACTIVE and transfer.state == TransferState.QUEUED:
        return Step(transfer, TransferState.ACTIVE)
    return None


def _kept(
    transfer: Transfer, said: Recalled, submission: Submission, lifetime: float, now: datetime
) -> dict[str, datetime | None]:
    """Say until when a file that has come is kept, and wanted; the first begins with the first arrival."""
    if transfer.kind != TransferKind.PRESTAGE:
        return {}
    wanted = transfer.wanted_until or now + seconds(lifetime)
    return {
        "pinned_until": _pinned_until(said.pinned_until, now + seconds(submission.lifetime)),
        "wanted_until": wanted,
    }


def _pinned_until(told: float | None, asked: datetime) -> datetime:
    """Believe a storage that keeps a file shorter than it was asked to; a longer time, or none, is what was asked."""
    if told is None or not told > 0:
        return asked
    return datetime.fromtimestamp(min(told, asked.timestamp()), tz=asked.tzinfo)
