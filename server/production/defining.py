"""Whether a definition can become a task: its fields, what it chooses from the rows, the places, other tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from django.db.models import QuerySet

from pilot.contract.codec import shown
from pilot.contract.queue import ONLINE
from server.pandaconfig.queries import queue_names, queue_status, storages_json
from server.production.catalogue import count_full, unknown_runs
from server.production.definition import (
    NO_TAPE,
    BadDefinition,
    Definition,
    read_definition,
    read_runs,
    slip_of_total,
)
from server.production.frames import NoStorage, endpoints_of, inputs_endpoint_of
from server.production.limits import Limits
from server.production.models import Run, Task
from server.production.programs import programs_of
from server.production.raw_lists import read_raw_lines
from server.production.reference.choosing import Chosen, choose, find_template, slip_of_release
from server.production.reference.known import read_known
from server.production.reference.models import Site, SoftwareRelease, Template
from server.production.states import ON_DATA, TaskState, TaskType
from server.storage.base import StorageMisconfigured
from server.storage.registry import registry

#: Words that stand in the place of a task's name in the addresses of pages.
PAGES = ("new", "steer")


@dataclass(frozen=True)
class Checked:
    """A definition that can become a task, with the rows that it names."""

    definition: Definition
    parent: Task | None = None
    site: Site | None = None


@dataclass(frozen=True)
class Conflict:
    """Another task that would write files of the same names into the same folders, for so many of the runs."""

    task: str
    state: str
    runs: int
    words: str


def check_definition(data: Mapping[str, Any], *, besides: Task | None = None, alone: bool = False) -> Checked:
    """Fill in what site, type and release say, and check everything; nothing is written.

    Args:
        data: The definition.
        besides: The draft that it is to stand for: that is no other task.
        alone: Whether tasks that make the same files are left to `conflicts_of`.

    Raises:
        BadDefinition: with one message per field that is wrong, lacks something or is in conflict with another task.
    """
    known, releases = read_known(), list(SoftwareRelease.objects.all())
    chosen = choose(data, known, releases)
    limits = known.limits_of_new(chosen.kind, chosen.site)
    try:
        definition = read_definition(chosen.said, limits, known.kinds)
    except BadDefinition as bad:
        raise BadDefinition(_with_site(bad.slips, chosen)) from None
    slips = {**chosen.slips, **_slips_of_places(definition, limits)}
    definition, more = _with_software(definition, releases)
    slips |= more
    if definition.name in PAGES:
        slips["name"] = f"{definition.name!r} is the name of a page here; give another one"
    elif _others(besides).filter(name=definition.name).exists():
        slips["name"] = f"{definition.name!r} is another task's; give a name that is free"
    parent = Task.objects.filter(name=definition.parent).first() if definition.parent else None
    if definition.parent and (slip := slip_of_parent(parent, definition.parent, limits)):
        slips["parent"] = slip
    elif not alone and (conflict := next(conflicts_of(definition, parent, besides=besides), None)):
        slips["runs" if definition.type is TaskType.MC_GENERATION else "slot"] = conflict.words
    if slips:
        raise BadDefinition(slips)
    return Checked(definition, parent, chosen.site)


def _with_site(slips: Mapping[str, str], chosen: Chosen) -> dict[str, str]:
    """Add what is wrong with the site; what only it would have filled in is not missing beside that."""
    rest = dict(slips)
    if chosen.slips and "queue" not in chosen.said:
        rest.pop("queue", None)
    return {**rest, **chosen.slips}


def _with_software(definition: Definition, releases: list[SoftwareRelease]) -> tuple[Definition, dict[str, str]]:
    """Hold release and template against their rows, where the programs are the experiment's own."""
    if not programs_of(definition.program).needs_software:
        return definition, {}
    slips = {}
    if slip := slip_of_release(definition.soft, definition.path, releases):
        slips["soft"] = slip
    if definition.template:
        rows = Template.objects.prefetch_related("kinds")
        known = [(row, {kind.word for kind in row.kinds.all()}) for row in rows]
        file, slip = find_template(definition.template, definition.kind, known)
        definition = replace(definition, template=file)
        if slip:
            slips["template"] = slip
    return definition, slips


def no_task(name: str) -> str:
    """Say that there is no such task, with the nearest name."""
    near = get_close_matches(name, Task.objects.values_list("name", flat=True)[:1000], 1)
    return f"there is no task {shown(name)}; " + (
        f"did you mean {near[0]!r}?" if near else "list the tasks for their names"
    )


def slip_of_parent(parent: Task | None, name: str, limits: Limits) -> str:
    """Say why nothing can be made of what a task generates; "" when something can."""
    if parent is None:
        return no_task(name)
    if parent.type != TaskType.MC_GENERATION:
        return f"{name!r} is of type {parent.kind or parent.type}; name an MC generation task"
    if parent.state == TaskState.CANCELLED:
        return f"{name!r} is cancelled and generates nothing more; name another one"
    return slip_of_total(sum(chunks for _, chunks in read_runs(parent.filelist)), limits)


