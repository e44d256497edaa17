"""A job as PanDA's dispatcher hands it to a pilot: one flat dictionary, files as parallel comma lists.

Facts: the reply of getJob as seen with stock pilots and as read in the public sources. Absent text is ``"NULL"``.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional

from pilot.contract.archives import input_name, read_archives, take_archives, write_archives
from pilot.contract.codec import (
    INTEGER,
    NOTHING,
    OBJECT,
    TEXT,
    TRUTH,
    ContractError,
    Kind,
    read,
    says_something,
    shown,
)
from pilot.contract.container_order import container_to_panda, read_container, take_image
from pilot.contract.input_lists import read_lists, write_lists
from pilot.contract.job import PANDA_MB, FileSpec, JobSpec, Program, Role
from pilot.contract.job_refusals import refuse

NULL = "NULL"
_ALGORITHMS = {"ad": "adler32", "md": "md5"}
_SHORT = {long: short for short, long in _ALGORITHMS.items()}
_DIGITS = {"adler32": 8, "md5": 32}

#: Bytes of a file name that every file system takes.
LONGEST_LFN = 255

#: How such a field says that nothing is asked for.
_NOT_WANTED = ("false", "0", "{}")


def checksum_to_panda(checksum: Optional[str]) -> str:
    """Turn ``adler32:1e720467`` into ``ad:1e720467``."""
    if not checksum:
        return NULL
    algorithm, _, value = checksum.partition(":")
    return f"{_SHORT.get(algorithm, algorithm)}:{value}"


def checksum_from_panda(text: str) -> Optional[str]:
    """Turn ``ad:1e720467`` into ``adler32:1e720467``; a bare value of 8 or 32 hex digits is told by its length.

    Zeros that some tools leave out at the front of an adler32 are put back.
    """
    if text in NOTHING:
        return None
    algorithm, colon, value = text.partition(":")
    if not colon:
        algorithm, value = ("ad" if len(text) == 8 else "md"), text
    long = _ALGORITHMS.get(algorithm.lower(), algorithm.lower())
    value = value.lower().zfill(8) if long == "adler32" and value else value.lower()
    if long not in _SHORT or len(value) != _DIGITS[long] or set(value) - set("0123456789abcdef"):
        wanted = "ad:<8 hex digits> or md:<32 hex digits>"
        raise ContractError(f"checksum: {shown(text)} is not {wanted}", field_name="checksum")
    return f"{long}:{value}"


def _mb(size: int) -> int:
    return -(-size // PANDA_MB)


def _listed(files: Sequence[FileSpec], attribute: str) -> str:
    return ",".join(str(getattr(file, attribute) or NULL) for file in files)


def _joined(arguments: Sequence[str]) -> str:
    text = shlex.join(arguments)
    return f"'{text}'" if text in NOTHING and arguments else text  # a lone argument NULL must not read as nothing


def to_panda(spec: JobSpec) -> dict[str, Any]:
    """Write a job the way PanDA's getJob answers it; every key that stock pilots look for is present."""
    stored = (*spec.outputs, *((spec.log,) if spec.log else ()))
    job: dict[str, Any] = {
        "PandaID": spec.id,
        "attemptNr": spec.attempt,
        "taskID": spec.task_id if spec.task_id is not None else NULL,
        "jobsetID": spec.jobset_id if spec.jobset_id is not None else NULL,
        "jobDefinitionID": 0,
        "reqID": NULL,
        "jobName": spec.name or NULL,
        "prodSourceLabel": spec.label,
        "processingType": spec.processing_type or NULL,
        "prodUserID": spec.user or NULL,
        "workingGroup": spec.working_group or NULL,
        "transformation": spec.transformation,
        "jobPars": _joined((*spec.arguments, *write_archives(spec.archives))),
        "swRelease": spec.release or NULL,
        "homepackage": spec.home_package or NULL,
        "cmtConfig": spec.platform or NULL,
        "coreCount": spec.cores,
        "currentPriority": spec.priority,
        "maxWalltime": spec.max_walltime,
        "maxCpuCount": spec.max_cpu_time,
        "minRamCount": _mb(spec.memory),
        "maxDiskCount": _mb(spec.disk),
        "transferType": "direct" if spec.direct else NULL,
        "cloud": NULL,
        "nucleus": NULL,
        "sourceSite": NULL,
        "destinationSE": NULL,
        "fileDestinationSE": ",".join(NULL for _ in stored),
        "resource_type": spec.resource_type or NULL,
        "ioIntensity": 0,
        "ioIntensityUnit": NULL,
        "prodDBlocks": _listed(spec.inputs, "dataset"),
        "prodDBlockToken": ",".join("local" if file.copied else NULL for file in spec.inputs),
        "dispatchDblock": NULL,
        "dispatchDBlockToken": NULL,
        "dispatchDBlockTokenForOut": ",".join(NULL for _ in stored),
        "destinationDblock": _listed(stored, "dataset"),
        "destinationDBlockToken": ",".join(NULL for _ in stored),
    }
    return {**job, **_files_to_panda(spec, stored), **_rarities_to_panda(spec)}


