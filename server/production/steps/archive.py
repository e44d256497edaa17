"""Steps: files that are right are asked for on tape, and what has become of that is looked at.

Nothing is copied here and no tape is spoken to: the data service does, which knows the tape system by its plugin. One
request for many files, and one look for all that have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction

from server.dataservice import logic as dataservice
from server.dataservice.logic import RequestRefused
from server.dataservice.opened import RIMS
from server.dataservice.where import Rims
from server.lib.parts import do_in_parts
from server.production import remaking
from server.production.archive import rows
from server.production.archive.catalogue import known, look_at_sources
from server.production.archive.door import BATCH, move_files, note
from server.production.archive.rules import REMADE_AT_ONCE, Judged, Then, after_failure, judge
from server.production.limits import Limits
from server.production.models import Output, Task
from server.production.reference.known import Known, read_known
from server.production.states import TapeState
from server.production.steps.apart import by_itself

SERVICE = "production.archive"
#: Files of one task that become ready in one cycle.
MOST = 5000


@dataclass(frozen=True)
class _Order:
    """The files of one task in one cycle."""

    task: Task
    tape: str
    bounds: Limits
    now: datetime


def archive_files(*, now: datetime, keep: Callable[[], None], rims: Rims = RIMS) -> int:
    """Ask for files on tape, some of each task; answer how many have moved."""
    known_limits, moved = read_known(), 0
    for task, tape in rows.archiving_tasks().values():
        keep()
        moved += by_itself(task, SERVICE, partial(_archive, task, tape, known_limits, now, rims), 0)
    return moved


def _archive(task: Task, tape: str, known_limits: Known, now: datetime, rims: Rims) -> int:
    order = _Order(task, tape, known_limits.limits_for(task), now)
    return _make_ready(order) + _ask_for_some(order, rims)


def _make_ready(order: _Order) -> int:
    files = list(rows.not_ready_yet(order.task)[:MOST])
    # Each some in a transaction of their own: pilots wait for it where the database has one writer.
    some = (files[start : start + BATCH] for start in range(0, len(files), BATCH))
    return sum(move_files(one, TapeState.READY, by=SERVICE, words="", now=order.now) for one in some)


def _ask_for_some(order: _Order, rims: Rims) -> int:
    bounds, now = order.bounds, order.now
    due = rows.ready(order.task).filter(rows.is_due(now, allowed=bounds.archive_attempts, delay=bounds.archive_delay))
    due = due.filter(rows.is_registered()).exclude(rows.is_busy(order.tape)).order_by("tape_since", "pk")
    chosen = list(due[: bounds.archive_files])
    if not chosen:
        return 0
    unknown = look_at_sources(known(chosen), order.tape, rims, now)
    _go_back(unknown, now)
    return _settle([file.pk for file in chosen if file.pk not in unknown], order)


@transaction.atomic
def _settle(keys: Sequence[int], order: _Order) -> int:
    """Do with some files what is to be done, by what the catalogue says of them now."""
    list(Output.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    files = [file for file in rows.named(keys) if file.tape == TapeState.READY]
    there = known(files)
    judged = {
        file: judge(there[file.pk].replicas, home=file.endpoint, tape=order.tape, asked=file.tape_request is not None)
        for file in files
        if file.pk in there
    }
    asked = {then: [file for file, one in judged.items() if one.then is then] for then in Then}
    moved = _ask(asked[Then.ASK], {key: one.number for key, one in there.items()}, order)
    moved += _remove_old(asked[Then.REMOVE_OLD], {key: one.number for key, one in there.items()}, order)
    for file in asked[Then.FAIL]:
        moved += _failed(file, judged[file].words, order)
    for file in asked[Then.MAKE_AGAIN]:
        moved += _make_again(file, judged[file], order)
    return moved


def _ask(files: Sequence[Output], numbers: Mapping[int, int], order: _Order) -> int:
    """Make one request for all of them; one that is refused holds up no other, and that counts as a try of it."""

    def ask(some: Sequence[Output]) -> int:
        keys = [numbers[file.pk] for file in some]
        request = dataservice.request_archive(keys, order.tape, SERVICE, now=order.now)
        words = f"asked for on tape at {order.tape}: request {request.pk}"
        note(order.task, TapeState.READY, TapeState.SENT, by=SERVICE, words=f"{len(some)} files {words}", now=order.now)
        return _sent(some, TapeState.SENT, request.pk, words, order)

    def refused(file: Output, why: Exception) -> None:
        _failed(file, f"it cannot be asked for: {why}", order)

    return do_in_parts(files, ask, refused, expected=RequestRefused)


def _sent(files: Sequence[Output], after: TapeState, request: int, words: str, order: _Order) -> int:
    """Write the request beside its files. Their counts of requests only grow."""
    moved = 0
    for attempts in sorted({file.tape_attempts for file in files}):
        some = [file for file in files if file.tape_attempts == attempts]
        columns = {"tape_request": request, "tape_attempts": attempts + 1}
        if after is TapeState.READY:
            rows_of = Output.objects.filter(pk__in=[file.pk for file in some])
            moved += rows_of.update(tape_words=words[:500], tape_since=order.now, **columns)
        else:
            moved += move_files(some, after, by=SERVICE, words=words, now=order.now, **columns)
    return moved


def _wait(file: Output, words: str, order: _Order) -> None:
    """Write down why a file waits; that is no attempt."""
    Output.objects.filter(pk=file.pk).update(tape_words=words[:500], tape_since=order.now)


def _go_back(keys: Collection[int], now: datetime) -> None:
    """Let other files come first the next time: those of one storage that is silent hold up no others."""
    Output.objects.filter(pk__in=keys, tape=TapeState.READY).update(tape_since=now)


def _remove_old(files: Sequence[Output], numbers: Mapping[int, int], order: _Order) -> int:
    """Have the copies removed that lie on the tapes under the same names: then there is room for these."""
    allowed = order.bounds.archive_attempts
    last = [file for file in files if file.tape_attempts >= allowed]
    moved = sum(
        _failed(file, f"another copy of its name could not be removed from {order.tape}", order) for file in last
    )
    some = [file for file in files if file.tape_attempts < allowed]

    def remove(part: Sequence[Output]) -> int:
        keys = [numbers[file.pk] for file in part]
        request = dataservice.request_delete(keys, order.tape, SERVICE, now=order.now)
        words = f"what lies at {order.tape} under its name is removed first: request {request.pk}"
        said = f"{len(part)} files: {words}"
        note(order.task, TapeState.READY, TapeState.READY, by=SERVICE, words=said, now=order.now)
        return _sent(part, TapeState.READY, request.pk, words, order)

    def refused(file: Output, why: Exception) -> None:
        # Somebody may have brought the former copy to disk: it is wanted there for a week.
        _wait(file, f"what lies at {order.tape} under its name cannot be removed: {why}", order)

    return moved + do_in_parts(some, remove, refused, expected=RequestRefused)


def _failed(file: Output, words: str, order: _Order) -> bool:
    """Count a request that could not be made."""
    attempts, bounds = file.tape_attempts + 1, order.bounds
    after = after_failure(attempts, allowed=bounds.archive_attempts, words=words, delay=bounds.archive_delay)
    columns = {"tape_attempts": min(attempts, bounds.archive_attempts)}
    if after.state is TapeState.FAILED:
        return bool(move_files([file], TapeState.FAILED, by=SERVICE, words=after.words, now=order.now, **columns))
    rows_of = Output.objects.filter(pk=file.pk)
    return bool(rows_of.update(tape_words=after.words[:500], tape_since=order.now, **columns))


def _make_again(file: Output, judged: Judged, order: _Order) -> bool:
    """Have what made a file that has vanished make it again, a bounded number of times, and few at once."""
    if remaking.being_made_again(order.task) >= REMADE_AT_ONCE:
        words = f"{judged.words}; {REMADE_AT_ONCE} others of its task are made again first"
        Output.objects.filter(pk=file.pk).update(tape_words=words[:500], tape_since=order.now)
        return False
    return remaking.remake_unarchived(file, judged.words, by=SERVICE)
