"""Usage as it is asked for, and as it is told: by day and by user, group, site, task or kind of job."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import Any

from pilot.contract.codec import ContractError, shown
from pilot.contract.codes import ErrorCode
from pilot.contract.payload_codes import PayloadCode
from pilot.contract.server_codes import DataServiceCode, DispatcherCode
from server.accounting import queries as accounting
from server.accounting.queries import DIMENSIONS, Used, Wanted
from server.accounts.rules import Identity, NotAllowed, Role
from server.lib.texts import plain_cell
from server.pandaconfig import queries as pandaconfig
from server.production import queries as production

#: What is shown when nothing is said.
DAYS, BY = 14, "label"
MOST_DAYS = 366
#: Names of one answer in JSON: by default, and at most.
NAMES_OF_ANSWER, MOST_NAMES_OF_ANSWER = 1000, 5000
#: Names that have a line of their own on the page.
MOST_NAMES = 25
#: Rows of one CSV file.
MOST_ROWS = 200_000

#: What may be said of usage that is wanted.
NAMES = ("user", "group", "site", "task", "label", "days", "last", "by", "limit", "offset")

_CODES: Mapping[str, type[IntEnum]] = {
    "pilot": ErrorCode,
    "payload": PayloadCode,
    "dispatcher": DispatcherCode,
    "data": DataServiceCode,
}


@dataclass(frozen=True)
class Question:
    """What somebody asks: which usage, told apart by what, over how many days; ``said`` are the words.

    An answer in JSON is of ``limit`` names, who used most, after ``offset`` others. Before ``days_from``, if that is
    among the days, usage is kept by month, and all of the months is meant.
    """

    wanted: Wanted
    by: str
    days: int
    said: Mapping[str, str]
    limit: int
    offset: int
    days_from: date | None = None


def read_question(said: Mapping[str, str], now: datetime) -> Question:
    """Read a question from the words of an address.

    Raises:
        ContractError: one of them makes no sense; the text names it.
    """
    said = {name: _text(name, said.get(name, "")) for name in NAMES}
    by = said["by"] or BY
    if by not in DIMENSIONS:
        raise ContractError(f"by: {shown(by)} is none of {', '.join(DIMENSIONS)}", field_name="by")
    days, last = _whole("days", said["days"], DAYS, 1, MOST_DAYS), _day(said["last"], now)
    kept = accounting.kept()
    first, last = kept.whole(last - timedelta(days=days - 1), last)
    wanted = Wanted(
        first=first,
        last=last,
        user=said["user"],
        group=said["group"],
        queues=frozenset(pandaconfig.queues_of_site(said["site"]) or [said["site"]]) if said["site"] else frozenset(),
        task=_task(said["task"]),
        label=said["label"],
    )
    limit = _whole("limit", said["limit"], NAMES_OF_ANSWER, 1, MOST_NAMES_OF_ANSWER)
    offset = _whole("offset", said["offset"], 0, 0, 10**8)
    return Question(wanted, by, days, said, limit, offset, kept.days_from if kept.by_month(first) else None)


def _text(name: str, text: str) -> str:
    if not text.isprintable():
        raise ContractError(f"{name}: {shown(text)} holds a character that cannot be printed", field_name=name)
    return text.strip()


def _whole(name: str, text: str, default: int, least: int, most: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise ContractError(f"{name}: {shown(text)} is not a whole number from {least} to {most}", field_name=name)
    return int(text)


def _day(text: str, now: datetime) -> date:
    if not text:
        return now.astimezone(UTC).date()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.year < 2000:
        raise ContractError(f"last: {shown(text)} is not a day such as 2026-11-21", field_name="last")
    return day


def _task(text: str) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    task = production.find_task(text)
    if task is None:
        raise ContractError(f"task: {shown(text)} is neither the name nor the number of a task", field_name="task")
    return int(task.pk)


def narrowed(wanted: Wanted, identity: Identity | None) -> Wanted:
    """Answer the part of some usage that somebody may see; nobody is named for who may see it all.

    Raises:
        NotAllowed: it is all somebody else's.
    """
    if identity is None or identity.role in {Role.READER, Role.PRODUCTION, Role.ADMIN}:
        return wanted
    if identity.role is Role.SITE_ADMIN:
        queues = wanted.queues & identity.queues if wanted.queues else identity.queues
        if not queues:
            raise NotAllowed(f"site: you may see the usage of {', '.join(sorted(identity.queues))} alone")
        return replace(wanted, queues=queues)
    if not identity.person or wanted.user not in ("", identity.person):
        raise NotAllowed("user: you may see your own usage alone; leave user out")
    return replace(wanted, user=identity.person)


def answer_of(question: Question, wanted: Wanted) -> dict[str, Any]:
    """Answer usage, ready for JSON: core time and CPU time in seconds, sizes in bytes.

    Lines are of as many names as were asked for; the totals, and how tries failed, are of all.
    """
    used = accounting.used_by_some(wanted, question.by, most=question.limit, skip=question.offset)
    return {
        "first": question.wanted.first.isoformat(),
        "last": question.wanted.last.isoformat(),
        "by": question.by,
        "days_from": question.days_from.isoformat() if question.days_from else None,
        "totals": {name: used.total[name] for name in accounting.SUMS},
        "names": list(used.names),
        "left_out": used.left_out,
        "days": [{"day": line.day.isoformat(), question.by: line.of, **line.sums} for line in used.lines],
        "failures": [
            {"source": cause.source, "code": cause.code, "name": name_of(cause.source, cause.code), "n": cause.attempts}
            for cause in used.causes
        ],
    }


def name_of(source: str, code: int) -> str:
    """Answer what an error number is called; "" when nobody has given it a name."""
    numbers = _CODES.get(source)
    return numbers(code).name if numbers is not None and code in {one.value for one in numbers} else ""


@dataclass(frozen=True)
class TableLine:
    """One line of the page's table: hours are core-hours; ``good_part`` is percent, nothing where nothing was used."""

    name: str
    link: str
    sums: Counter[str]

    @property
    def good_hours(self) -> float:
        return self.sums["good_core_seconds"] / 3600

    @property
    def lost_hours(self) -> float:
        return self.sums["lost_core_seconds"] / 3600

    @property
    def cpu_hours(self) -> float:
        return self.sums["cpu_seconds"] / 3600

    @property
    def good_part(self) -> float | None:
        hours = self.good_hours + self.lost_hours
        return 100 * self.good_hours / hours if hours else None

    @property
    def jobs_ended_badly(self) -> int:
        return self.sums["jobs_cancelled"] + self.sums["jobs_closed"]


