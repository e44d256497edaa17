"""The pages of a task and of its runs; each has a JSON twin at the same address."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from pilot.contract.codec import ContractError
from server.accounts.rules import may_produce
from server.lib.http import envelope, refusal
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.asked import Asked, refused
from server.monitor.overview import event_lines
from server.monitor.paging import page
from server.production import queries as production
from server.production.queries.ways import WAYS, ways_of

#: Outputs shown on a task's page.
OUTPUTS = 100


@readable
@require_safe
def show_task(request: HttpRequest, name: str) -> HttpResponse:
    """Show a task: its steps, run by run, the evidence of what is wrong, its outputs and its history."""
    task = production.find_task(name)
    if task is None:
        return missing(request, "task", name)
    try:
        asked = Asked(request, "show", "sort", "page", "run", "step")
        show = asked.one_of("show", production.SHOWS, "all")
        sort = asked.one_of("sort", production.SORTS, "worst")
        number, run, step = asked.page(), asked.number("run"), asked.one_of("step", production.LABELS)
    except ContractError as wrong:
        return refused(request, wrong)
    matrix = production.matrix_of(task, show=show, sort=sort, number=number)
    found = production.find_run(task, run) if run is not None and step else None
    evidence = production.evidence_of(task, found, step) if found else None
    if wants_json(request):
        told = {"runs_page": matrix.as_json(), "evidence": evidence.as_json() if evidence else None}
        return envelope({**production.task_json(task), **told})
    (line,) = production.task_lines([task])
    context: dict[str, Any] = {
        **{"page": "tasks", "line": line, "task": task, "matrix": matrix, "runs": matrix.lines},
        **{"evidence": evidence, "may_act": may_produce(request.user), "kept": asked.kept("run", "step")},
        **{"other_pages": asked.kept("run", "step", "page"), "other_shows": asked.kept("run", "step", "page", "show")},
        "outputs": production.outputs_of(task, most=OUTPUTS),
        "most": OUTPUTS,
        "children": production.children_of(task),
        "events": event_lines(production.recent_events(task, most=50)),
        "why": production.explanation(task),
        "limits": production.limit_lines(task),
        "ways": ways_of(task),
    }
    return page(request, "task", context)


@readable
@require_safe
def show_run(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show a run of a task: its chunks, its merges beside what went into them, its checks, files and history."""
    task = production.find_task(name)
    if task is None:
        return missing(request, "task", name)
    run = production.find_run(task, number)
    if run is None:
        return missing(request, "run", f"run {number} of task {name}")
    try:
        asked = Asked(request, "show", "page")
        show = asked.one_of("show", production.CHUNK_STATES)
        wanted = asked.page()
    except ContractError as wrong:
        return refused(request, wrong)
    run.task = task
    found = production.run_page(task, run, show=show, number=wanted)
    if wants_json(request):
        return envelope(found.as_json())
    context: dict[str, Any] = {**vars(found), "found": found, "task": task, "may_act": may_produce(request.user)}
    context |= {"page": "tasks", "events": event_lines(found.moves), "other_pages": asked.kept("page")}
    return page(request, "run", context)


@readable
@require_safe
def show_tasks(request: HttpRequest) -> HttpResponse:
    """Show tasks by what is asked for, newest first: how far they are, what moved in a day, and why one is stuck."""
    names = ("production", "period", "queue", "owner", "search")
    try:
        asked = Asked(request, "show", "state", "type", "year", "page", *names)
        wanted = production.Filters(
            show=asked.one_of("show", production.TASK_SHOWS, "all"),
            state=asked.one_of("state", production.TASK_STATES),
            type=asked.one_of("type", production.TASK_TYPES),
            year=asked.number("year"),
            **{name: asked.text(name) for name in names},
        )
        number = asked.page()
    except ContractError as wrong:
        return refused(request, wrong)
    found = production.task_page(wanted, timezone.now(), number=number)
    if wants_json(request):
        return envelope(found.as_json())
    context: dict[str, Any] = {"page": "tasks", "found": found, "wanted": wanted, "kept": asked.kept("page")}
    context |= {"shows": list(production.TASK_SHOWS), "other_shows": asked.kept("page", "show")}
    context |= {"ways": WAYS, "may_act": may_produce(request.user)}
    context |= {"states": production.TASK_STATES, "types": production.TASK_TYPES, "asked": bool(asked.kept("page"))}
    return page(request, "tasks", context)


@readable
@require_safe
def show_groups(request: HttpRequest, name: str) -> HttpResponse:
    """Show the merges of a task, of one kind, in one state or of one run."""
    task = production.find_task(name)
    if task is None:
        return missing(request, "task", name)
    try:
        asked = Asked(request, "kind", "state", "run", "page")
        kind, state = asked.one_of("kind", production.GROUP_KINDS), asked.one_of("state", production.GROUP_STATES)
        run, number = asked.number("run"), asked.page()
    except ContractError as wrong:
        return refused(request, wrong)
    found = production.group_page(task, kind=kind, state=state, run=run, number=number)
    if wants_json(request):
        return envelope(found.as_json())
    context: dict[str, Any] = {"page": "tasks", "task": task, "found": found, "may_act": may_produce(request.user)}
    context |= {"said": {"kind": kind, "state": state, "run": "" if run is None else run}, "kept": asked.kept("page")}
    context |= {"kinds": production.GROUP_KINDS, "states": production.GROUP_STATES}
    return page(request, "groups", context)


def missing(request: HttpRequest, what: str, name: str) -> HttpResponse:
    """Say that something is not there."""
    if wants_json(request):
        return refusal(request, f"there is no {name if what != 'task' else f'task {name}'}", status=404)
    return page(request, "missing", {"what": what, "name": name}, status=404)
