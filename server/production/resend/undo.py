"""A resend is taken back while nothing new has run: all of it, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from server.production import jobs
from server.production.door import move
from server.production.models import Chunk, CrossCheck, MergeGroup, Task, TaskEvent
from server.production.resend import tape
from server.production.resend.carry_out import APART
from server.production.resend.plan import batches, locked_tasks
from server.production.resend.wishes import BadWish
from server.production.states import ChunkState, GroupState, TaskState, Verdict
from server.production.steering_models import Resend, ResendRow

#: In these a task was over.
_OVER = (TaskState.DONE.value, TaskState.FINISHED.value)

#: In these, no new job has run yet.
_WAITS: dict[str, set[Any]] = {
    "chunk": {ChunkState.DEFINED, ChunkState.STAGING, ChunkState.STAGED, ChunkState.SENT},
    "group": {GroupState.READY, GroupState.SENT},
}


@transaction.atomic
def undo(number: int, *, by: str, why: str = "") -> Resend:
    """Put everything back to what it was before a resend; queued jobs of the new round are taken out of the queue.

    Raises:
        BadWish: there is no such resend, it is undone, it ended jobs, or something new has run; nothing was done.
    """
    record = Resend.objects.select_for_update().filter(pk=number).first()
    if record is None:
        raise BadWish(f"resend: there is no resend {number}")
    if record.undone_at is not None:
        raise BadWish(f"resend: {number} was undone by {record.undone_by} already")
    if ended := record.counts["jobs_ended"]:
        raise BadWish(f"resend: {number} has ended {ended} jobs that were on their way; that cannot be taken back")
    rows = list(record.rows.all())
    # The tasks first, as whoever sends their jobs does: else the two would wait for each other.
    tasks = locked_tasks(row.key for row in rows if row.table == "task")
    _refuse_later(record, rows)
    _refuse_paused(tasks, rows)
    _refuse_after_run(record, rows)
    words = f"resend {number} undone: {why}"[:500] if why else f"resend {number} undone"
    for model, table in ((Chunk, "chunk"), (MergeGroup, "group")):
        _put_back(model, [row for row in rows if row.table == table], table, by, words)
    _judge_as_before([row for row in rows if row.table == "check"])
    _set_apart_as_before([row for row in rows if row.table == APART], by, words)
    tape.put_back(record, [row for row in rows if row.table == "file"], by=by, words=words)
    for row in rows:
        if row.table == "task":
            _close(tasks[row.key], row, by, words)
    record.undone_by, record.undone_at, record.undone_why = by[:250], timezone.now(), why[:400]
    record.save(update_fields=["undone_by", "undone_at", "undone_why"])
    return record


def _refuse_later(record: Resend, rows: Sequence[ResendRow]) -> None:
    for table in ("chunk", "group"):
        for batch in batches([row.key for row in rows if row.table == table]):
            later = ResendRow.objects.filter(
                table=table, key__in=batch, resend__gt=record.pk, resend__undone_at__isnull=True
            ).first()
            if later is not None:
                raise BadWish(f"resend: a part of it was sent again by resend {later.resend_id}; undo that one first")


#: What a history tells when a job has been with a pilot.
_RAN = [ChunkState.RUNNING.value, ChunkState.FINISHED.value, ChunkState.FAILED.value, ChunkState.MANUAL_CHECK.value]


def _refuse_after_run(record: Resend, rows: Sequence[ResendRow]) -> None:
    """Refuse where something has run since and waits again, and where a person has settled a check since."""
    for table in ("chunk", "group"):
        for batch in batches([row.key for row in rows if row.table == table]):
            if TaskEvent.objects.filter(**{f"{table}__in": batch}, at__gt=record.at, after__in=_RAN).exists():
                raise BadWish("resend: a part of it has run since; it cannot be taken back any more")
    checks = {(row.before["run_id"], row.before["kind"]) for row in rows if row.table == "check"}
    for batch in batches(sorted({run for run, _ in checks})):
        for check in CrossCheck.objects.filter(run__in=batch, verdict=Verdict.ACCEPTED).select_related("run"):
            if (check.run_id, check.kind) in checks:
                words = f"the check of run {check.run.number} was accepted since"
                raise BadWish(f"resend: {words}; it cannot be taken back any more")


def _put_back(
    model: type[Chunk] | type[MergeGroup], rows: Sequence[ResendRow], table: str, by: str, words: str
) -> None:
    now = timezone.now()
    for batch in batches([row.key for row in rows]):
        there: dict[int, Any] = model._default_manager.select_for_update().in_bulk(batch)
        wanted = [row for row in rows if row.key in there and row.key in set(batch)]
        if len(wanted) != len(batch):
            raise BadWish("resend: a part of it is not there any more; it cannot be taken back")
        if moved := sorted({one.get_state_display() for one in there.values() if one.state not in _WAITS[table]}):
            raise BadWish(f"resend: a part of it is {' or '.join(moved)} by now; it cannot be taken back any more")
        queued = {one.job_id for one in there.values() if one.job_id is not None}
        if jobs.withdraw(queued, by=by) != queued:
            raise BadWish("resend: a pilot has taken a job of it since; it cannot be taken back any more")
        events = []
        for row in wanted:
            one = there[row.key]
            event = TaskEvent(task_id=one.task_id, before=one.state, after=row.before["state"], job_id=one.job_id)
            event.by, event.words, event.at = by[:250], words, now
            setattr(event, f"{table}_id", one.pk)
            events.append(event)
            for name, value in row.before.items():
                setattr(one, name, value)
            one.updated = now
        columns = [*wanted[0].before, "updated"]
        model._default_manager.bulk_update(list(there.values()), columns)
        TaskEvent.objects.bulk_create(events)


def _set_apart_as_before(rows: Sequence[ResendRow], by: str, words: str) -> None:
    """Let merges wait for a person again that a check had set apart; those that it has set apart anew do already."""
    for batch in batches([row.key for row in rows]):
        for group in MergeGroup.objects.filter(pk__in=batch, state=GroupState.FINISHED):
            move(group, GroupState.MANUAL_CHECK, by=by, words=words)


def _judge_as_before(rows: Sequence[ResendRow]) -> None:
    for row in rows:
        said = dict(row.before)
        key = {"run_id": said.pop("run_id"), "kind": said.pop("kind")}
        # What was merged is as old as the judgement on it again, which is not judged anew therefore.
        CrossCheck.objects.update_or_create(**key, defaults={**said, "at": timezone.now()})


def _refuse_paused(tasks: Mapping[int, Task], rows: Sequence[ResendRow]) -> None:
    """Refuse where a task was over and is paused now: it would stay so, and go on though nothing of it is open."""
    for row in rows:
        if row.table == "task" and row.before["state"] in _OVER and tasks[row.key].state == TaskState.PAUSED:
            raise BadWish(f"resend: task {tasks[row.key].name} is paused; let it go on (running) first")


def _close(task: Task, row: ResendRow, by: str, words: str) -> None:
    """Lead a task back to where it stood, unless something else of it was sent again since.

    That is on its way still; whoever takes it back, too, leads the task to where it stood before both.
    """
    kept = row.before
    since = ResendRow.objects.filter(table="task", key=task.pk, resend__gt=row.resend_id)
    later = since.filter(resend__undone_at__isnull=True).order_by("resend").first()
    if later is not None:
        if later.before["state"] not in _OVER:
            ResendRow.objects.filter(pk=later.pk).update(before=kept)
        return
    if kept.get("ends_early"):  # it is never taken away here: somebody may have ended the task since
        Task.objects.filter(pk=task.pk).update(ends_early=True)
    before = TaskState(kept["state"])
    if task.state == before or before not in (TaskState.RUNNING, TaskState.DONE, TaskState.FINISHED):
        return
    if task.state == TaskState.SEND:
        move(task, TaskState.RUNNING, by=by, words=words)
    if before != TaskState.RUNNING and task.state == TaskState.RUNNING:
        ended = parse_datetime(kept.get("finished") or "")
        move(task, before, by=by, words=words, finished=ended or timezone.now())