def _files_to_panda(spec: JobSpec, stored: Sequence[FileSpec]) -> dict[str, Any]:
    log = spec.log
    return {
        "inFiles": ",".join(file.lfn for file in spec.inputs),
        "GUID": _listed(spec.inputs, "guid"),
        "fsize": ",".join(NULL if file.size is None else str(file.size) for file in spec.inputs),
        "checksum": ",".join(checksum_to_panda(file.checksum) for file in spec.inputs),
        "scopeIn": _listed(spec.inputs, "scope"),
        "realDatasetsIn": _listed(spec.inputs, "dataset"),
        "ddmEndPointIn": _listed(spec.inputs, "endpoint"),
        "outFiles": ",".join(file.lfn for file in stored),
        "realDatasets": _listed(stored, "dataset"),
        "ddmEndPointOut": _listed(stored, "endpoint"),
        # Stock pilots want no entry for the log here.
        "scopeOut": _listed(spec.outputs, "scope"),
        "logFile": log.lfn if log else NULL,
        "logGUID": (log.guid if log else "") or NULL,
        "scopeLog": (log.scope if log else "") or NULL,
    }


def _rarities_to_panda(spec: JobSpec) -> dict[str, Any]:
    """Keys that PanDA sends only when they say something."""
    rare: dict[str, Any] = {}
    for name, text in (("compassSignature", spec.signature), ("writeToFile", write_lists(spec.input_lists))):
        if text:
            rare[name] = text
    rare.update(container_to_panda(spec.container, spec.container_script, spec.container_options))
    said = (
        ("isHPO", spec.iterative, True),
        ("loopingCheck", not spec.looping_check, False),
        ("debug", spec.debug, "True"),
        ("useSecrets", spec.uses_secrets, "True"),
        ("eventService", spec.events, "True"),
        ("eventServiceMerge", spec.merges_events, "True"),
        ("allowNoOutput", spec.allow_no_output, ",".join(spec.allow_no_output)),
        ("altStageOut", spec.alternative_storage is not None, "on" if spec.alternative_storage else "off"),
    )
    rare.update({name: value for name, says_so, value in said if says_so})
    for name, program in spec.programs.items():
        rare[name] = {"command": program.command, "args": shlex.join(program.arguments)}
    return rare


def from_panda(job: Mapping[str, Any]) -> JobSpec:
    """Read a job dictionary from a PanDA or COMPASS dispatcher; keys that this pilot does not use are passed over.

    Raises:
        ContractError: a field that is needed is missing, or holds what it cannot hold.
    """
    if not isinstance(job, Mapping):
        raise ContractError(f"job: {shown(job)} is not a JSON object", field_name="job")
    reader = _Reader(job)
    merges = reader.truth("eventServiceMerge", False)
    events = reader.truth("eventService", False) and not merges
    inputs, stored = reader.inputs(), reader.stored(reader.text("logFile"))
    _refuse_doubles([*inputs, *stored])
    refuse(job)
    words, archives = take_archives(reader.arguments())
    arguments, image = take_image(words)
    container = read_container(reader.text("container_name"), job.get("containerOptions"), image)
    spec = JobSpec(
        id=reader.required("PandaID", INTEGER, lowest=1),
        attempt=reader.number("attemptNr", lowest=0),
        transformation=reader.required("transformation", TEXT),
        arguments=arguments,
        name=reader.text("jobName"),
        task_id=reader.optional("taskID", INTEGER),
        label=reader.text("prodSourceLabel") or "managed",
        processing_type=reader.text("processingType"),
        user=reader.text("prodUserID"),
        working_group=reader.text("workingGroup"),
        release=reader.text("swRelease"),
        home_package=reader.text("homepackage"),
        platform=reader.text("cmtConfig"),
        container=container.image,
        container_script=container.script,
        container_options=container.options,
        cores=max(1, reader.number("coreCount")),
        priority=reader.number("currentPriority"),
        max_walltime=max(0, reader.number("maxWalltime")),
        max_cpu_time=max(0, reader.number("maxCpuCount")),
        memory=max(0, reader.number("minRamCount")) * PANDA_MB,
        disk=max(0, reader.number("maxDiskCount")) * PANDA_MB,
        allow_no_output=tuple(reader.listed("allowNoOutput")),
        inputs=inputs,
        outputs=tuple(file for file in stored if file.role is Role.OUTPUT),
        log=next((file for file in stored if file.role is Role.LOG), None),
        preprocess=reader.program("preprocess"),
        postprocess=reader.program("postprocess"),
        coprocess=reader.program("coprocess"),
        iterative=reader.iterative(),
        signature=reader.text("compassSignature"),
        events=events,
        merges_events=merges,
        input_lists=read_lists(reader.text("writeToFile")) if merges else (),
        jobset_id=reader.optional("jobsetID", INTEGER) if events else None,
        resource_type=reader.text("resource_type"),
        direct=reader.text("transferType") == "direct",
        alternative_storage=reader.optional("altStageOut", TRUTH),
        **_switches(reader),
    )
    return replace(spec, archives=read_archives(archives, spec)) if archives else spec


