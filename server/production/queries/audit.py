"""What persons have done to productions: what they moved, settled, sent again, and changed among the settings.

It is read from where each of these is written down anyway, so that nothing can be forgotten; what services did alone is
left out. Moves of chunks and merges are told by the order that made them, not one by one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from heapq import nlargest
from typing import Any

from django.apps import apps
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db.models import Q, QuerySet

from pilot.contract.codec import ContractError, shown
from server.lib.texts import plain_cell
from server.production.models import Task, TaskEvent
from server.production.steering_models import Resend

#: What a person may have done -> the words for it, in the order of what is told first of one moment.
KINDS = {
    "task": "task moved or noted",
    "check": "cross-check settled",
    "resend": "sent again",
    "undo": "sending again undone",
    "settings": "rows of the admin",
}
#: Deeds of a page, and of one question while all of them are written out.
PAGE, AT_ONCE = 50, 1000
#: Deeds that are written out at most.
MOST = 100_000
_WORDS = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted"}


@dataclass(frozen=True, order=True)
class Place:
    """Where a deed stands in the order of all: by its moment, then by its kind, then by its row's number."""

    at: datetime
    rank: int
    number: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.rank}~{self.number}"


@dataclass(frozen=True)
class Deed:
    """One deed; ``task`` is empty for settings, and ``what`` says what was done to what."""

    place: Place
    kind: str
    by: str
    task: str
    what: str
    words: str
    run: int | None = None

    @property
    def at(self) -> datetime:
        return self.place.at

    @property
    def label(self) -> str:
        return KINDS[self.kind]

    def as_json(self) -> dict[str, Any]:
        where = {"task": self.task or None, "run": self.run}
        return {"at": self.at.isoformat(), "by": self.by, "kind": self.kind, **where, "what": self.what} | {
            "words": self.words
        }


@dataclass(frozen=True)
class Wanted:
    """Which deeds are wanted; what is empty is not asked for. ``since`` and ``until`` are UTC days, both included."""

    by: str = ""
    task: str = ""
    kind: str = ""
    words: str = ""
    since: date | None = None
    until: date | None = None
    before: Place | None = None


@dataclass(frozen=True)
class AuditPage:
    deeds: list[Deed]
    #: From where the next page goes on; nothing on the last one.
    following: Place | None

    def as_json(self) -> dict[str, Any]:
        next_page = str(self.following) if self.following else None
        return {"deeds": [deed.as_json() for deed in self.deeds], "next": next_page}


def read_day(name: str, text: str) -> date | None:
    """Read a day of an address.

    Raises:
        ContractError: it is none.
    """
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ContractError(f"{name}: {shown(text)} is no day; give one such as 2016-07-01", field_name=name) from None


def read_place(text: str) -> Place | None:
    """Read where a page goes on, as the page before it has said.

    Raises:
        ContractError: no page says so.
    """
    if not text:
        return None
    try:
        at, rank, number = text.split("~")
        place = Place(datetime.fromisoformat(at), int(rank), int(number))
        if place.at.tzinfo is None or not 0 <= place.number < 2**63 or not 0 <= place.rank < len(KINDS):
            raise ValueError
    except ValueError:
        remedy = "take it from the link to older ones, or leave it out"
        raise ContractError(f"before: {shown(text)} is the place of no deed; {remedy}", field_name="before") from None
    return place


def audit_page(wanted: Wanted, *, most: int = PAGE) -> AuditPage:
    """Answer the latest deeds before a place, newest first: one question for each kind."""
    found = [deed for kind in _kinds(wanted) for deed in _SOURCES[kind](wanted, most + 1)]
    deeds = nlargest(most + 1, found, key=lambda deed: deed.place)
    return AuditPage(deeds[:most], deeds[most - 1].place if len(deeds) > most else None)


def all_deeds(wanted: Wanted, *, most: int = MOST) -> Iterator[Deed]:
    """Yield the deeds before a place one by one, newest first, however many they are."""
    while most > 0:
        found = audit_page(wanted, most=min(AT_ONCE, most))
        yield from found.deeds
        if found.following is None:
            return
        wanted, most = replace(wanted, before=found.following), most - len(found.deeds)


def as_csv(deeds: Iterator[Deed]) -> Iterator[str]:
    """Write deeds as the lines of a table, one by one."""
    names = ("at", "by", "kind", "task", "run", "what", "words")
    yield _line(names)
    for deed in deeds:
        yield _line([deed.at.isoformat(), deed.by, deed.kind, deed.task, deed.run, deed.what, deed.words])


