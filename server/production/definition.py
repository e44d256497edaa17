"""A production manager's definition of a task, read and checked without looking at any other task."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pilot.contract.codec import shown, shown_name
from server.production.limits import Limits, read_own
from server.production.programs import EXAMPLE, OWN
from server.production.raw_lists import LARGEST, read_raw_lines, read_run_numbers
from server.production.reference.kinds import BUILT_IN, Kind, priority_limit
from server.production.states import ON_DATA, TaskType

RunLine = tuple[int, int]
"""Run number, number of chunks."""

#: PanDA's field for home and path together has room for so many letters.
LONGEST_HOME = 80
#: So many fields that no task has are named; who has more of them has sent something else.
MOST_UNKNOWN = 20
#: What stands in ``tape`` of a task whose files stay on disk, whatever its site has.
NO_TAPE = "-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
#: None begins as an option of a command does.
_FOLDERS = re.compile(r"[A-Za-z0-9_.+/][A-Za-z0-9_.+/-]*")


class BadDefinition(ValueError):
    """Everything that is wrong with a definition, by field: what was given and what to give instead."""

    def __init__(self, slips: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {words}" for field, words in slips.items()))
        self.slips = dict(slips)


@dataclass(frozen=True)
class Definition:
    """A task that is complete in itself. ``home`` and ``path`` say where the software's folder ``soft`` lies.

    ``type`` is the chain that it follows, ``kind`` the word that people call its type by. ``tape`` is the storage whose
    tapes take its files; empty: its site's, `NO_TAPE`: none. ``limits`` are its own.
    ``runs``: of a generation each run with its number of chunks; of a task on data those that the catalogue of runs
    knows, with 0 for all their chunks. ``files``: of a task on data its raw files, as given, a line each.
    """

    name: str
    type: TaskType
    production: str
    year: int
    period: str
    soft: str
    queue: str
    slot: int = 0
    phast: int = 7
    home: str = "/cvmfs/compass.cern.ch/"
    path: str = ""
    template: str = ""
    parent: str = ""
    runs: tuple[RunLine, ...] = ()
    files: str = ""
    files_home: str = ""
    files_endpoint: str = ""
    events_per_chunk: int = 0
    priority: int = 0
    merging_priority: int = 0
    max_attempts: int = 0
    merge_dumps: bool = True
    program: str = ""
    merging_queue: str = ""
    by_chunk: bool = True
    rich: bool = False
    working_group: str = ""
    comment: str = ""
    site: str = ""
    tape: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)
    kind: str = ""


def read_runs(text: Any) -> tuple[RunLine, ...]:
    """Read lines ``run, number of chunks``; blank lines and what follows a ``#`` are left out.

    Raises:
        ValueError: a line is something else, a number is out of range, or a run is named twice.
    """
    if not isinstance(text, str):
        raise ValueError(f"{shown(text)} is not text; give lines such as '278473, 10'")
    found: dict[int, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.partition("#")[0].strip()
        if not bare:
            continue
        words = re.fullmatch(r"(\d{1,10})\s*,\s*(\d{1,10})", bare, re.ASCII)
        if words is None:
            raise ValueError(
                f"line {number}, {shown(bare)}, is not 'run, number of chunks'; write for example '278473, 10'"
            )
        run, chunks = int(words[1]), int(words[2])
        if not 1 <= run <= LARGEST or chunks < 1:
            raise ValueError(f"line {number}, {shown(bare)}: a run is 1 to {LARGEST}, its chunks are 1 or more")
        if run in found:
            raise ValueError(f"line {number}: run {run} is there twice; give its chunks in one line")
        found[run] = chunks
    return tuple(found.items())


def read_definition(data: Mapping[str, Any], limits: Limits, kinds: Mapping[str, Kind] = BUILT_IN) -> Definition:
    """Read and check a definition; what is left out gets COMPASS's default.

    Args:
        data: The fields; what its site fills in is there already.
        limits: Those of its type and site.
        kinds: The types of task by their words.

    Raises:
        BadDefinition: with one message per field that is wrong.
    """
    unknown = [key for key in data if key not in _READERS]
    slips = {shown_name(key): _unknown(key) for key in unknown[:MOST_UNKNOWN]}
    values: dict[str, Any] = {}
    for name in (one.name for one in fields(Definition) if one.name in _READERS):
        if data.get(name) in (None, ""):
            continue
        try:
            values[name] = _type(data[name], kinds) if name == "type" else _READERS[name](data[name])
        except ValueError as wrong:
            slips[name] = str(wrong)
    for name in ("name", "type", "production", "year", "period", "soft", "queue"):
        if name not in values and name not in slips:
            slips[name] = f"is missing; {_expected_type(kinds) if name == 'type' else _EXPECTED[name]}"
    if "type" in values:
        values["kind"], values["type"] = values["type"].word, values["type"].chain
    slips = slips or _slips_of_type(values) or _slips_of_lists(values, limits)
    if slips:
        raise BadDefinition(slips)
    values.setdefault("priority", getattr(limits, priority_limit(values["type"])))
    values.setdefault("program", OWN if values["type"] in ON_DATA else EXAMPLE)
    values.setdefault("merging_priority", limits.merging_priority)
    values.setdefault("max_attempts", limits.max_attempts)
    return Definition(**values)


def _slips_of_type(values: Mapping[str, Any]) -> dict[str, str]:
    """Say what a task of this type lacks, or has and must not have."""
    needed, refused = _BY_TYPE[values["type"]]
    slips = {name: f"is missing; {words}" for name, words in needed.items() if not values.get(name)}
    slips |= {name: f"cannot stand here; {words}" for name, words in refused.items() if values.get(name)}
    home = values.get("home", Definition.home) + values.get("path", "")
    if len(home) > LONGEST_HOME:
        slips["path"] = (
            f"home and path together, {shown(home)}, have more than {LONGEST_HOME} letters; shorten the path"
        )
    if values["type"] in ON_DATA and bool(values.get("runs")) == bool(values.get("files")):
        words = "give either files, a raw file in each line, or runs that the catalogue knows"
        slips["runs" if values.get("runs") else "files"] = (
            f"{'both are there' if values.get('runs') else 'is missing'}; {words}"
        )
    return slips


def _slips_of_lists(values: dict[str, Any], limits: Limits) -> dict[str, str]:
    """Read the runs in the way of the type, and look at each raw file; what is wrong is answered."""
    name = "files" if values.get("files") else "runs"
    try:
        if name == "files":
            total = count_files(values["files"], values.get("files_home", ""))
        elif values["type"] in ON_DATA:
            values["runs"] = tuple((run, 0) for run in read_run_numbers(values["runs"]))
            total = len(values["runs"])
        else:
            values["runs"] = read_runs(values.get("runs", ""))
            total = sum(chunks for _, chunks in values["runs"])
    except ValueError as wrong:
        return {name: str(wrong)}
    slip = slip_of_total(total, limits)
    return {name: slip} if slip else {}


def slip_of_total(chunks: int, limits: Limits) -> str:
    """Say why so many chunks are too many for a task; "" when they are not."""
    if chunks <= limits.chunks_per_task:
        return ""
    return f"{chunks} chunks are more than {limits.chunks_per_task} (chunks_per_task); split them into several tasks"


def count_files(text: str, home: str) -> int:
    """Count the raw files in a list of them, those without events included.

    Raises:
        ValueError: a line is no raw file, a chunk of a run is there twice, or there is no file.
    """
    seen, has_events = set[tuple[int, int]](), False
    for line in read_raw_lines(text, home=home):
        if (line.run, line.chunk) in seen:
            raise ValueError(f"chunk {line.chunk} of run {line.run} is there twice; name each raw file once")
        seen.add((line.run, line.chunk))
        has_events |= line.events != 0
    if not has_events:
        raise ValueError(f"there is no file {'with events ' if seen else ''}in it; give a raw file in each line")
    return len(seen)


_FROM_PARENT = "a reconstruction takes its runs and chunks from its parent"

_NO_RAW_FILES = dict.fromkeys(("files", "files_home", "files_endpoint"), "only tasks on data read raw files")

#: What a type of task needs, and what it must not have.
_BY_TYPE: dict[TaskType, tuple[dict[str, str], dict[str, str]]] = {
    TaskType.MC_GENERATION: (
        {
            "runs": "give lines 'run, number of chunks'",
            "events_per_chunk": "give the number of events of one chunk",
        },
        {"parent": "a generation has no parent task", **_NO_RAW_FILES},
    ),
    TaskType.MC_RECONSTRUCTION: (
        {"parent": "name the MC generation task whose events are to be reconstructed"},
        {"runs": _FROM_PARENT, "events_per_chunk": _FROM_PARENT, **_NO_RAW_FILES},
    ),
    **{
        kind: (
            {},
            {
                "parent": "a task on data has no parent task",
                "events_per_chunk": "raw files have the events that they have",
            },
        )
        for kind in ON_DATA
    },
}


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key, _READERS, 1)
    return "is not a field of a task; " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(_READERS)}")


def _whole(low: int, high: int, remedy: str) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = value
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,12}", value.strip(), re.ASCII):
            number = int(value)
        if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
            raise ValueError(f"{shown(value)} is not a whole number from {low} to {high}; {remedy}")
        return number

    return read


def _text(pattern: re.Pattern[str], most: int, remedy: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value) or len(value) > most:
            raise ValueError(f"{shown(value)} cannot be used; {remedy}")
        if ".." in value.split("/"):
            raise ValueError(f"{shown(value)} leads out of its folder; leave out '..'")
        return value

    return read


def _type(value: Any, kinds: Mapping[str, Kind] = BUILT_IN) -> Kind:
    kind = kinds.get(value) if isinstance(value, str) else None
    if kind is None:
        near = difflib.get_close_matches(str(value), kinds, 1)
        hint = f"did you mean {near[0]}? Else " if near else ""
        raise ValueError(f"{shown(value)} is not a type of task; {hint}{_expected_type(kinds)}")
    if not kind.is_defined_by_managers:
        raise ValueError(f"{shown(value)} ({kind.label}) is what users submit themselves; {_expected_type(kinds)}")
    if not kind.enabled:
        raise ValueError(
            f"{shown(value)} ({kind.label}) is switched off on the admin's page Task types; {_expected_type(kinds)}"
        )
    return kind


def _expected_type(kinds: Mapping[str, Kind]) -> str:
    usable = (kind.word for kind in kinds.values() if kind.enabled and kind.is_defined_by_managers)
    return f"give one of {', '.join(usable)}"


def _home(value: Any) -> str:
    text = _text(_FOLDERS, 200, "give a folder such as /cvmfs/compass.cern.ch/")(value)
    if not (text.startswith("/") and text.endswith("/")):
        raise ValueError(f"{shown(value)} must start and end with a slash, for example /cvmfs/compass.cern.ch/")
    return text


def _path(value: Any) -> str:
    text = _text(_FOLDERS, 200, "give folders such as generalprod/testcoral/")(value)
    if text.startswith("/") or not text.endswith("/"):
        raise ValueError(f"{shown(value)} must not start with a slash and must end with one, for example generalprod/")
    return text


def _truth(value: Any) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False}
    found = value if isinstance(value, bool) else words.get(str(value).lower())
    if found is None:
        raise ValueError(f"{shown(value)} is neither true nor false")
    return found


def _lines(remedy: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or "\0" in value:
            raise ValueError(f"{shown(value)} is not text; {remedy}")
        return value

    return read


def _program(value: Any) -> str:
    remedy = "give compass for the experiment's own programs, or the name or path of one with compass-mc's arguments"
    return _text(_FOLDERS, 200, remedy)(value)


def _tape(value: Any) -> str:
    if value in (NO_TAPE, "none"):
        return NO_TAPE
    return _text(_NAME, 100, f"give the name of a storage with tapes, or {NO_TAPE!r} for none")(value)


def _limits(value: Any) -> dict[str, int]:
    return read_own(value, "task")


def _comment(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise ValueError("cannot be used; give text of at most 1000 letters")
    return value


_EXPECTED: dict[str, str] = {
    "name": "give letters, digits and _ . + - that no other task has, at most 100",
    "production": "give the production's label, such as dvcs2016P07t1, at most 60 letters",
    "year": "give the year of the data, such as 2016",
    "period": "give the period of the data, such as P07",
    "soft": "give the software's folder without slashes, such as dvcs2016P07-test1",
    "queue": "give the name of a queue, or a site",
}

_READERS: dict[str, Callable[[Any], Any]] = {
    "name": _text(_NAME, 100, _EXPECTED["name"]),
    "type": _type,
    "production": _text(_NAME, 60, _EXPECTED["production"]),
    "year": _whole(1996, 2100, _EXPECTED["year"]),
    "period": _text(_NAME, 20, _EXPECTED["period"]),
    "soft": _text(_NAME, 100, _EXPECTED["soft"]),
    "queue": _text(_NAME, 100, _EXPECTED["queue"]),
    "slot": _whole(0, 9999, "give the production slot's number"),
    "phast": _whole(0, 9999, "give the PHAST version, such as 7"),
    "home": _home,
    "path": _path,
    "template": _text(_FOLDERS, 200, "give the name of an options file"),
    "parent": _text(_NAME, 100, "give the name of an MC generation task"),
    "runs": _lines("give lines such as '278473, 10', or for data run numbers"),
    "files": _lines("give a raw file in each line"),
    "files_home": _text(
        re.compile(r"[A-Za-z0-9_.+:/?=-]+"), 200, "give what stands in each line before the storage's folders"
    ),
    "files_endpoint": _text(_NAME, 100, "give the name of a storage"),
    "events_per_chunk": _whole(1, 10_000_000, "give the number of events of one chunk"),
    "priority": _whole(1, 10_000, "give the priority of processing jobs, usually 2000"),
    "merging_priority": _whole(1, 10_000, "give the priority of merging jobs, usually 5000"),
    "max_attempts": _whole(1, 100, "give the number of attempts of a job, usually 5"),
    "merge_dumps": _truth,
    "program": _program,
    "merging_queue": _text(_NAME, 100, "give the name of a queue"),
    "by_chunk": _truth,
    "rich": _truth,
    "working_group": _text(_NAME, 60, "give letters and digits, at most 60"),
    "comment": _comment,
    "site": _text(_NAME, 100, "give the name of a site"),
    "tape": _tape,
    "limits": _limits,
}


def read_value(field: str, value: Any) -> Any:
    """Read one field of a definition.

    Raises:
        ValueError: it cannot be that; the text says what can.
    """
    return _READERS[field](value)
