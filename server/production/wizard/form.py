"""The form's fields: which a type of task has, in which section, and how texts become a definition. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pilot.contract.codec import shown
from server.production.chains import CHAINS
from server.production.definition import NO_TAPE
from server.production.states import ON_DATA, TaskType


class Widget(Enum):
    """How a field is filled in."""

    TEXT = "text"
    NUMBER = "number"
    LINES = "lines"
    #: One of the rows that there are.
    CHOICE = "choice"
    #: Text, for which rows are proposed.
    PROPOSED = "proposed"
    TRUTH = "truth"


@dataclass(frozen=True)
class Field:
    """A field of the form; ``usual`` is what holds when it is left empty, in words."""

    name: str
    label: str
    help: str
    widget: Widget = Widget.TEXT
    usual: str = ""
    required: bool = False


@dataclass(frozen=True)
class Section:
    """Fields that belong together; one that is ``folded`` is opened by who needs it."""

    title: str
    fields: tuple[Field, ...]
    folded: bool = False


_WHAT = (
    Field("name", "Name of the task", "Letters, digits and _ . + -; no other task has it.", required=True),
    Field(
        "production",
        "Production",
        "Its label, such as dvcs2016P07t1: jobs and logs are called after it.",
        required=True,
    ),
    Field("year", "Year of the data", "Such as 2016.", Widget.NUMBER, required=True),
    Field("period", "Period", "Such as P07.", required=True),
)
_NUMBERS = (
    Field("slot", "Production slot", "Tells apart files of the same runs and software.", Widget.NUMBER, "0"),
    Field("phast", "PHAST version", "Stands in the names of mDSTs.", Widget.NUMBER, "that of the release, or 7"),
)
_PARENT = Field(
    "parent", "Parent task", "The MC generation whose events are reconstructed.", Widget.CHOICE, required=True
)
_BY_CHUNK = Field(
    "by_chunk",
    "Each chunk as soon as its events are there",
    "Else nothing begins before the whole parent is generated.",
    Widget.TRUTH,
    "yes",
)
_LINES = Field(
    "runs", "Runs", "A line for each: run number, number of chunks. Such as 278473, 10.", Widget.LINES, required=True
)
_EVENTS = Field("events_per_chunk", "Events of a chunk", "What each job generates.", Widget.NUMBER, required=True)
_DATA = (
    Field(
        "runs", "Runs", "Numbers or ranges, such as 278473-278480, that the catalogue has. Or give files.", Widget.LINES
    ),
    Field(
        "files",
        "Raw files",
        "A file in each line: raw/2016/cdr11001-278473.raw, or run, file, events, size, checksum.",
        Widget.LINES,
    ),
    Field("files_home", "Beginning of the files' names", "What stands in each line before the storage's folders."),
    Field(
        "files_endpoint", "Storage of the files", "Where they lie.", Widget.CHOICE, "as the catalogue or the queue says"
    ),
)
_SOFTWARE = (
    Field("soft", "Software", "The release's folder, without slashes.", Widget.PROPOSED, required=True),
    Field("home", "Root of the software area", "Begins and ends with a slash.", Widget.TEXT, "/cvmfs/compass.cern.ch/"),
    Field("path", "Folders below it", "Ends with a slash, such as generalprod/testcoral/."),
    Field("template", "Template", "The file of options.", Widget.PROPOSED),
)
_PROGRAM = Field(
    "program",
    "Program",
    "compass: the experiment's own; else one with compass-mc's arguments.",
    Widget.TEXT,
    "that of the type",
)
_RICH = Field("rich", "RICH files", "Whether jobs write them, too.", Widget.TRUTH, "no")
_PLACE = (
    Field(
        "site", "Site", "Fills in queue, storages, software area and tape, where they are left empty.", Widget.CHOICE
    ),
    Field("queue", "Queue", "Where its jobs run.", Widget.CHOICE, "the site's"),
    Field("tape", "Tapes", "The storage whose tapes take its files.", Widget.CHOICE, "the site's"),
)
_MERGING_QUEUE = Field(
    "merging_queue", "Queue of merges", "Where files are merged.", Widget.CHOICE, "the site's, or the queue's own"
)
_MERGE_DUMPS = Field("merge_dumps", "Merge event dumps", "And check their bytes.", Widget.TRUTH, "yes")
_NUMBERS_OF_JOBS = (
    Field("priority", "Priority", "Of its processing jobs.", Widget.NUMBER, "2000; filtering 1000"),
    Field("max_attempts", "Attempts", "Of each job, the first included.", Widget.NUMBER, "5"),
)
_MERGING_PRIORITY = Field("merging_priority", "Priority of merges", "They go before processing.", Widget.NUMBER, "5000")
_LIMITS = Field("limits", "Limits of its own", "A line for each: jobs_per_task = 200.", Widget.LINES)
_COMMENT = (
    Field("working_group", "Working group", "Whose share its jobs use."),
    Field("comment", "Comment", "Whatever others should know."),
)


def sections_of(chain: TaskType) -> list[Section]:
    """Answer the form of a type of task: only fields that it may have."""
    merges = CHAINS[chain].merges
    generates = chain is TaskType.MC_GENERATION
    source: tuple[Field, ...] = (_PARENT, _BY_CHUNK)
    if generates:
        source = (_LINES, _EVENTS)
    elif chain in ON_DATA:
        source = _DATA
    place = (*_PLACE, _MERGING_QUEUE) if merges else _PLACE
    numbers = (*_NUMBERS_OF_JOBS, _MERGING_PRIORITY) if merges else _NUMBERS_OF_JOBS
    optional = (_MERGE_DUMPS,) if any(merge.optional for merge in merges) else ()
    rich = () if generates or chain in (TaskType.MC_RECONSTRUCTION, TaskType.DDD_FILTERING) else (_RICH,)
    return [
        Section("What it is", _WHAT if generates else (*_WHAT, *_NUMBERS)),
        Section("What it works on", source),
        Section("Software", _SOFTWARE),
        Section("Where it runs", place),
        Section("Limits and priorities", (*numbers, *optional, *rich, _PROGRAM, _LIMITS), folded=True),
        Section("For people", _COMMENT, folded=True),
    ]


def fields_of(chain: TaskType) -> dict[str, Field]:
    """Answer the fields of a type of task by their names."""
    return {field.name: field for section in sections_of(chain) for field in section.fields}


def read_form(written: Mapping[str, str], chain: TaskType, word: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Answer what was written as a definition, and what cannot be read; fields of other types are left out.

    Args:
        written: Text by field.
        chain: The type's chain.
        word: The type as people name it.
    """
    said: dict[str, Any] = {"type": word}
    slips = {}
    for name in fields_of(chain):
        text = written.get(name, "").replace("\r\n", "\n").strip()
        if not text:
            continue
        try:
            said[name] = read_limits(text) if name == "limits" else text
        except ValueError as wrong:
            slips[name] = str(wrong)
    return said, slips


def read_limits(text: str) -> dict[str, int]:
    """Read lines ``name = number``.

    Raises:
        ValueError: a line is something else.
    """
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        words = re.fullmatch(r"\s*(\w{1,40})\s*[=:]\s*(\d{1,15})\s*", line, re.ASCII)
        if words is None:
            raise ValueError(f"line {number}, {shown(line.strip())}, is not 'name = number'; write jobs_per_task = 200")
        if words[1] in found:
            raise ValueError(f"line {number}: {words[1]} is there twice; give it once")
        found[words[1]] = int(words[2])
    return found


def write_form(said: Mapping[str, Any]) -> dict[str, str]:
    """Answer a definition as the text of the form's fields."""
    return {name: _text(value) for name, value in said.items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "\n".join(f"{name} = {number}" for name, number in value.items())
    return str(value)


#: How a choice is shown that says "none".
NONE_OF_TAPES = (NO_TAPE, "none: files stay on disk")
