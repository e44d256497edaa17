"""What of a task comes from tape, and what that waits for: in words, and as pages list it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Max, Min, OuterRef

from server.dataservice.models import TransferRequest
from server.dataservice.queries import RequestLine, request_lines
from server.production.models import Run, Task
from server.production.staging.models import Prestage, StagedFile, TaskStaging
from server.production.staging.states import StagedState
from server.production.states import ChunkState

_HELD = (StagedState.ASKED, StagedState.ON_DISK)


@dataclass(frozen=True)
class PrestageLine:
    """A request for raw files of a task: how many of them stand how, and what the data service says of it."""

    prestage: Prestage
    states: Mapping[str, int]
    request: RequestLine | None = None

    @property
    def coming(self) -> int:
        return self.states.get(StagedState.ASKED, 0)

    @property
    def on_disk(self) -> int:
        return self.states.get(StagedState.ON_DISK, 0)

    @property
    def words(self) -> str:
        """What its storage, or the data service, said last of files that have not come."""
        if self.request is None:
            return "the data service does not know it any more"
        silent = self.request.silent_since
        return f"{self.prestage.endpoint} is silent since {_time(silent)}" if silent else self.request.words

    def age(self, now: datetime) -> float:
        """Answer since how many seconds it has been asked for."""
        return max(0.0, (now - self.prestage.at).total_seconds())

    def as_json(self, now: datetime) -> dict[str, Any]:
        one = self.prestage
        return {
            "request": one.request,
            "task": one.task.name,
            "endpoint": one.endpoint,
            "runs": one.runs,
            "files": one.files,
            "at": one.at.isoformat(),
            "by": one.by,
            "age": self.age(now),
            "states": dict(self.states),
            "state": self.request.state if self.request else "",
            "words": self.words,
        }


def requests_by_age(task: Task | None = None, most: int = 100) -> list[PrestageLine]:
    """Answer the requests that bring files, or keep them on disk, the oldest first; of one task or of all."""
    # What is brought for another task, too, is that one's request.
    held = StagedFile.objects.filter(prestage=OuterRef("pk"), state__in=_HELD)
    held = held.filter(chunk__task=task) if task else held
    rows = Prestage.objects.filter(Exists(held)).select_related("task").defer("task__filelist").order_by("at", "pk")
    found = list(rows[:most])
    states: dict[int, Counter[str]] = {one.pk: Counter() for one in found}
    mine = StagedFile.objects.filter(chunk__task=task) if task else StagedFile.objects
    counted = mine.filter(prestage__in=found).order_by().values_list("prestage", "state")
    for key, state, number in counted.annotate(n=Count("pk")):
        states[key][state] = number
    requests = TransferRequest.objects.filter(pk__in=[one.request for one in found])
    lines = {line.request.pk: line for line in request_lines(list(requests))}
    return [PrestageLine(one, states[one.pk], lines.get(one.request)) for one in found]


@dataclass(frozen=True)
class RunStaging:
    """How the chunks of a run stand on their way from tape, and the requests that bring them."""

    states: Mapping[str, int]
    requests: Sequence[int]
    since: datetime | None
    on_disk_until: datetime | None
    words: str

    def as_json(self) -> dict[str, Any]:
        times = {"since": self.since, "on_disk_until": self.on_disk_until}
        return {
            "states": dict(self.states),
            "requests": list(self.requests),
            **{name: moment.isoformat() if moment else None for name, moment in times.items()},
            "words": self.words,
        }


def staging_of_run(run: Run) -> RunStaging | None:
    """Answer the staging of a run; nothing when none of its files comes from tape."""
    rows = StagedFile.objects.filter(chunk__run=run).order_by()
    states = dict(rows.values_list("state").annotate(n=Count("pk")))
    if not states:
        return None
    held = rows.filter(state__in=_HELD)
    times = held.aggregate(since=Min("since"), until=Min("on_disk_until"))
    requests = held.exclude(prestage=None).values_list("prestage__request", flat=True).distinct()
    words = rows.exclude(words="").aggregate(words=Max("words"))["words"]
    return RunStaging(states, sorted(requests), times["since"], times["until"], words or "")


def staging_waits(task: Task, now: datetime) -> list[str]:
    """Say what chunks of a task that come from tape wait for."""
    row = TaskStaging.objects.filter(task=task).first()
    if row is None:
        return []
    said = [_told(line, now) for line in requests_by_age(task, most=6) if line.coming]
    more = ["and for more requests: the page on data lists them all"] if len(said) > 5 else []
    waiting = StagedFile.objects.filter(
        chunk__task=task, chunk__state=ChunkState.DEFINED, state=StagedState.WAITING, due__gt=now
    )
    later = waiting.aggregate(n=Count("pk"), due=Min("due"), words=Max("words"))
    if later["n"]:
        said.append(f"{later['n']} chunks are asked for on tape again from {_time(later['due'])} on: {later['words']}")
    return [*said[:5], *more, *([row.words] if row.words else [])]


def _told(line: PrestageLine, now: datetime) -> str:
    one, last = line.prestage, f"; said last: {line.words}" if line.words else ""
    since = f"request {one.request} to {one.endpoint}, asked for {_age(line.age(now))} ago"
    return f"{line.coming} chunks wait for {since}: {line.on_disk} of its {one.files} files are on disk{last}"


def _age(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _time(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC") if moment else "an unknown time"