def _line(cells: Sequence[object]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerow(map(plain_cell, cells))
    return file.getvalue()


def _kinds(wanted: Wanted) -> tuple[str, ...]:
    """Answer which kinds there may be of what is wanted: settings belong to no task."""
    kinds = (wanted.kind,) if wanted.kind else tuple(KINDS)
    return tuple(kind for kind in kinds if not (wanted.task and kind == "settings"))


@cache
def _services() -> tuple[str, ...]:
    """Answer how the signatures of services begin: with the name of one of our parts, and a dot."""
    ours = (app.label for app in apps.get_app_configs() if app.module is not None and app.name.startswith("server."))
    return tuple(f"{label}." for label in sorted(ours))


def _by_persons(name: str) -> Q:
    """Say of a row that a person has signed it."""
    nobody = Q(**{name: ""})
    for service in _services():
        nobody |= Q(**{f"{name}__startswith": service})
    return ~nobody


def _chosen(rows: QuerySet[Any], wanted: Wanted, kind: str, names: Mapping[str, str]) -> QuerySet[Any]:
    """Select the rows of a kind that are wanted, newest first; ``names`` are those of its columns."""
    at = names["at"]
    if wanted.by:
        rows = rows.filter(**{names["by"]: wanted.by})
    if wanted.task:
        # By its key: a join would have the database read what happened to all tasks.
        rows = rows.filter(task__in=list(Task.objects.filter(name=wanted.task).values_list("pk", flat=True)))
    if wanted.words:
        said = Q()
        for column in names["words"].split():
            said |= Q(**{f"{column}__icontains": wanted.words})
        rows = rows.filter(said)
    if wanted.since:
        rows = rows.filter(**{f"{at}__gte": datetime.combine(wanted.since, time(), UTC)})
    if wanted.until and wanted.until < date.max:
        rows = rows.filter(**{f"{at}__lt": datetime.combine(wanted.until + timedelta(days=1), time(), UTC)})
    if place := wanted.before:
        rank = _RANKS[kind]
        same = Q(**{at: place.at}, pk__lt=place.number) if rank == place.rank else Q(**{at: place.at})
        rows = rows.filter(Q(**{f"{at}__lt": place.at}) | (same if rank <= place.rank else Q(pk=None)))
        # The same again in the plainest words: by these an index is followed.
        rows = rows.filter(**{f"{at}__lte": place.at})
    return rows.order_by(f"-{at}", "-pk")


def _events(wanted: Wanted, most: int, kind: str) -> list[Deed]:
    rows = TaskEvent.objects.filter(chunk=None, group=None, run__isnull=kind == "task")
    rows = _chosen(rows.filter(_by_persons("by")), wanted, kind, {"at": "at", "by": "by", "words": "words"})
    return [
        Deed(
            Place(row.at, _RANKS[kind], row.pk),
            *(kind, row.by, row.task.name, _what(row), row.words),
            run=row.run.number if row.run else None,
        )
        for row in rows.select_related("task", "run").defer("task__filelist")[:most]
    ]


def _what(row: TaskEvent) -> str:
    before, after = row.before.replace("_", " "), row.after.replace("_", " ")
    what = f"check of run {row.run.number}" if row.run else "task"
    if before == after:
        return f"{what}: stays {after}"
    return f"{what}: {before} → {after}" if before else f"{what}: {after}"


def _moves(wanted: Wanted, most: int) -> list[Deed]:
    return _events(wanted, most, "task")


def _checks(wanted: Wanted, most: int) -> list[Deed]:
    return _events(wanted, most, "check")


def _resends(wanted: Wanted, most: int) -> list[Deed]:
    names = {"at": "at", "by": "by", "words": "words why"}
    rows = _chosen(Resend.objects.filter(_by_persons("by")), wanted, "resend", names)
    return [
        Deed(Place(row.at, _RANKS["resend"], row.pk), "resend", row.by, row.task.name, _again(row), row.why)
        for row in rows.select_related("task").defer("task__filelist")[:most]
    ]


def _again(row: Resend) -> str:
    counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in row.counts.items() if number)
    return f"{row}: {counts}" if counts else str(row)


def _undone(wanted: Wanted, most: int) -> list[Deed]:
    names = {"at": "undone_at", "by": "undone_by", "words": "words why undone_why"}
    rows = _chosen(Resend.objects.filter(_by_persons("undone_by"), undone_at__isnull=False), wanted, "undo", names)
    found = rows.select_related("task").defer("task__filelist")[:most]
    return [
        Deed(
            Place(row.undone_at, _RANKS["undo"], row.pk),
            *("undo", row.undone_by, row.task.name, f"undone: {row}", row.undone_why),
        )
        for row in found
        if row.undone_at is not None
    ]


def _settings(wanted: Wanted, most: int) -> list[Deed]:
    names = {"at": "action_time", "by": "user__username", "words": "object_repr change_message"}
    rows = LogEntry.objects.filter(content_type__app_label="production").select_related("user", "content_type")
    return [
        Deed(
            Place(row.action_time, _RANKS["settings"], row.pk),
            *("settings", row.user.get_username(), ""),
            f"{row.content_type.name if row.content_type else 'row'} {_WORDS.get(row.action_flag, 'changed')}",
            f"{row.object_repr}: {row.get_change_message()}",
        )
        for row in _chosen(rows, wanted, "settings", names)[:most]
    ]


_SOURCES: Mapping[str, Callable[[Wanted, int], list[Deed]]] = {
    "task": _moves,
    "check": _checks,
    "resend": _resends,
    "undo": _undone,
    "settings": _settings,
}
#: Of the same moment that is told first whose number is higher.
_RANKS = {kind: len(KINDS) - 1 - number for number, kind in enumerate(KINDS)}
