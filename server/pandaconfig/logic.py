"""Everything that writes the tables that people edit: checked, in one transaction, with a line of history."""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from pilot.contract.codec import ContractError
from pilot.contract.queue import QueueData
from pilot.contract.queue import StorageEndpoint as StorageData
from server.pandaconfig import queries, router
from server.pandaconfig.checks import Known
from server.pandaconfig.merge import split
from server.pandaconfig.models import Change, ImportDraft, Schedconfig, StatusHold, StorageEndpoint
from server.pandaconfig.readable import Refused, check, check_queue, check_storage, unkept
from server.pandaconfig.tables import SCHEDCONFIG, STORAGES, TABLES, Key, Row, Table

log = logging.getLogger(__name__)


class ChangedMeanwhile(Refused):
    """Somebody else has changed the row since it was read; ``now`` is what it says by now, nothing when it is gone."""

    def __init__(self, now: Row | None, words: str) -> None:
        super().__init__({"": words})
        self.now = now


@dataclass(frozen=True)
class Author:
    """Who changes something, how and why. ``batch`` is common to the changes of one import or action."""

    person: str = ""
    way: Change.Way = Change.Way.PROGRAM
    reason: str = ""
    batch: str = ""


NOBODY = Author()


def digest(row: Row | None) -> str:
    """Answer what changes with every change of a row, and with nothing else."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:32]


@contextmanager
def _together(table: Table) -> Iterator[None]:
    """One transaction of a row and its history; where they are in two databases, history is kept last."""
    with transaction.atomic(), transaction.atomic(using=table.alias):
        yield


def write(
    table: Table,
    key: Key | None,
    values: Mapping[str, Any],
    author: Author = NOBODY,
    *,
    seen: str | None = None,
    anew: bool = False,
    undoes: Change | None = None,
    known: Known | None = None,
) -> Change | None:
    """Make or change a row; answer the line of its history, nothing where the row said all of it already.

    Args:
        table: The table.
        key: The row's key; without one, the row that is known by the same values, or a new one.
        values: Columns and what they shall say; times as ISO texts or aware. Columns that are left out stay.
        author: Who, how and why.
        seen: ``digest`` of the row as the author saw it.
        anew: Columns that are left out get their defaults.
        undoes: The change that this one undoes.
        known: What rows may name, where the caller has asked already.

    Raises:
        Refused: a column is unknown, or says what it may not.
        ChangedMeanwhile: the row is not as it was seen.
    """
    unknown = sorted(set(values) - set(table.columns))
    if unknown:
        raise Refused({unknown[0]: f"{table.name} has no such column; it has {', '.join(table.columns[:12])} ..."})
    odd = {name: words for name in table.known_by if (words := unkept(table.fields[name], values.get(name)))}
    if odd:
        raise Refused(odd)
    if key is not None and not table.is_numbered and values.get(table.key, key) != key:
        raise Refused({table.key: f"the name of a {table.words} stays; add {values[table.key]!r} and delete {key!r}"})
    with _together(table):
        is_looked_for = key is None
        key = table.find({**table.fresh(), **values}) if key is None else key
        before = None if key is None else table.read(key, lock=True)
        if seen is not None and digest(before) != seen:
            raise ChangedMeanwhile(before, who_was_it(table, key))
        start = table.fresh() if before is None or anew else before
        after = check(table, {**start, **values}, before, known or queries.known())
        if after == before:
            return None
        is_renamed = before is not None and any(after[name] != before[name] for name in table.known_by)
        is_given = before is None and not is_looked_for
        if table.is_numbered and (is_renamed or is_given) and table.find(after) not in {None, key}:
            raise Refused(
                {table.known_by[0]: f"there is another {table.words} of {table.named(after)}; change that one"}
            )
        stored = _stored(table, None if before is None else key, after)
        if table is SCHEDCONFIG and before is not None and before["status"] != after["status"]:
            StatusHold.objects.filter(pk=stored).delete()  # whoever sets a status for a time makes a new one
        return _note(table, stored, before, after, author, undoes)


def _stored(table: Table, key: Key | None, row: Row) -> Key:
    """Write a row; answer its key.

    Raises:
        ChangedMeanwhile: it is new, and somebody else has added it at this moment.
    """
    try:
        with transaction.atomic(using=table.alias):
            return table.store(key, row)
    except IntegrityError:
        if key is not None:
            raise
        words = f"somebody has added the {table.words} {table.named(row)} at this moment; nothing of yours was saved"
        raise ChangedMeanwhile(None, words) from None


def who_was_it(table: Table, key: Key | None) -> str:
    last = Change.objects.filter(table=table.name, key=str(key)).first()
    if last is None:
        return "somebody has changed this row since you read it; nothing of yours was saved"
    who = last.person or "the server"
    why = f" ({last.reason})" if last.reason else ""
    return (
        f"{who} has changed this row at {last.at:%Y-%m-%d %H:%M:%S} UTC{why}, after you read it; nothing of yours was"
        " saved"
    )


def _note(
    table: Table, key: Key, before: Row | None, after: Row | None, author: Author, undoes: Change | None = None
) -> Change:
    """Write a line of history: both values of the columns that changed; all that say something where a row came."""
    fresh = table.fresh()
    names = [name for name in table.columns if (before or fresh).get(name) != (after or fresh).get(name)]
    return Change.objects.create(
        table=table.name,
        key=str(key),
        label=table.named(after or before or {})[:300],
        at=timezone.now(),
        person=author.person[:150],
        way=author.way,
        reason=author.reason[:500],
        before=None if before is None else {name: before[name] for name in names},
        after=None if after is None else {name: after[name] for name in names},
        batch=author.batch,
        undoes=undoes,
    )


def remove(table: Table, key: Key, author: Author = NOBODY, *, undoes: Change | None = None) -> Change | None:
    """Delete a row; answer the line of its history, nothing where there is none."""
    with _together(table):
        before = table.read(key, lock=True)
        if before is None:
            return None
        table.delete(key)
        if table is SCHEDCONFIG:
            StatusHold.objects.filter(pk=key).delete()  # it would be that of a later queue of the name
        return _note(table, key, before, None, author, undoes)


def undo(number: int, author: Author) -> Change | None:
    """Give a row back what one change took from it.

    Raises:
        Refused: there is no such change, or what it wrote was changed since, or the row as it was is not good any more.
    """
    with transaction.atomic():
        change = Change.objects.select_for_update().filter(pk=number).first()
        if change is None or change.table not in TABLES:
            raise Refused({"": f"there is no change {number}"})
        author = replace(author, way=Change.Way.UNDO)
        table = TABLES[change.table]
        key = table.key_from(change.key)
        _refuse_if_moved(table, change, table.read(key))
        if change.before is None:
            return remove(table, key, author, undoes=change)
        missing = change.after is None
        return write(table, None if missing and table.is_numbered else key, change.before, author, undoes=change)


def undo_all(batch: str, author: Author) -> int:
    """Undo what is left of what one import or action changed; answer how many changes that were.

    Raises:
        Refused: as by `undo_many`.
    """
    left = Change.objects.filter(batch=batch, undone_by=None) if batch else Change.objects.none()
    return undo_many(list(left.values_list("pk", flat=True)), author)


def undo_many(numbers: Sequence[int], author: Author) -> int:
    """Undo changes, the last one first, all or nothing; answer how many.

    Raises:
        Refused: there are none, or one of them cannot be undone; the text names the row.
    """
    if not numbers:
        raise Refused({"": "there is nothing left of it to undo"})
    author = replace(author, batch=str(uuid.uuid4()))
    with transaction.atomic(), transaction.atomic(using=router.alias()):
        for number in sorted(numbers, reverse=True):
            try:
                undo(number, author)
            except Refused as refused:
                raise Refused({"": f"change {number}: {refused}; nothing was undone"}) from refused
    return len(numbers)


def _refuse_if_moved(table: Table, change: Change, now: Row | None) -> None:
    """Refuse to undo what is not there any more.

    Raises:
        Refused: a column says something else by now.
    """
    if change.after is None and table.is_numbered:  # it would get a new number; an older one may be another's by now
        number = table.find({**table.fresh(), **(change.before or {})})
        now = None if number is None else table.read(number)
    if (now is None) != (change.after is None):
        raise Refused({"": f"{change.label} is {'gone' if now is None else 'there again'}; there is nothing to undo"})
    if change.before is None and Change.objects.filter(table=table.name, key=change.key, pk__gt=change.pk).exists():
        raise Refused({"": f"{change.label} was changed since it was made; undo the later changes first, or delete it"})
    for name, value in (change.after or {}).items():
        if now is not None and name in now and now[name] != value:
            raise Refused({name: f"it says {now[name]!r} by now, not {value!r}; undo the later changes first"})


def set_status(queues: list[str], status: str, author: Author, *, until: datetime | None = None) -> dict[str, str]:
    """Set the status of queues, for good or until a time; answer why not, by name, of those that were left alone.

    A queue that has a status for a time already gets back what it had before the first of them.

    Args:
        queues: Their names.
        status: ``online``, ``offline``, ``test``, ``brokeroff``, ``standby`` or ``paused``.
        author: Who and why; a reason is wanted.
        until: When each gets back what it had; never when left out.

    Raises:
        Refused: the status is none, no reason is given, or the time is over.
    """
    if status not in Schedconfig.Status.values:
        raise Refused({"status": f"{status!r} is none; known are {', '.join(Schedconfig.Status.values)}"})
    if not author.reason.strip():
        raise Refused({"reason": "say why; whoever wonders about these queues reads it"})
    if until is not None and until <= timezone.now():
        raise Refused({"until": f"{until:%Y-%m-%d %H:%M} UTC has passed; give a time to come, or none"})
    left = {}
    for name in sorted(set(queues)):
        with _together(SCHEDCONFIG):
            row = SCHEDCONFIG.read(name, lock=True)
            if row is None:
                left[name] = f"queue {name!r} is not known here"
                continue
            held = StatusHold.objects.filter(pk=name).first()
            is_held = held is not None and held.status == row["status"]
            back_to = held.back_to if held is not None and is_held else row["status"]
            try:
                write(SCHEDCONFIG, name, {"status": status}, author)
            except Refused as refused:
                left[name] = str(refused)
                continue
            StatusHold.objects.filter(pk=name).delete()
            if until is not None and back_to != status:
                now = timezone.now()
                StatusHold.objects.create(
                    queue=name, status=status, back_to=back_to, until=until, since=now,
                    person=author.person[:150], reason=author.reason[:500],
                )  # fmt: skip
    return left


def end_holds(now: datetime) -> int:
    """Give queues back what they had where a status for a time is over; answer how many.

    One whose status somebody has changed meanwhile keeps that. One whose row says elsewhere what it may not (somebody
    wrote it past this server) is tried again next time, and keeps no other queue waiting.
    """
    given_back = 0
    for hold in StatusHold.objects.filter(until__lte=now):
        try:
            given_back += _end_hold(hold)
        except Refused as refused:
            log.warning("queue %s does not get back the status %s: %s", hold.queue, hold.back_to, refused)
    return given_back


def _end_hold(hold: StatusHold) -> bool:
    with _together(SCHEDCONFIG):
        if not StatusHold.objects.filter(pk=hold.pk, until=hold.until).delete()[0]:
            return False  # prolonged, or ended, meanwhile
        row = SCHEDCONFIG.read(hold.queue, lock=True)
        if row is None or row["status"] != hold.status:
            return False
        reason = f"{hold.status} was until {hold.until:%Y-%m-%d %H:%M} UTC: {hold.reason}"
        write(SCHEDCONFIG, hold.queue, {"status": hold.back_to}, Author(way=Change.Way.EXPIRY, reason=reason))
        return True


def define_queue(data: Mapping[str, Any], author: Author = NOBODY) -> QueueData:
    """Make or replace a queue from one flat description (PanDA's and CRIC's keys).

    Raises:
        ContractError: the name is missing, or a value is of the wrong kind, too long or out of range.
    """
    name, columns, beside = split(data)
    read = check_queue(name, columns, beside)
    try:
        write(SCHEDCONFIG, name, {**columns, "nickname": name, "data": beside}, author, anew=True)
    except Refused as refused:
        key, words = next(iter(refused.errors.items()))
        raise ContractError(f"{key}: {words}", field_name=key) from refused
    return read


def define_storage(name: str, data: Mapping[str, Any], author: Author = NOBODY) -> StorageData:
    """Make or replace a storage endpoint from its entry of ``ddmendpoints.json``.

    Raises:
        ContractError: the name is missing or too long, or pilots could not read the entry.
    """
    at_most = StorageEndpoint._meta.get_field("name").max_length or 0
    if not name or len(name) > at_most:
        raise ContractError(f"name: {name!r} is not a name of 1 to {at_most} characters", field_name="name")
    read = check_storage(name, data)
    write(STORAGES, name, {"name": name, "data": dict(data)}, author)
    return read


def forget_drafts(before: datetime) -> int:
    """Forget imports that somebody began to look at before a time, and did not write; answer how many."""
    return ImportDraft.objects.filter(at__lt=before).delete()[0]