def slip_of_storage(name: str, *, tape: bool = False) -> str:
    """Say why this is no storage, or none with tapes; "" when it is."""
    storages = storages_json()
    if name not in storages:
        near = get_close_matches(name, storages, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(storages)) or 'none'}"
        return f"{shown(name)} is no storage; {hint}"
    if not tape:
        return ""
    try:
        has_tapes = registry().has_tapes(name, storages[name])
    except StorageMisconfigured as wrong:
        return str(wrong)
    return "" if has_tapes else f"{shown(name)} has no tapes; name a storage that has, or {NO_TAPE!r} for none"


def slip_of_queue(name: str) -> str:
    """Say why a queue cannot take jobs; "" when it can."""
    known = queue_names()
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none: add one in the admin'}"
        return f"{shown(name)} does not exist; {hint}"
    if (status := queue_status(name)) not in ONLINE:
        return f"{name!r} is {status}; set it online, or give another one"
    try:
        endpoints_of(name)
    except NoStorage as why:
        return str(why)
    return ""


def _slips_of_places(definition: Definition, limits: Limits) -> dict[str, str]:
    """Say which further places that a definition names cannot be used, and which runs the catalogue does not know."""
    slip = slip_of_queue(definition.queue)
    slips = {"queue": slip} if slip else {}
    if definition.merging_queue and (slip := slip_of_queue(definition.merging_queue)):
        slips["merging_queue"] = slip
    if definition.files_endpoint and (slip := slip_of_storage(definition.files_endpoint)):
        slips["files_endpoint"] = slip
    if definition.tape not in ("", NO_TAPE) and (slip := slip_of_storage(definition.tape, tape=True)):
        slips["tape"] = slip
    if definition.type not in ON_DATA or definition.queue not in queue_names():
        return slips
    if not definition.files_endpoint:
        try:
            inputs_endpoint_of(definition.queue)
        except NoStorage as why:
            slips["files_endpoint"] = str(why)
    if not definition.files and (slip := slip_of_runs([run for run, _ in definition.runs], limits)):
        slips["runs"] = slip
    return slips


def slip_of_runs(runs: Sequence[int], limits: Limits) -> str:
    """Say why the catalogue of runs makes no chunks of these; "" when it does."""
    if unknown := unknown_runs(runs):
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        words = "load its list by 'compass-server load_runs', or give files"
        return f"the catalogue has no file of run {', '.join(map(str, unknown[:5]))}{more}; {words}"
    if not (chunks := count_full(runs)):
        return "no file of these runs has events, as the catalogue has it; give others"
    return slip_of_total(chunks, limits)


def conflicts_of(definition: Definition, parent: Task | None, *, besides: Task | None = None) -> Iterator[Conflict]:
    """Give each other task that would write files of the same names into the same folders, and was not cancelled.

    Args:
        definition: What is to be a task.
        parent: Its parent, if it has one.
        besides: The draft that it is to stand for.
    """
    generates = definition.type is TaskType.MC_GENERATION
    mine: set[int] | None = None
    for other in _without_lists(sharing_names(definition, besides=besides)):
        if mine is None:
            mine = _own_runs(definition, parent)
        if both := mine & _runs_of(other.parent_task or other):
            slot = "" if generates else f"slot {definition.slot}, PHAST {definition.phast}, "
            words = (
                f"task {other.name!r} makes the same files ({slot}{definition.year} {definition.period} "
                f"{definition.soft}, run {min(both)}); give another {'run' if generates else 'slot'} or soft"
            )
            yield Conflict(other.name, other.state, len(both), words)


def _without_lists(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Leave the lists of tasks where they are; of those that need theirs it is read when its turn comes."""
    return tasks.select_related("parent_task").defer("filelist", "parent_task__filelist")


def sharing_names(definition: Definition, *, besides: Task | None = None) -> QuerySet[Task]:
    """Select the tasks whose files have the same names for the same runs, cancelled ones left out."""
    others = _others(besides).filter(
        type=definition.type.value, year=definition.year, period=definition.period, soft=definition.soft
    )
    if definition.type is not TaskType.MC_GENERATION:
        others = others.filter(slot=definition.slot, phast=definition.phast)
    return others.exclude(state=TaskState.CANCELLED).order_by("pk")


def _others(besides: Task | None) -> QuerySet[Task]:
    return Task.objects.all() if besides is None else Task.objects.exclude(pk=besides.pk)


def _own_runs(definition: Definition, parent: Task | None) -> set[int]:
    if parent is not None:
        return _runs_of(parent)
    if definition.files:
        return {line.run for line in read_raw_lines(definition.files, home=definition.files_home)}
    return {run for run, _ in definition.runs}


def _runs_of(task: Task) -> set[int]:
    if not task.has_files:
        return {int(line.partition(",")[0]) for line in task.filelist.splitlines()}
    # Lists of files are long; once they have been read, the runs are rows.
    if numbers := set(Run.objects.filter(task=task).order_by().values_list("number", flat=True)):
        return numbers
    return {line.run for line in read_raw_lines(task.filelist, home=task.files_home)}
