"""All that writes the audit log, and the seam by which others say more of what somebody does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error
from django.http import HttpRequest

from server.lib.afterwards import Afterwards
from server.lib.logs import masked
from server.trail.models import Entry
from server.trail.reading import cut
from server.trail.states import FLEETING, Action

log = logging.getLogger(__name__)

_NOTES = "compass.notes"
#: Things that one request may say of itself.
MOST_NOTES = 50
#: Rows that are deleted at once.
AT_ONCE = 2000


@dataclass(frozen=True)
class Note:
    """What a view says of what it did, where its address does not."""

    action: Action
    what: str = ""
    reason: str = ""
    table: str = ""
    key: str = ""
    person: str = ""


def note(
    request: HttpRequest, action: str, what: str, reason: str = "", *, table: str = "", key: str = "", person: str = ""
) -> None:
    """Say what this request does; it is written down after its answer, with person, address and outcome.

    Each call makes a row of its own; without any, the row says what the address does.

    Args:
        request: The one in hand.
        action: A word of `Action`: "change", "order", "export" ...
        what: What is done, in words; no secret.
        reason: Why, as the person has said.
        table: What it is done to; as the address says when left out.
        key: Which row; as the address says when left out.
        person: Who; whoever the request is known to come from when left out.

    Raises:
        ValueError: there is no such action.
    """
    notes = request.META.setdefault(_NOTES, [])
    if len(notes) < MOST_NOTES:
        notes.append(Note(Action(action), what, reason, table, key, person))


def notes_of(request: HttpRequest) -> list[Note]:
    """Answer what was noted of a request."""
    found: list[Note] = request.META.get(_NOTES, [])
    return found


def entry(**fields: object) -> Entry:
    """Make a row, whose texts are as its columns hold them; it is not written yet."""
    made = Entry(**fields)
    for column in Entry._meta.fields:
        if isinstance(value := getattr(made, column.name), str) and column.max_length:
            setattr(made, column.name, cut(masked(value), column.max_length))
    return made


def write(entries: list[Entry]) -> None:
    """Write rows down."""
    Entry.objects.bulk_create(entries)


#: What is written a moment later: pages that were looked at, and who was refused.
LATER: Afterwards[Entry] = Afterwards("server.trail", write, most=5000)


def keep(entries: Iterable[Entry], *, now_by: Callable[[list[Entry]], None] = write) -> None:
    """Write down what somebody did: at once what changes something, a moment later what was only looked at.

    An answer that is made is given, whatever becomes of its row: while the database does not take it, it is kept.

    Args:
        entries: In the order in which they were done.
        now_by: Writes what is written at once.
    """
    now = []
    for one in entries:
        if one.action in FLEETING or one.action == Action.REFUSED:
            LATER.put(one)
        else:
            now.append(one)
    if not now:
        return
    try:
        now_by(now)
    except Error as broken:
        log.error("the audit log could not be written: %s; it is tried again", type(broken).__name__)
        for one in now:
            one.pk = None
            LATER.put(one)


def prune(now: datetime, *, days: int, view_days: int, keep_on: Callable[[], None] = lambda: None) -> dict[str, int]:
    """Forget what was looked at, and what was done, so many days ago; answer how many rows of each."""
    views = Entry.objects.filter(action__in=FLEETING, at__lt=now - timedelta(days=min(view_days, days)))
    deeds = Entry.objects.filter(at__lt=now - timedelta(days=days))
    forgotten = {}
    for name, rows in (("views", views), ("deeds", deeds)):
        forgotten[name] = 0
        while keys := list(rows.order_by("at").values_list("pk", flat=True)[:AT_ONCE]):
            forgotten[name] += Entry.objects.filter(pk__in=keys).delete()[0]
            keep_on()
    return forgotten
