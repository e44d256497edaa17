"""A user's task as PanDA's clients write it, read and checked without looking at anything else.

What has no equal here is refused by its name; what only steers PanDA's own machinery is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pilot.contract.codec import (
    INTEGER,
    NUMBER,
    OBJECT,
    TEXT,
    TRUTH,
    ContractError,
    Kind,
    no_such_field,
    read,
    says_something,
    shown,
)

_HOUR = 3600

#: What stands for something of each job: see `server.production.user_orders`.
_NUMBERS = ("SN", "SN/P", "SEQNUMBER", "RNDM", "FIRSTEVENT", "SKIPEVENTS", "MAXEVENTS")
PLACEHOLDERS = (*_NUMBERS, "IN", "IN/L", "IN/T", "SURL")
PLACEHOLDER = re.compile(r"\$\{([^}:]*)(?::([0-9]{1,18}))?\}")
#: What a task's log files are left out of an input by, as `prun` writes it; no other pattern is read.
LOGS = r"\.log\.tgz(\.\d+)*$"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+:-]{0,99}")


@dataclass(frozen=True)
class Part:
    """A part of a job's argument list; ``offset`` is what its numbers begin at, if that is said."""

    text: str
    padding: bool = True
    offset: int | None = None


@dataclass(frozen=True)
class Template:
    """A file that each job writes."""

    lfn: str
    dataset: str
    endpoint: str = ""
    may_be_missing: bool = False


@dataclass(frozen=True)
class Source:
    """The dataset that jobs read; ``lfns`` are the only files wanted of it, if any are named."""

    dataset: str
    lfns: tuple[str, ...] = ()
    skipped: int = 0
    without_logs: bool = False


