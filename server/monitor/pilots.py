"""What is asked for on the pages on pilots, and what these show, gathered from the other apps' queries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pilot.contract.codec import ContractError
from server.monitor.pilotlog import LogFile, log_files
from server.pilots import queries as pilots
from server.pilots.queries import Listed, NodeUse, Use, Wanted
from server.taskbuffer import queries as taskbuffer

if TYPE_CHECKING:
    from server.pilots.models import Pilot
    from server.taskbuffer.models import Attempt, Job

#: What may be asked, as it is written in the address.
ASKED = ("queue", "state", "system", "node", "exit", "since", "jobless", "before", "after", "count")
#: Pilots on a page of the browser, and tries on the page of one.
USUAL, TRIES = 100, 200
#: Nodes on a page, the days that may be asked for, and those on the page of a queue.
NODES, MOST_DAYS, COST_DAYS = 200, 366, 14

_AGO = re.compile(r"([0-9]{1,5})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True)
class Question:
    """Which pilots, from where on and how many; ``said`` is what the form shows again."""

    wanted: Wanted
    before: int | None
    after: int | None
    count: int
    said: Mapping[str, str]


def read_question(said: Mapping[str, str], now: datetime) -> Question:
    """Read what an address asks for.

    Raises:
        ContractError: a name is unknown, or a value is none; the words name it.
    """
    for name in said:
        if name not in ASKED:
            raise ContractError(f"{name[:40]}: there is no such filter; there are {', '.join(ASKED)}", field_name=name)
    text = {name: said.get(name, "").strip() for name in ASKED}
    if text["state"] and text["state"] not in pilots.STATES:
        words = f"state: {text['state'][:40]!r} is none of {', '.join(pilots.STATES)}"
        raise ContractError(words, field_name="state")
    if text["jobless"] not in ("", "0", "1"):
        raise ContractError(f"jobless: {text['jobless'][:40]!r} is neither 1 nor 0", field_name="jobless")
    wanted = Wanted(
        queue=text["queue"],
        state=text["state"],
        system=text["system"],
        node=text["node"],
        exit_code=_number("exit", text["exit"], most=2**31 - 1),
        since=_since(text["since"], now),
        jobless=text["jobless"] == "1",
    )
    before, after = (_number(name, text[name], most=2**63 - 1) for name in ("before", "after"))
    count = _number("count", text["count"], most=pilots.MOST)
    return Question(wanted, before, after, USUAL if count is None else max(1, count), text)


def _number(name: str, text: str, *, most: int) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
        raise ContractError(f"{name}: {text[:40]!r} is not a whole number from 0 to {most}", field_name=name)
    return int(text)


def _since(text: str, now: datetime) -> datetime | None:
    """Read a time: a day, a day with a time of day by UTC, or how long ago."""
    if not text:
        return None
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return now - int(ago[1]) * _UNITS[ago[2]]
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as wrong:
        words = f"since: {text[:40]!r} is neither a time such as 2026-11-22T08:00 nor an age such as 6h"
        raise ContractError(words, field_name="since") from wrong


@dataclass(frozen=True)
class Contents:
    """A page of pilots, and how many there are in each state."""

    page: Listed
    states: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return {
            "pilots": [pilots.pilot_json(one) for one in self.page.pilots],
            "states": dict(self.states),
            "older": self.page.older,
            "newer": self.page.newer,
        }


def contents(question: Question) -> Contents:
    """Gather the page: two questions to the database."""
    page = pilots.listed(question.wanted, before=question.before, after=question.after, count=question.count)
    return Contents(page, pilots.count_states(question.wanted))


@dataclass(frozen=True)
class PilotPage:
    """A pilot with the tries of jobs that it had, and the texts of its batch job that are here."""

    pilot: Pilot
    attempts: list[Attempt]
    files: list[LogFile]

    def as_json(self) -> dict[str, Any]:
        return {
            **pilots.pilot_json(self.pilot),
            "attempts": [_attempt_json(one) for one in self.attempts],
            "files": [file.as_json() for file in self.files],
        }

    @property
    def life(self) -> list[tuple[str, datetime]]:
        """What was when, in order."""
        told = {"started": "it said that it begins", "finished": "it said that it ends"}.get(self.pilot.reported, "")
        known = [
            ("submitted", self.pilot.submitted_at),
            ("started", self.pilot.started_at),
            (told, self.pilot.reported_at),
            ("held", self.pilot.held_at),
            ("told to end", self.pilot.cancelled_at),
            (self.pilot.state if self.pilot.ended_at else "", self.pilot.ended_at),
        ]
        return sorted(((what, moment) for what, moment in known if what and moment), key=lambda one: one[1])

    @property
    def not_shown(self) -> int:
        """How many of its jobs are not among the tries: in the archive, or too many."""
        return max(0, self.pilot.jobs - len(self.attempts))


def pilot_page(number: int) -> PilotPage | None:
    """Gather the page of one pilot."""
    pilot = pilots.find_pilot(number)
    if pilot is None:
        return None
    tries = taskbuffer.attempts_of_pilot(pilot.batch_id, pilot.queue, since=pilot.submitted_at, most=TRIES)
    return PilotPage(pilot, tries, log_files(pilot.directory))


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    times = {name: getattr(attempt, name) for name in ("sent_at", "started_at", "ended_at")}
    names = ("pilot_error", "pilot_error_words", "payload_error", "payload_error_words", "server_error_words")
    return {
        **{"job": attempt.job_id, "attempt": attempt.number, "state": attempt.state},
        **{name: moment.isoformat() if moment else None for name, moment in times.items()},
        **{name: getattr(attempt, name) for name in (*names, "exit_status")},
    }


def attempts_with_pilots(job: Job) -> list[tuple[Attempt, Pilot | None]]:
    """Answer each try of a job with the pilot of ours that had it."""
    tries = list(job.attempts.all())
    found = pilots.pilots_of({attempt.batch_id for attempt in tries})
    return [(attempt, found.get((attempt.batch_id, attempt.queue))) for attempt in tries]


@dataclass(frozen=True)
class Nodes:
    """Nodes where pilots ended since a day."""

    first: date
    days: int
    queue: str
    lines: list[NodeUse]

    def as_json(self) -> dict[str, Any]:
        return {"first": self.first.isoformat(), "nodes": [line.as_json() for line in self.lines]}


def nodes(said: Mapping[str, str], now: datetime) -> Nodes:
    """Gather the nodes of the last days, of one queue or of all.

    Raises:
        ContractError: a name is unknown, or the days are none.
    """
    for name in said:
        if name not in ("queue", "days"):
            raise ContractError(f"{name[:40]}: there is no such filter; there are queue, days", field_name=name)
    days = _number("days", said.get("days", ""), most=MOST_DAYS)
    days = 2 if days is None else max(1, days)
    queue, first = said.get("queue", "").strip(), (now - timedelta(days=days - 1)).date()
    return Nodes(first, days, queue, pilots.use_by_node(first=first, queue=queue, most=NODES))


def cost_of(queue: str, now: datetime) -> list[tuple[date, Use]]:
    """Answer what pilots of a queue cost on each of the last days."""
    return pilots.use_by_day(queue, first=(now - timedelta(days=COST_DAYS - 1)).date())
