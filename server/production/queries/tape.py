"""Reading what was asked of tapes, in both directions: request by request, the oldest first, and how old they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Min, Q, Sum
from django.utils import timezone

from server.dataservice.models import TransferRequest
from server.dataservice.queries import RequestLine, request_lines
from server.dataservice.states import Act
from server.production.models import Output, RawFile, Task
from server.production.queries.events import iso
from server.production.staging.models import Prestage, StagedFile
from server.production.staging.states import StagedState
from server.production.states import TapeState

#: Requests on the page.
MOST = 200
#: Direction -> the words for it.
DIRECTIONS = {"from": "from tape", "to": "to tape"}
#: The bounds of the bands of age that are counted, the youngest first; what is older is in a last one.
BANDS = (
    ("under an hour", timedelta(hours=1)),
    ("one to six hours", timedelta(hours=6)),
    ("six hours to a day", timedelta(days=1)),
    ("one to three days", timedelta(days=3)),
)
LAST_BAND = "over three days"
_ON_TAPE = (TapeState.SENT, TapeState.FAILED)


@dataclass(frozen=True)
class TapeLine:
    """A request for files of a task: how many of them wait, are done, or did not come. ``size`` is bytes; 0: unknown.

    Of a direction *from* tape, ``done`` files are on disk for their jobs; of *to*, they are on tape.
    """

    direction: str
    number: int
    task: str
    endpoint: str
    waiting: int
    done: int
    failed: int
    size: int
    at: datetime
    runs: Sequence[int] = ()
    line: RequestLine | None = None

    @property
    def label(self) -> str:
        return DIRECTIONS[self.direction]

    @property
    def words(self) -> str:
        """What its storage, or the data service, said last."""
        if self.line is None:
            return "the data service does not know it any more"
        if self.line.silent_since:
            return f"{self.endpoint} is silent since {self.line.silent_since:%Y-%m-%d %H:%M} UTC"
        return self.line.words

    @property
    def acts(self) -> list[Act]:
        return self.line.acts if self.line else []

    @property
    def hangs(self) -> bool:
        """Whether somebody should look: it is older than a day, has failed, or its storage is silent."""
        old = bool(self.waiting) and self.at <= timezone.now() - BANDS[2][1]
        return old or bool(self.failed) or self.line is None or self.line.silent_since is not None

    def as_json(self, now: datetime) -> dict[str, Any]:
        counts = {name: getattr(self, name) for name in ("waiting", "done", "failed", "size")}
        return {
            **{"direction": self.direction, "request": self.number, "task": self.task, "endpoint": self.endpoint},
            **{**counts, "runs": list(self.runs), "at": iso(self.at), "age": max(0.0, (now - self.at).total_seconds())},
            **{"state": self.line.state if self.line else None, "tries": self.line.tries if self.line else None},
            **{"words": self.words, "hangs": self.hangs, "acts": [act.value for act in self.acts]},
        }


@dataclass(frozen=True)
class Unasked:
    """Files of a task that could not be asked for; ``words`` are those of one of them."""

    direction: str
    task: str
    files: int
    words: str

    @property
    def label(self) -> str:
        return DIRECTIONS[self.direction]


@dataclass(frozen=True)
class TapePage:
    """Requests with files that still wait, or did not come; ``bands`` counts those that wait by their ages.

    ``unasked`` tells of files for which there is no request, because they could not even be asked for.
    """

    lines: list[TapeLine]
    bands: list[tuple[str, int]]
    left_out: bool
    unasked: list[Unasked] = field(default_factory=list)

    def as_json(self, now: datetime) -> dict[str, Any]:
        bands = [{"age": words, "requests": count} for words, count in self.bands]
        return {"requests": [line.as_json(now) for line in self.lines], "bands": bands, "left_out": self.left_out} | {
            "unasked": [asdict(one) for one in self.unasked]
        }


def tape_page(now: datetime, *, task: Task | None = None, direction: str = "", most: int = MOST) -> TapePage:
    """Answer requests of all tasks or of one, in one direction or both, the oldest first; a fixed number of queries."""
    found = [*(_from_tape(task, most + 1) if direction != "to" else ())]
    found += _to_tape(task, most + 1) if direction != "from" else ()
    found.sort(key=lambda line: (line.at, line.number))
    lines = _with_requests(found[:most])
    return TapePage(lines, bands_of(found, now), len(found) > most, _unasked(task, direction, most))


def _unasked(task: Task | None, direction: str, most: int) -> list[Unasked]:
    """Answer of which tasks files could not even be asked for, those with the most of them first."""
    bring = StagedFile.objects.filter(state__in=(StagedState.FAILED, StagedState.WAITING), prestage=None)
    store = Output.objects.filter(tape=TapeState.FAILED, tape_request=None)
    rows: list[Unasked] = []
    for way, files, name, words in (
        ("from", bring, "chunk__task__name", "words"),
        ("to", store, "task__name", "tape_words"),
    ):
        if direction in ("", way):
            chosen = files.filter(**{name: task.name}) if task else files
            counted = chosen.order_by().values_list(name).annotate(n=Count("pk"), said=Max(words))
            rows += [Unasked(way, *row) for row in counted.order_by("-n", name)[:most]]
    return rows


def bands_of(lines: Iterable[TapeLine], now: datetime) -> list[tuple[str, int]]:
    """Count requests that wait by their ages, the youngest first."""
    counts = dict.fromkeys([*(words for words, _ in BANDS), LAST_BAND], 0)
    for line in lines:
        if line.waiting:
            age = now - line.at
            counts[next((words for words, bound in BANDS if age < bound), LAST_BAND)] += 1
    return list(counts.items())


def _from_tape(task: Task | None, most: int) -> list[TapeLine]:
    """Answer the requests that bring raw files, or could not."""
    # From the files that are open: of those that are over there are thousands of times as many.
    open_ones = StagedFile.objects.filter(state__in=(StagedState.ASKED, StagedState.FAILED, StagedState.WAITING))
    if task:
        open_ones = open_ones.filter(chunk__task=task)
    keys = open_ones.exclude(prestage=None).order_by().values("prestage").annotate(at=Min("prestage__at"))
    chosen = [row["prestage"] for row in keys.order_by("at", "prestage")[:most]]
    counted = StagedFile.objects.filter(prestage__in=chosen).order_by().values("prestage", "state")
    states: dict[tuple[int, str], int] = {
        (row["prestage"], row["state"]): row["n"] for row in counted.annotate(n=Count("pk"))
    }
    sizes = RawFile.objects.filter(chunk__staged__prestage__in=chosen).order_by()
    bytes_of = dict(sizes.values_list("chunk__staged__prestage").annotate(sum=Sum("size")))
    rows = Prestage.objects.filter(pk__in=chosen).select_related("task").defer("task__filelist")
    return [
        TapeLine(
            *("from", row.request, row.task.name, row.endpoint),
            waiting=states.get((row.pk, StagedState.ASKED), 0),
            done=states.get((row.pk, StagedState.ON_DISK), 0) + states.get((row.pk, StagedState.LET_GO), 0),
            failed=states.get((row.pk, StagedState.FAILED), 0) + states.get((row.pk, StagedState.WAITING), 0),
            size=bytes_of.get(row.pk) or 0,
            at=row.at,
            runs=row.runs,
        )
        for row in rows
    ]


def _to_tape(task: Task | None, most: int) -> list[TapeLine]:
    """Answer the requests for files on tape that are open, or were the last ones for files that did not come."""
    files = Output.objects.filter(tape__in=_ON_TAPE, tape_request__isnull=False).order_by()
    if task:
        files = files.filter(task=task)
    asked = files.values("tape_request", name=F("task__name")).annotate(
        waiting=Count("pk", filter=Q(tape=TapeState.SENT)),
        failed=Count("pk", filter=Q(tape=TapeState.FAILED)),
        size=Sum("size"),
        since=Min("tape_since"),
    )
    rows = {row["tape_request"] or 0: row for row in asked.order_by("tape_request")[:most]}
    requests = TransferRequest.objects.in_bulk(list(rows))
    return [
        TapeLine(
            *("to", key, row["name"], request.endpoint if request else ""),
            waiting=row["waiting"],
            done=max(0, request.files - row["waiting"] - row["failed"]) if request else 0,
            failed=row["failed"],
            size=row["size"] or 0,
            at=request.asked if request else row["since"] or timezone.now(),
        )
        for key, row in rows.items()
        for request in [requests.get(key)]
    ]


def _with_requests(lines: Sequence[TapeLine]) -> list[TapeLine]:
    """Add what the data service says of each."""
    requests = TransferRequest.objects.filter(pk__in=[line.number for line in lines])
    told = {line.request.pk: line for line in request_lines(list(requests))}
    return [TapeLine(**{**vars(line), "line": told.get(line.number)}) for line in lines]
