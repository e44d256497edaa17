"""What is said of a form while it is filled in: what is wrong with each field, and what a right one means."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilot.contract import naming
from pilot.contract.codec import ContractError
from server.production.chains import CHAINS
from server.production.defining import check_definition, slip_of_parent, slip_of_queue, slip_of_runs, slip_of_storage
from server.production.definition import (
    NO_TAPE,
    BadDefinition,
    Definition,
    count_files,
    read_runs,
    read_value,
    slip_of_total,
)
from server.production.files import RESULT_OF, Names
from server.production.limits import Limits
from server.production.models import Task
from server.production.raw_lists import read_raw_lines, read_run_numbers
from server.production.reference.choosing import choose, slip_of_release
from server.production.reference.kinds import Kind
from server.production.reference.known import read_known
from server.production.reference.models import SoftwareRelease
from server.production.states import ON_DATA, TaskState, TaskType
from server.production.wizard.folders import is_folder

#: Runs that are looked up in the catalogue while somebody writes.
MOST_RUNS = 5000
#: Run and chunk whose files stand for all others, unless the form has some.
SAMPLE = (278473, 1)
#: Taken slots that are named; of more only the number is told.
SLOTS = 20


@dataclass
class Looked:
    """What is wrong by field, what is worth knowing by field, and how files would be called, each with its folder."""

    slips: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    names: list[tuple[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"slips": self.slips, "notes": self.notes, "names": self.names}


def look(said: Mapping[str, Any], kind: Kind, *, besides: Task | None = None) -> Looked:
    """Look at each field that is filled in, whatever others lack.

    Args:
        said: What the form has; lists may be left out.
        kind: The type of the task.
        besides: The draft that is being changed.
    """
    found = Looked()
    known, releases = read_known(), list(SoftwareRelease.objects.filter(enabled=True))
    chosen = choose(said, known, releases)
    found.slips |= chosen.slips
    values: dict[str, Any] = {}
    for name, value in chosen.said.items():
        try:
            values[name] = value if name == "type" else read_value(name, value)
        except ValueError as wrong:
            found.slips[name] = str(wrong)
        except KeyError:
            continue
    _look_at_places(values, found)
    limits = known.limits_of_new(kind, chosen.site)
    _look_at_name(values, limits, found, besides)
    homes = {Definition.home, *(row.home for row in releases), *(site.home for site in known.sites.values())}
    _look_at_software(values, releases, homes, found)
    _look_at_lists(values, kind, limits, found)
    found.slips = {name: words for name, words in found.slips.items() if name in said or name == "queue"}
    if names := _names_of(values, kind):
        found.names = _preview(names, _sample(values, kind), kind, found)
        if kind.chain is not TaskType.MC_GENERATION:
            found.notes["slot"] = _slots(names, besides)
    return found


def look_at_all(said: Mapping[str, Any], kind: Kind, *, besides: Task | None = None) -> Looked:
    """Look at every field, and at the whole as it would be defined: what is missing, and conflicts, too."""
    found = look(said, kind, besides=besides)
    try:
        check_definition(said, besides=besides)
    except BadDefinition as bad:
        found.slips = {**bad.slips, **found.slips}
    return found


def _look_at_places(values: Mapping[str, Any], found: Looked) -> None:
    for name in ("queue", "merging_queue"):
        if name in values and (slip := slip_of_queue(values[name])):
            found.slips[name] = slip
    if "files_endpoint" in values and (slip := slip_of_storage(values["files_endpoint"])):
        found.slips["files_endpoint"] = slip
    if values.get("tape") not in (None, NO_TAPE) and (slip := slip_of_storage(values["tape"], tape=True)):
        found.slips["tape"] = slip
    if "site" in values and "site" not in found.slips:
        filled = [f"{name} {values[name]}" for name in ("queue", "tape", "files_endpoint") if name in values]
        found.notes["site"] = f"with {', '.join(filled)}" if filled else ""


def _look_at_name(values: Mapping[str, Any], limits: Limits, found: Looked, besides: Task | None) -> None:
    others = Task.objects.all() if besides is None else Task.objects.exclude(pk=besides.pk)
    if "name" in values and others.filter(name=values["name"]).exists():
        found.slips["name"] = f"{values['name']!r} is another task's; give a name that is free"
    if "parent" in values:
        parent = Task.objects.filter(name=values["parent"]).first()
        if slip := slip_of_parent(parent, values["parent"], limits):
            found.slips["parent"] = slip
        elif parent is not None:
            found.notes["parent"] = f"{parent.get_state_display()}; {parent.year} {parent.period} {parent.soft}"


def _look_at_software(
    values: Mapping[str, Any], releases: list[SoftwareRelease], homes: Collection[str], found: Looked
) -> None:
    if "soft" not in values:
        return
    home, path = values.get("home", Definition.home), values.get("path", "")
    if slip := slip_of_release(values["soft"], path, releases):
        found.slips["soft"] = slip
        return
    try:
        area = naming.software_area(home, path, values["soft"])
    except ContractError as wrong:
        found.slips["path"] = str(wrong)
        return
    # Whoever fills in a form does not look around on this machine.
    found.notes["soft"] = (
        seen_from_here(area, home) if home in homes else f"{area}: not looked at, for no site has {home}"
    )


def seen_from_here(area: str, home: str) -> str:
    """Say whether a folder of software is there, as far as this machine can tell.

    A file system that is not mounted here may be mounted where jobs run, so that it is no slip. Nothing but the
    existence of a folder is told.
    """
    if (is_mounted := is_folder(home)) is False:
        return f"{area}: not visible from the server, {home} is not mounted here"
    is_there = is_mounted and is_folder(area)
    if is_there is None:
        return f"{area}: nobody knows, for {home} does not answer here"
    return f"{area} is there" if is_there else f"{area} is not there, as this server sees {home}"


def _look_at_lists(values: Mapping[str, Any], kind: Kind, limits: Limits, found: Looked) -> None:
    for name, count in (("files", _count_files), ("runs", _count_runs)):
        if name not in values:
            continue
        try:
            found.notes[name], slip = count(values, kind, limits)
        except ValueError as wrong:
            slip = str(wrong)
        if slip:
            found.slips[name] = slip


def _count_files(values: Mapping[str, Any], kind: Kind, limits: Limits) -> tuple[str, str]:
    """Answer how many raw files are in a list, and what is wrong with that."""
    number = count_files(values["files"], values.get("files_home", ""))
    return f"{number} raw files", slip_of_total(number, limits)


def _count_runs(values: Mapping[str, Any], kind: Kind, limits: Limits) -> tuple[str, str]:
    """Answer how many runs there are, and what is wrong with them."""
    if kind.chain in ON_DATA:
        numbers = read_run_numbers(values["runs"])
        more = f"; the first {MOST_RUNS} were looked up" if len(numbers) > MOST_RUNS else ""
        return f"{len(numbers)} runs{more}", slip_of_runs(numbers[:MOST_RUNS], limits)
    lines = read_runs(values["runs"])
    chunks = sum(number for _, number in lines)
    return f"{len(lines)} runs, {chunks} chunks", slip_of_total(chunks, limits)


def _names_of(values: Mapping[str, Any], kind: Kind) -> Names | None:
    if not all(name in values for name in ("production", "year", "period", "soft")):
        return None
    numbers = (values.get("slot", 0), values.get("phast", 7), values.get("rich", False))
    return Names(kind.chain.value, values["production"], values["year"], values["period"], values["soft"], *numbers)


def _sample(values: Mapping[str, Any], kind: Kind) -> tuple[int, int]:
    """Answer the first run and chunk that the form has, as far as it can be read."""
    try:
        if "files" in values:
            first = next(read_raw_lines(values["files"], home=values.get("files_home", "")))
            return first.run, first.chunk
        if kind.chain in ON_DATA and "runs" in values:
            return read_run_numbers(values["runs"])[0], SAMPLE[1]
        return (read_runs(values["runs"])[0][0] if "runs" in values else SAMPLE[0]), SAMPLE[1]
    except (ValueError, IndexError, StopIteration):
        return SAMPLE


def _preview(names: Names, sample: tuple[int, int], kind: Kind, found: Looked) -> list[tuple[str, str]]:
    """Name what the first job of a task would write, what would be merged of it, and the job itself."""
    try:
        shown = [("job", names.chunk_job(*sample))]
        for of, lfn in names.chunk_files(*sample).items():
            shown.append((str(of.label), f"{names.dataset(of)}/{lfn}"))
        for merge in CHAINS[kind.chain].merges:
            result = RESULT_OF[merge.kind]
            shown.append((str(result.label), f"{names.dataset(result)}/{names.merged_file(merge.kind, sample[0], 0)}"))
        shown.append(("log", names.chunk_log(*sample)))
    except ContractError as wrong:
        found.slips.setdefault("production", str(wrong))
        return []
    return shown


def _slots(names: Names, besides: Task | None) -> str:
    """Say which slots other tasks of this software, year and period have."""
    others = Task.objects.filter(type=names.type, year=names.year, period=names.period, soft=names.soft)
    others = others.exclude(state=TaskState.CANCELLED).exclude(pk=besides.pk if besides else 0)
    return told_of_slots(list(others.order_by("slot", "pk").values_list("slot", "phast", "name")))


def told_of_slots(taken: Sequence[tuple[int, int, str]]) -> str:
    """Tell which slots are taken, of which PHAST and by which task, and the first that is free."""
    if not taken:
        return "no other task of this year, period and software: every slot is free"
    said = ", ".join(f"{slot} (PHAST {phast}) by {name}" for slot, phast, name in taken[:SLOTS])
    more = f" and {len(taken) - SLOTS} more" if len(taken) > SLOTS else ""
    used = {slot for slot, _, _ in taken}
    free = next(slot for slot in range(len(used) + 1) if slot not in used)
    return f"taken, for their runs: {said}{more}; {free} is free"
