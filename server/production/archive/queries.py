"""How far files are on their way to tape, for pages, the API and people who ask why: a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, CharField, Count, F, Max, Min, Q, Sum, Value, When

from server.dataservice.models import TransferRequest
from server.dataservice.queries import RequestLine, request_lines, silent_storages
from server.production.archive import rows
from server.production.chains import chain_of
from server.production.frames import tape_of
from server.production.models import Output, Task
from server.production.states import TapeState, TaskState, values

#: Requests of a task that are told.
MOST = 50


@dataclass(frozen=True)
class TapeCount:
    """How many files of one kind are in one state on their way to tape; the run is 0 where whole tasks are counted."""

    task: int
    run: int
    kind: str
    state: TapeState
    files: int
    size: int


def tape_counts(tasks: Iterable[int], *, per_run: bool = False) -> list[TapeCount]:
    """Count the files of tasks that go to tape, by kind and state, in one query.

    A file that is being made again counts as none: what of it is on tape is the former one.
    """
    grouping = ["task", "run"] if per_run else ["task"]
    now = Case(When(rows.is_made(), then=F("tape")), default=Value(""), output_field=CharField())
    files = Output.objects.filter(rows.of_archived_kinds(), task__in=list(tasks)).annotate(now=now).order_by()
    return [
        TapeCount(row["task"], row.get("run", 0), row["kind"], TapeState(row["now"]), row["files"], row["bytes"] or 0)
        for row in files.values(*grouping, "kind", "now").annotate(files=Count("pk"), bytes=Sum("size"))
    ]


@dataclass(frozen=True)
class TapeRequest:
    """A request of the data service for files of a task, with how many of them it was the last request."""

    line: RequestLine
    files: int
    age: timedelta

    def as_json(self) -> dict[str, Any]:
        return {**self.line.as_json(), "files_of_task": self.files, "age": self.age.total_seconds()}


def requests_of(task: Task, now: datetime, *, most: int = MOST) -> list[TapeRequest]:
    """Answer the latest requests for a task's files on tape, newest first: age, states, last words of the storage."""
    asked = Output.objects.filter(rows.of_archived_kinds(), task=task, tape_request__isnull=False).order_by()
    counted = asked.values("tape_request").annotate(files=Count("pk")).order_by("-tape_request")[:most]
    files: dict[int, int] = {row["tape_request"]: row["files"] for row in counted if row["tape_request"] is not None}
    found = list(TransferRequest.objects.filter(pk__in=files).order_by("-pk"))
    return [TapeRequest(line, files[line.request.pk], now - line.request.asked) for line in request_lines(found)]


def waits(task: Task, now: datetime) -> list[str]:
    """Say what of a task has not come to tape, and what it waits for; nothing when it has no tape."""
    tape = tape_of(task)
    if not tape or task.state in values((TaskState.DRAFT, TaskState.READY)):
        return []
    # By words, not by a question on all types of tasks: a task has hundreds of thousands of files.
    kinds = values(chain_of(task.type).on_tape)
    files = Output.objects.filter(kind__in=kinds, task=task).exclude(tape=TapeState.FINISHED)
    ready = Q(tape=TapeState.READY)
    found = files.aggregate(
        sent=Count("pk", filter=Q(tape=TapeState.SENT)),
        oldest=Min("tape_since", filter=Q(tape=TapeState.SENT)),
        requests=Count("tape_request", filter=Q(tape=TapeState.SENT), distinct=True),
        first=Count("pk", filter=ready & Q(tape_attempts=0)),
        refused=Count("pk", filter=ready & Q(tape_attempts=0) & ~Q(tape_words="")),
        again=Count("pk", filter=ready & Q(tape_attempts__gt=0)),
        unknown=Count("pk", filter=ready & ~Q(rows.is_registered())),
        failed=Count("pk", filter=Q(tape=TapeState.FAILED)),
        none=Count("pk", filter=Q(tape=TapeState.NONE)),
    )
    said = files.exclude(tape_words="").order_by().values("tape").annotate(words=Max("tape_words"))
    words = {row["tape"]: row["words"] for row in said}
    return [*_told(found, words, tape, now), *_silent(tape, now)]


def _told(found: dict[str, Any], words: dict[str, str], tape: str, now: datetime) -> list[str]:
    said = []
    if found["sent"]:
        hours = (now - (found["oldest"] or now)).total_seconds() / 3600
        asked = f"in {found['requests']} requests, the oldest {max(hours, 0):.1f} h ago"
        said.append(f"{found['sent']} files are on their way to {tape}: asked for {asked}")
    if found["none"]:
        because = f", as one: {words['']}" if words.get("") else ""
        said.append(f"{found['none']} files go to {tape} when they are merged and checked{because}")
    if found["unknown"]:
        said.append(f"{found['unknown']} files wait until the data service has them in its catalogue")
    if found["refused"]:
        said.append(
            f"{found['refused']} files wait before they are asked for on {tape}{_after(words, TapeState.READY)}"
        )
    if (soon := found["first"] - found["unknown"] - found["refused"]) > 0:
        said.append(f"{soon} files are about to be asked for on {tape}")
    if found["again"]:
        said.append(f"{found['again']} files are asked for on {tape} again{_after(words, TapeState.READY)}")
    if found["failed"]:
        remedy = "when it is mended, send them again: archive"
        said.append(f"{found['failed']} files have not come to {tape}{_after(words, TapeState.FAILED)}; {remedy}")
    return said


def _after(words: dict[str, str], state: TapeState) -> str:
    """Write why files are in a state behind what is said of them; nothing where nobody knows."""
    return f": {words[state.value]}" if words.get(state.value) else ""


def _silent(tape: str, now: datetime) -> list[str]:
    since = silent_storages().get(tape)
    if since is None:
        return []
    return [f"{tape} has not answered for {(now - since).total_seconds() / 3600:.1f} h"]


def tape_json(task: Task, now: datetime) -> dict[str, Any] | None:
    """Answer everything about a task's way to tape; nothing where it has no tape."""
    storage = tape_of(task)
    if not storage:
        return None
    kinds: dict[str, dict[str, int]] = {}
    for one in tape_counts([task.pk]):
        kinds.setdefault(one.kind, {})[one.state.label] = one.files
    requests = [one.as_json() for one in requests_of(task, now, most=10)]
    return {"storage": storage, "files": kinds, "waits": waits(task, now), "requests": requests}
