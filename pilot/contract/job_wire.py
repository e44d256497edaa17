"""A job as PanDA's dispatcher hands it to a pilot: one flat dictionary, files as parallel comma lists.

Facts: the reply of getJob as seen with stock pilots and as read in the public sources. Absent text is ``"NULL"``.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from pilot.contract.codec import INTEGER, NOTHING, TEXT, TRUTH, ContractError, Kind, read
from pilot.contract.job import PANDA_MB, FileSpec, JobSpec, Role

NULL = "NULL"
_ALGORITHMS = {"ad": "adler32", "md": "md5"}
_SHORT = {long: short for short, long in _ALGORITHMS.items()}


def checksum_to_panda(checksum: Optional[str]) -> str:
    """Turn ``adler32:1e720467`` into ``ad:1e720467``."""
    if not checksum:
        return NULL
    algorithm, _, value = checksum.partition(":")
    return f"{_SHORT.get(algorithm, algorithm)}:{value}"


def checksum_from_panda(text: str) -> Optional[str]:
    """Turn ``ad:1e720467`` into ``adler32:1e720467``; a bare value of 8 or 32 hex digits is told by its length."""
    if text in NOTHING:
        return None
    algorithm, colon, value = text.partition(":")
    if not colon:
        algorithm, value = ("ad" if len(text) == 8 else "md"), text
    long = _ALGORITHMS.get(algorithm, algorithm)
    if long not in _SHORT or not value or set(value.lower()) - set("0123456789abcdef"):
        raise ContractError(f"checksum: {text!r} is not ad:<hex> or md:<hex>", field_name="checksum")
    return f"{long}:{value.lower()}"


def _mb(size: int) -> int:
    return -(-size // PANDA_MB)


def _listed(files: Sequence[FileSpec], attribute: str) -> str:
    return ",".join(str(getattr(file, attribute) or NULL) for file in files)


def to_panda(spec: JobSpec) -> dict[str, Any]:
    """Write a job the way PanDA's getJob answers it; every key that stock pilots look for is present."""
    stored = (*spec.outputs, *((spec.log,) if spec.log else ()))
    job: dict[str, Any] = {
        "PandaID": spec.id,
        "attemptNr": spec.attempt,
        "taskID": spec.task_id if spec.task_id is not None else NULL,
        "jobsetID": NULL,
        "jobDefinitionID": 0,
        "reqID": NULL,
        "jobName": spec.name or f"job.{spec.id}",
        "prodSourceLabel": spec.label,
        "processingType": spec.processing_type or NULL,
        "prodUserID": spec.user or NULL,
        "workingGroup": spec.working_group or NULL,
        "transformation": spec.transformation,
        "jobPars": shlex.join(spec.arguments),
        "swRelease": spec.release or NULL,
        "homepackage": spec.home_package or NULL,
        "cmtConfig": spec.platform or NULL,
        "coreCount": spec.cores,
        "currentPriority": spec.priority,
        "maxWalltime": spec.max_walltime,
        "maxCpuCount": spec.max_cpu_time,
        "minRamCount": _mb(spec.memory),
        "maxDiskCount": _mb(spec.disk),
        "transferType": NULL,
        "cloud": NULL,
        "nucleus": NULL,
        "sourceSite": NULL,
        "destinationSE": NULL,
        "fileDestinationSE": NULL,
        "resource_type": NULL,
        "ioIntensity": 0,
        "ioIntensityUnit": NULL,
        "prodDBlocks": _listed(spec.inputs, "dataset"),
        "prodDBlockToken": ",".join(NULL for _ in spec.inputs),
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
    if spec.container:
        rare["container_name"] = spec.container
    if not spec.looping_check:
        rare["loopingCheck"] = False
    if spec.debug:
        rare["debug"] = "True"
    if spec.allow_no_output:
        rare["allowNoOutput"] = ",".join(spec.allow_no_output)
    return rare


def from_panda(job: Mapping[str, Any]) -> JobSpec:
    """Read a job dictionary from a PanDA or COMPASS dispatcher; keys that this pilot does not use are passed over.

    Raises:
        ContractError: a field that is needed is missing, or holds what it cannot hold.
    """
    reader = _Reader(job)
    log_name = reader.text("logFile")
    outputs = reader.stored(log_name)
    return JobSpec(
        id=reader.required("PandaID", INTEGER),
        attempt=reader.number("attemptNr"),
        transformation=reader.required("transformation", TEXT),
        arguments=reader.arguments(),
        name=reader.text("jobName"),
        task_id=reader.optional("taskID", INTEGER),
        label=reader.text("prodSourceLabel") or "managed",
        processing_type=reader.text("processingType"),
        user=reader.text("prodUserID"),
        working_group=reader.text("workingGroup"),
        release=reader.text("swRelease"),
        home_package=reader.text("homepackage"),
        platform=reader.text("cmtConfig"),
        container=reader.text("container_name"),
        cores=max(1, reader.number("coreCount")),
        priority=reader.number("currentPriority"),
        max_walltime=max(0, reader.number("maxWalltime")),
        max_cpu_time=max(0, reader.number("maxCpuCount")),
        memory=max(0, reader.number("minRamCount")) * PANDA_MB,
        disk=max(0, reader.number("maxDiskCount")) * PANDA_MB,
        looping_check=reader.truth("loopingCheck", True),
        allow_no_output=tuple(reader.listed("allowNoOutput")),
        debug=reader.truth("debug", False),
        inputs=reader.inputs(),
        outputs=tuple(file for file in outputs if file.role is Role.OUTPUT),
        log=next((file for file in outputs if file.role is Role.LOG), None),
    )


class _Reader:
    """Reads one job dictionary, field by field."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job = job

    def optional(self, name: str, kind: Kind) -> Any:
        raw = self.job.get(name)
        return None if any(raw is empty or raw == empty for empty in NOTHING) else read(raw, kind, name)

    def required(self, name: str, kind: Kind) -> Any:
        value = self.optional(name, kind)
        if value is None:
            raise ContractError(f"{name}: missing; {kind.expected} is expected", field_name=name)
        return value

    def text(self, name: str) -> str:
        return str(self.optional(name, TEXT) or "")

    def number(self, name: str) -> int:
        return int(self.optional(name, INTEGER) or 0)

    def truth(self, name: str, default: bool) -> bool:
        value = self.optional(name, TRUTH)
        return default if value is None else bool(value)

    def listed(self, name: str) -> list[str]:
        text = self.text(name)
        return [("" if part in NOTHING else part) for part in text.split(",")] if text else []

    def arguments(self) -> tuple[str, ...]:
        try:
            return tuple(shlex.split(self.text("jobPars")))
        except ValueError as wrong:
            raise ContractError(f"jobPars: cannot be split into arguments: {wrong}", field_name="jobPars") from wrong

    def column(self, name: str, count: int) -> list[str]:
        """Read a parallel list; one that is absent says nothing of any file, one of another length is a fault."""
        values = self.listed(name)
        if not values:
            return [""] * count
        if len(values) != count:
            raise ContractError(f"{name}: {len(values)} entries for {count} files", field_name=name)
        return values

    def inputs(self) -> tuple[FileSpec, ...]:
        names = [name for name in self.listed("inFiles") if name]
        columns = {
            key: self.column(key, len(names))
            for key in ("GUID", "fsize", "checksum", "scopeIn", "realDatasetsIn", "ddmEndPointIn")
        }
        files = [
            FileSpec(
                lfn=checked_lfn(name, "inFiles"),
                role=Role.INPUT,
                scope=columns["scopeIn"][at],
                dataset=columns["realDatasetsIn"][at],
                size=read(columns["fsize"][at], INTEGER, "fsize") if columns["fsize"][at] else None,
                checksum=checksum_from_panda(columns["checksum"][at]),
                endpoint=columns["ddmEndPointIn"][at],
                guid=columns["GUID"][at],
            )
            for at, name in enumerate(names)
        ]
        return tuple({file.lfn: file for file in files}.values())

    def stored(self, log_name: str) -> list[FileSpec]:
        names = [name for name in self.listed("outFiles") if name]
        datasets, endpoints = self.column("realDatasets", len(names)), self.column("ddmEndPointOut", len(names))
        scopes = iter(self.column("scopeOut", sum(name != log_name for name in names)))
        files = []
        for at, name in enumerate(names):
            is_log = name == log_name
            files.append(
                FileSpec(
                    lfn=checked_lfn(name, "outFiles"),
                    role=Role.LOG if is_log else Role.OUTPUT,
                    scope=self.text("scopeLog") if is_log else next(scopes),
                    dataset=datasets[at],
                    endpoint=endpoints[at],
                    guid=self.text("logGUID") if is_log else "",
                )
            )
        if log_name and log_name not in names:
            guid, scope = self.text("logGUID"), self.text("scopeLog")
            files.append(FileSpec(lfn=checked_lfn(log_name, "logFile"), role=Role.LOG, scope=scope, guid=guid))
        return files


def checked_lfn(name: str, field_name: str) -> str:
    """Answer a file name that is a plain name; one that could leave its directory or break a list is refused."""
    if name in ("", ".", "..") or "/" in name or "," in name or not name.isprintable():
        wanted = "a plain file name without slash, comma or control characters"
        raise ContractError(f"{field_name}: {name!r} is not {wanted}", field_name=field_name)
    return name