def _switches(reader: _Reader) -> dict[str, Any]:
    return {
        "looping_check": reader.truth("loopingCheck", True),
        "debug": reader.truth("debug", False),
        "uses_secrets": reader.truth("useSecrets", False),
    }


def _refuse_doubles(files: Sequence[FileSpec]) -> None:
    """An output under an input's name would be found even if the payload had not written it."""
    seen: set[str] = set()
    for file in files:
        if file.lfn in seen:
            field_name = "inFiles" if file.role is Role.INPUT else "outFiles"
            raise ContractError(f"{field_name}: {file.lfn} is named twice", field_name=field_name)
        seen.add(file.lfn)


def _split(text: str, name: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as wrong:
        raise ContractError(f"{name}: cannot be split into arguments: {wrong}", field_name=name) from wrong


class _Reader:
    """Reads one job dictionary, field by field."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job = job

    def optional(self, name: str, kind: Kind) -> Any:
        raw = self.job.get(name)
        return read(raw, kind, name) if says_something(raw) else None

    def required(self, name: str, kind: Kind, *, lowest: Optional[int] = None) -> Any:
        value = self.optional(name, kind)
        if value is None:
            raise ContractError(f"{name}: missing; {kind.expected} is expected", field_name=name)
        if lowest is not None and value < lowest:
            raise ContractError(f"{name}: {value} is less than {lowest}", field_name=name)
        return value

    def text(self, name: str) -> str:
        return str(self.optional(name, TEXT) or "")

    def number(self, name: str, *, lowest: Optional[int] = None) -> int:
        return int(self.required(name, INTEGER, lowest=lowest)) if says_something(self.job.get(name)) else 0

    def truth(self, name: str, default: bool) -> bool:
        value = self.optional(name, TRUTH)
        return default if value is None else bool(value)

    def listed(self, name: str) -> list[str]:
        text = self.text(name)
        return [("" if part in NOTHING else part) for part in text.split(",")] if text else []

    def arguments(self) -> tuple[str, ...]:
        return _split(self.text("jobPars"), "jobPars")

    def program(self, name: str) -> Optional[Program]:
        """Read ``{"command": ..., "args": ...}``; an empty object says nothing."""
        raw = self.job.get(name)
        if not says_something(raw) or str(raw).lower() in _NOT_WANTED:
            return None
        said = read(raw, OBJECT, name)
        if not says_something(said.get("command")):
            raise ContractError(f"{name}.command: missing; text is expected", field_name=f"{name}.command")
        command = read(said["command"], TEXT, f"{name}.command")
        args = read(said["args"], TEXT, f"{name}.args") if says_something(said.get("args")) else ""
        return Program(command, _split(args, f"{name}.args"))

    def iterative(self) -> bool:
        """Read whether the job is a search for parameters; only its preprocess can end one."""
        wanted = self.truth("isHPO", False)
        if wanted and self.program("preprocess") is None:
            raise ContractError("isHPO: there is no preprocess, which ends the iterations", field_name="isHPO")
        return wanted

    def column(self, name: str, count: int) -> list[str]:
        """Read a parallel list; one that says nothing at all says so of each file, one of another length is a fault."""
        values = self.listed(name)
        if not any(values):
            return [""] * count
        if len(values) != count:
            raise ContractError(f"{name}: {len(values)} entries for {count} files", field_name=name)
        return values

    def inputs(self) -> tuple[FileSpec, ...]:
        """Read the inputs; PanDA names a file again when several datasets hold it, and then says the same of it."""
        merges = self.truth("eventServiceMerge", False)
        names = [input_name(name, merges=merges) for name in self.listed("inFiles")]
        columns = {
            key: self.column(key, len(names))
            for key in ("GUID", "fsize", "checksum", "scopeIn", "realDatasetsIn", "ddmEndPointIn")
        }
        tokens = self.listed("prodDBlockToken")
        columns["prodDBlockToken"] = tokens if len(tokens) == len(names) else [""] * len(names)
        files: dict[str, FileSpec] = {}
        for at, name in enumerate(names):
            if not name:
                continue
            file = self.input_file(name, {key: values[at] for key, values in columns.items()})
            first = files.setdefault(name, file)
            if (first.size, first.checksum) != (file.size, file.checksum):
                text = f"inFiles: {name} is named twice, with different sizes or checksums"
                raise ContractError(text, field_name="inFiles")
        return tuple(files.values())

    def input_file(self, name: str, said: Mapping[str, str]) -> FileSpec:
        size = read(said["fsize"], INTEGER, "fsize") if said["fsize"] else None
        if size is not None and size < 0:
            raise ContractError(f"fsize: {size} of {name} is less than 0", field_name="fsize")
        return FileSpec(
            lfn=checked_lfn(name, "inFiles"),
            role=Role.INPUT,
            scope=said["scopeIn"],
            dataset=said["realDatasetsIn"],
            size=size,
            checksum=checksum_from_panda(said["checksum"]),
            endpoint=said["ddmEndPointIn"],
            guid=said["GUID"],
            copied=said["prodDBlockToken"] == "local",
        )

    def stored(self, log_name: str) -> list[FileSpec]:
        """Read outputs and log; the log is added at the end when the list of outputs does not name it."""
        names = self.listed("outFiles")
        datasets, endpoints = self.column("realDatasets", len(names)), self.column("ddmEndPointOut", len(names))
        scopes = self.output_scopes(names, log_name)
        files = []
        for at, name in enumerate(names):
            if name and name != log_name:
                lfn, dataset, endpoint = checked_lfn(name, "outFiles"), datasets[at], endpoints[at]
                files.append(FileSpec(lfn, Role.OUTPUT, scopes[at], dataset, endpoint=endpoint))
        if log_name:
            log = FileSpec(checked_lfn(log_name, "logFile"), Role.LOG, self.text("scopeLog"), guid=self.text("logGUID"))
            if log_name in names:
                at = names.index(log_name)
                log = log.evolve(dataset=datasets[at], endpoint=endpoints[at])
            files.append(log)
        return files

    def output_scopes(self, names: list[str], log_name: str) -> list[str]:
        """Read ``scopeOut``, which has no entry for the log; a peer that gives it one all the same is understood."""
        scopes = self.listed("scopeOut")
        if any(scopes) and len(scopes) == len(names):
            return scopes
        scopes = self.column("scopeOut", len(names) - names.count(log_name))
        left = iter(scopes)
        return ["" if name == log_name else next(left) for name in names]


def checked_lfn(name: str, field_name: str) -> str:
    """Answer a file name that is a plain name; one that could leave its directory or break a list is refused."""
    if name.startswith(("zip://", "gs://")):
        text = f"{field_name}: {shown(name)} is an address inside an archive or a store; name the file itself"
        raise ContractError(text, field_name=field_name)
    if name in (*NOTHING, ".", "..") or "/" in name or "," in name or not name.isprintable():
        wanted = "a plain file name without slash, comma or control characters"
        raise ContractError(f"{field_name}: {shown(name)} is not {wanted}", field_name=field_name)
    if name[0] in "-~ " or name[-1] == " ":
        text = f"{field_name}: {shown(name)} begins or ends with what programs take for something else"
        raise ContractError(text, field_name=field_name)
    if len(name.encode()) > LONGEST_LFN:
        text = f"{field_name}: {shown(name)} is longer than {LONGEST_LFN} bytes"
        raise ContractError(text, field_name=field_name)
    return name