@dataclass(frozen=True)
class UserDefinition:
    """A user's task. ``memory`` is in PanDA's MB, for all cores together; ``max_walltime`` is in seconds."""

    name: str
    transformation: str
    parts: tuple[Part, ...]
    outputs: tuple[Template, ...] = ()
    log: Template | None = None
    source: Source | None = None
    user: str = ""
    label: str = ""
    processing_type: str = ""
    working_group: str = ""
    priority: int | None = None
    queue: str = ""
    release: str = ""
    home_package: str = ""
    platform: str = ""
    container: str = ""
    cores: int = 1
    memory: int = 0
    max_walltime: int = 0
    max_attempts: int = 3
    looping_check: bool = True
    debug: bool = False
    source_url: str = ""
    files: int = 0
    files_per_job: int = 0
    events: int = 0
    events_per_job: int = 0

    def jobs_for(self, input_files: int) -> int:
        """Say how many jobs the task has, if its input has so many files."""
        if self.source is not None:
            return -(-input_files // (self.files_per_job or 1))
        if self.events:
            return -(-self.events // (self.events_per_job or self.events))
        return -(-self.files // (self.files_per_job or 1)) if self.files else 1


def _refused(name: str, value: Any, words: str) -> ContractError:
    return ContractError(f"{name}: {shown(value)}: {words}", field_name=name)


#: PanDA's parameter -> (our field, kind, lowest, highest or most characters).
_PLAIN: Mapping[str, tuple[str, Kind, int, int]] = {
    "transPath": ("transformation", TEXT, 1, 250),
    "userName": ("user", TEXT, 1, 250),
    "prodSourceLabel": ("label", TEXT, 1, 20),
    "processingType": ("processing_type", TEXT, 1, 64),
    "workingGroup": ("working_group", TEXT, 1, 20),
    "currentPriority": ("priority", INTEGER, -1_000_000, 1_000_000),
    "taskPriority": ("priority", INTEGER, -1_000_000, 1_000_000),
    "site": ("queue", TEXT, 1, 60),
    "transUses": ("release", TEXT, 1, 64),
    "transHome": ("home_package", TEXT, 1, 80),
    "architecture": ("platform", TEXT, 1, 250),
    "container_name": ("container", TEXT, 1, 200),
    "coreCount": ("cores", INTEGER, 1, 2**15 - 1),
    "walltime": ("max_walltime", INTEGER, 0, 2**31 - 1),
    "maxAttempt": ("max_attempts", INTEGER, 1, 100),
    "debugMode": ("debug", TRUTH, 0, 1),
    "sourceURL": ("source_url", TEXT, 1, 250),
    "nFiles": ("files", INTEGER, 1, 10**9),
    "nFilesPerJob": ("files_per_job", INTEGER, 1, 10**6),
    "nEvents": ("events", INTEGER, 1, 10**15),
    "nEventsPerJob": ("events_per_job", INTEGER, 1, 10**12),
}

#: Read apart from the others.
_SPECIAL = ("taskName", "jobParameters", "log", "ramCount", "ramCountUnit", "maxWalltime", "noLoopingCheck", "noInput")

#: What tells PanDA's own machinery how to go about it, and nothing of what the jobs are.
_PASSED_OVER = frozenset(
    {
        *("vo", "cloud", "taskType", "cliParams", "osInfo", "noEmail", "skipScout", "messageDriven", "framework"),
        *("respectSplitRule", "respectLB", "uniqueTaskName", "disableAutoRetry", "nMaxFilesPerJob", "fixedSandbox"),
        *("dsForIN", "ticketID", "ticketSystemType", "campaign", "walltimeUnit"),
    }
)

#: What people may well ask for, and what to do instead.
_REMEDIES: Mapping[str, str] = {
    "buildSpec": "jobs that build the software are not made here; submit with --noBuild",
    "mergeSpec": "outputs of users' tasks are not merged here; leave it out",
    "mergeOutput": "outputs of users' tasks are not merged here; leave it out",
    "multiStepExec": "a user's task runs one program per job; leave it out",
    "excludedSite": "name the queue that you want in site, or none",
    "includedSite": "name the queue that you want in site, or none",
    "pfnList": "inputs are taken from datasets; name one in jobParameters",
    "cpuTime": "say how long a job takes in walltime, in seconds",
    "nGBPerJob": "jobs are made by files; give nFilesPerJob",
}


def read_parameters(data: Mapping[str, Any]) -> UserDefinition:
    """Read and check a task's parameters.

    Raises:
        ContractError: one of them is missing, of the wrong kind, or orders what is not done here.
    """
    said = {name: value for name, value in data.items() if _says(value)}
    for name, value in said.items():
        if name in _REMEDIES:
            raise _refused(name, value, _REMEDIES[name])
        if name not in _PLAIN and name not in _SPECIAL and name not in _PASSED_OVER:
            raise no_such_field(name, [*_PLAIN, *_SPECIAL, *_PASSED_OVER], "a user's task")
    values = {field: _plain(name, said[name]) for name, (field, *_) in _PLAIN.items() if name in said}
    if "transformation" not in values:
        raise ContractError("transPath: missing; name the program that each job runs", field_name="transPath")
    found = UserDefinition(name=_name(said), parts=(), **(values | _resources(said, values.get("cores", 1))))
    return _checked(_with_files(found, said))


def _says(value: Any) -> bool:
    """Clients write down what they do not want, too: false, or an empty list."""
    return says_something(value) and value is not False and value not in ([], {})


def _plain(name: str, raw: Any) -> Any:
    _, kind, low, high = _PLAIN[name]
    value = read(raw, kind, name)
    if kind is INTEGER and not low <= value <= high:
        raise _refused(name, value, f"give a number from {low} to {high}")
    if kind is TEXT and (len(value) > high or not value.isprintable()):
        raise _refused(name, value, f"give at most {high} characters without control characters")
    return value


def _name(said: Mapping[str, Any]) -> str:
    name = str(read(said.get("taskName", ""), TEXT, "taskName")).rstrip("/")
    if not _NAME.fullmatch(name):
        raise _refused("taskName", name, "give letters, digits and _ . + : - of at most 100 characters")
    return name


def _resources(said: Mapping[str, Any], cores: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "ramCount" in said:
        unit = said.get("ramCountUnit", "MB")
        if unit not in ("MB", "MBPerCore", "MBPerCoreFixed"):
            raise _refused("ramCountUnit", unit, "give MB, MBPerCore or MBPerCoreFixed")
        memory = _between("ramCount", said["ramCount"], 0, 2**31 - 1)
        found["memory"] = min(2**31 - 1, int(memory) * (1 if unit == "MB" else cores))
    if said.get("walltimeUnit", "s") != "s":
        raise _refused("walltimeUnit", said["walltimeUnit"], "give walltime in seconds, and s as its unit")
    if "maxWalltime" in said:
        found["max_walltime"] = int(_between("maxWalltime", said["maxWalltime"], 0, 10_000) * _HOUR)
    if "noLoopingCheck" in said:
        found["looping_check"] = not read(said["noLoopingCheck"], TRUTH, "noLoopingCheck")
    return found


def _between(name: str, raw: Any, low: int, high: int) -> float:
    value: float = read(raw, NUMBER, name)
    if not low <= value <= high:
        raise _refused(name, value, f"give a number from {low} to {high}")
    return value


def _with_files(task: UserDefinition, said: Mapping[str, Any]) -> UserDefinition:
    """Add what stands in ``jobParameters`` and ``log``: the argument list, and the files."""
    parts: list[Part] = []
    outputs: list[Template] = []
    sources: list[Source] = []
    for at, entry in enumerate(_entries(said.get("jobParameters", []))):
        where = f"jobParameters[{at}]"
        part, template, source = _read_entry(entry, where)
        parts += [part] if part else []
        outputs += [template] if template else []
        sources += [source] if source else []
    if len(sources) > 1:
        raise _refused("jobParameters", [source.dataset for source in sources], "a task reads one dataset here")
    log = _template(read(said["log"], OBJECT, "log"), "log") if "log" in said else None
    return replace(task, parts=tuple(parts), outputs=tuple(outputs), log=log, source=sources[0] if sources else None)


def _entries(raw: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(raw, list) or not all(isinstance(entry, Mapping) for entry in raw):
        raise _refused("jobParameters", raw, "a list of objects is expected, each with type and value")
    return raw


_ENTRY_KEYS = frozenset(
    {
        *("type", "value", "param_type", "dataset", "container", "hidden", "padding", "offset", "expand"),
        *("consolidate", "exclude", "files", "destination", "token", "allowNoOutput"),
    }
)


def _read_entry(entry: Mapping[str, Any], where: str) -> tuple[Part | None, Template | None, Source | None]:
    for key, value in entry.items():
        if key not in _ENTRY_KEYS and _says(value):
            raise no_such_field(key, _ENTRY_KEYS, where)
    kind, role = entry.get("type"), entry.get("param_type")
    if kind not in ("constant", "template"):
        raise _refused(f"{where}.type", kind, "give constant or template")
    text = read(entry.get("value", ""), TEXT, f"{where}.value") if entry.get("value") else ""
    _check_placeholders(text, f"{where}.value")
    offset = _between(f"{where}.offset", entry["offset"], 0, 10**15) if says_something(entry.get("offset")) else None
    hidden = read(entry.get("hidden") or False, TRUTH, f"{where}.hidden")
    padding = read(entry.get("padding", True), TRUTH, f"{where}.padding")
    number = None if offset is None else int(offset)
    part = None if hidden else Part(text, padding, None if role == "input" else number)
    if kind == "constant" or role in ("number", "pseudo_input"):
        return part, None, None
    try:
        return part, *_FILES[str(role)](entry, where)
    except KeyError:
        raise _refused(f"{where}.param_type", role, "give input, pseudo_input, output or number") from None


def _template(entry: Mapping[str, Any], where: str) -> Template:
    if says_something(entry.get("token")):
        raise _refused(f"{where}.token", entry["token"], "name a storage in destination, or none")
    lfn = read(entry.get("value"), TEXT, f"{where}.value")
    _check_placeholders(lfn, f"{where}.value")
    dataset = _dataset(entry, where)
    _check_placeholders(dataset, f"{where}.dataset")
    return Template(
        lfn=lfn,
        dataset=dataset,
        endpoint=read(entry.get("destination") or "", TEXT, f"{where}.destination"),
        may_be_missing=read(entry.get("allowNoOutput") or False, TRUTH, f"{where}.allowNoOutput"),
    )


def _source(entry: Mapping[str, Any], where: str) -> Source:
    if entry.get("exclude") and entry["exclude"] != LOGS:
        raise _refused(f"{where}.exclude", entry["exclude"], "patterns are not read; list the names wanted in files")
    files = entry.get("files") or []
    if not isinstance(files, list):
        raise _refused(f"{where}.files", files, "give a list of file names")
    lfns = tuple(read(name, TEXT, f"{where}.files") for name in files)
    skipped = _between(f"{where}.offset", entry.get("offset") or 0, 0, 10**9)
    return Source(_dataset(entry, where), lfns, int(skipped), bool(entry.get("exclude")))


def _dataset(entry: Mapping[str, Any], where: str) -> str:
    name = str(read(entry.get("dataset") or "", TEXT, f"{where}.dataset")).rstrip("/")
    if not name or len(name) > 255:
        raise _refused(f"{where}.dataset", name, "give the name of a dataset, of at most 255 characters")
    return name


_FILES: Mapping[str, Callable[[Mapping[str, Any], str], tuple[Template | None, Source | None]]] = {
    "output": lambda entry, where: (_template(entry, where), None),
    "input": lambda entry, where: (None, _source(entry, where)),
}


def _check_placeholders(text: str, where: str) -> None:
    for found in PLACEHOLDER.finditer(text):
        if found[1] not in PLACEHOLDERS:
            known = ", ".join(f"${{{name}}}" for name in PLACEHOLDERS)
            raise _refused(where, found[0], f"nothing stands for it here; there are {known} and $JEDITASKID")
    if "$PANDAID" in text or "$JOBSETID" in text:
        raise _refused(where, text, "files are named before jobs have numbers; use ${SN} and $JEDITASKID")


def _checked(task: UserDefinition) -> UserDefinition:
    if task.source is not None and (task.events or task.events_per_job):
        name = "nEvents" if task.events else "nEventsPerJob"
        raise _refused(name, task.events or task.events_per_job, "a task with an input has jobs by files: nFilesPerJob")
    if task.events_per_job and not task.events:
        raise _refused("nEventsPerJob", task.events_per_job, "say how many there are in all in nEvents")
    if task.events and task.files:
        raise _refused("nFiles", task.files, "a task without input has either events or files; leave one out")
    if "${SURL}" in "".join(part.text for part in task.parts) and not task.source_url:
        raise ContractError("sourceURL: missing; ${SURL} in jobParameters stands for it", field_name="sourceURL")
    return task