def table_of(question: Question, used: Used) -> list[TableLine]:
    """Answer the lines of the page's table: whoever used most first, the rest as one."""
    tasks = titles_of(used.names) if question.by == "task" else {}
    lines = [TableLine(tasks.get(name) or name or "none", tasks.get(name, ""), used.of[name]) for name in used.names]
    if used.left_out:
        lines.append(TableLine(f"{used.left_out} others", "", used.of_others))
    return lines


def titles_of(numbers: tuple[str, ...]) -> dict[str, str]:
    """Answer the names of those of these tasks that are known, by their numbers as texts."""
    found = ((number, production.find_task_by_number(int(number))) for number in numbers if number)
    return {number: str(task.name) for number, task in found if task is not None}


def as_csv(wanted: Wanted) -> str:
    """Answer every row of some usage, as it is kept.

    Raises:
        ContractError: there are too many.
    """
    if (count := accounting.count_rows(wanted)) > MOST_ROWS:
        raise ContractError(f"days: {count} rows; ask for fewer days, at most {MOST_ROWS} rows", field_name="days")
    file = io.StringIO()
    lines = csv.writer(file, lineterminator="\r\n")
    lines.writerow(accounting.ALL)
    lines.writerows([plain_cell(value) for value in row] for row in accounting.rows(wanted))
    return file.getvalue()
