"""What a person does with a cross-check that found a difference: accept it with a reason, or have it checked again."""

from __future__ import annotations

from difflib import get_close_matches

from django.db import transaction
from django.utils import timezone

from pilot.contract.codec import shown
from server.production.door import move
from server.production.models import CrossCheck, MergeGroup, Run, Task, TaskEvent
from server.production.states import ACTIVE, CheckKind, GroupState, Verdict, values
from server.production.steps.crosscheck import MERGES, judge


class CheckRefused(ValueError):
    """A cross-check cannot be accepted or made again; the message says why, and what can be done."""


@transaction.atomic
def accept(name: str, run: int, kind: str, *, by: str, reason: str) -> CrossCheck:
    """Take a difference as it is: what follows the check begins. Who did it and why stays in the task's history.

    Args:
        name: The task.
        run: Number of the run.
        kind: Which check: ``mdst`` or ``dump``.
        by: Who accepts it.
        reason: Why it may be so; at least a word.

    Raises:
        CheckRefused: there is no such check, it found nothing, its files are being made again, or no reason is given.
    """
    if not reason.strip():
        raise CheckRefused("words: missing; say why the difference may be, for those who look at the files later")
    check = _open_check(name, run, kind)
    if check.verdict != Verdict.MANUAL_CHECK:
        raise CheckRefused(f"run {run}: the check of {check.get_kind_display()} says {check.get_verdict_display()}")
    _release(check, by=by, words=f"accepted: {reason}")
    words = f"accepted by {by}: {reason}; {check.words}"
    return _settle(check, Verdict.ACCEPTED, by=by, reason=reason, words=words)


@transaction.atomic
def check_again(name: str, run: int, kind: str, *, by: str, reason: str = "") -> CrossCheck:
    """Make a check anew, with the numbers as they are now.

    Raises:
        CheckRefused: there is no such check, or its files are being made again, after which it is made by itself.
    """
    check = _open_check(name, run, kind)
    _release(check, by=by, words="checked again")
    before = check.verdict
    check = judge(check.run, CheckKind(check.kind), by=by)
    _note(check, before, by=by, words=f"checked again: {reason or check.words}")
    return check


def _open_check(name: str, run: int, kind: str) -> CrossCheck:
    """Find a check, and lock its run."""
    task = Task.objects.filter(name=name).first()
    if task is None:
        near = get_close_matches(name, Task.objects.values_list("name", flat=True)[:1000], 1)
        hint = f"did you mean {near[0]!r}?" if near else "list the tasks for their names"
        raise CheckRefused(f"there is no task {shown(name)}; {hint}")
    if kind not in CheckKind.values:
        raise CheckRefused(f"kind: {shown(kind)} is no cross-check; give {' or '.join(CheckKind.values)}")
    if task.state not in values(ACTIVE):
        raise CheckRefused(f"task {name!r} is {task.state}: nothing of it is checked now")
    found = Run.objects.select_for_update().filter(task=task, number=run).first()
    check = CrossCheck.objects.filter(run=found, kind=kind).select_related("run__task").first() if found else None
    if check is None:
        raise CheckRefused(f"run {run} of task {name!r} has no check of {CheckKind(kind).label} yet")
    return check


def _release(check: CrossCheck, *, by: str, words: str) -> None:
    """Bring the groups that the check has set apart back to finished.

    Raises:
        CheckRefused: one of its groups has no file now.
    """
    groups = list(MergeGroup.objects.select_for_update().filter(run=check.run, kind=MERGES[CheckKind(check.kind)]))
    for group in groups:
        waits = group.state == GroupState.MANUAL_CHECK and group.size is not None
        if group.state != GroupState.FINISHED and not waits:
            raise CheckRefused(f"{group} is {group.get_state_display()}; it is checked when it is merged")
    for group in groups:
        if group.state == GroupState.MANUAL_CHECK:
            move(group, GroupState.FINISHED, by=by, words=words)


def _settle(check: CrossCheck, verdict: Verdict, *, by: str, reason: str, words: str) -> CrossCheck:
    before = check.verdict
    check.verdict, check.words, check.at = verdict.value, words[:500], timezone.now()
    check.save(update_fields=["verdict", "words", "at"])
    _note(check, before, by=by, words=reason)
    return check


def _note(check: CrossCheck, before: str, *, by: str, words: str) -> None:
    """Write into the task's history what became of a run's check."""
    TaskEvent.objects.create(
        task_id=check.task_id,
        run=check.run,
        before=before,
        after=check.verdict,
        by=by[:250],
        words=f"{check.get_kind_display()}: {words}"[:500],
        at=timezone.now(),
    )
