"""A job as it is submitted over HTTP: one JSON object with PanDA's column names, files as a list of objects."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pilot.contract.codec import (
    BIGGEST,
    INTEGER,
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
from pilot.contract.job import PANDA_MB, FileSpec, JobOrder, JobSpec, Role
from pilot.contract.job_wire import checked_lfn, checksum_from_panda, checksum_to_panda
from pilot.contract.naming import checked_folder, log_of_attempt

#: PanDA's column -> (our field, kind, most characters or highest number); sizes come in PanDA's MB.
_COLUMNS: dict[str, tuple[str, Kind, int]] = {
    "transformation": ("transformation", TEXT, 250),
    "jobName": ("name", TEXT, 256),
    "jediTaskID": ("task_id", INTEGER, BIGGEST),
    "prodSourceLabel": ("label", TEXT, 20),
    "processingType": ("processing_type", TEXT, 64),
    "prodUserName": ("user", TEXT, 60),
    "workingGroup": ("working_group", TEXT, 20),
    "AtlasRelease": ("release", TEXT, 64),
    "homepackage": ("home_package", TEXT, 80),
    "cmtConfig": ("platform", TEXT, 250),
    "container_name": ("container", TEXT, 200),
    "coreCount": ("cores", INTEGER, 2**15 - 1),
    "currentPriority": ("priority", INTEGER, 1_000_000),
    "maxWalltime": ("max_walltime", INTEGER, 2**31 - 1),
    "maxCpuCount": ("max_cpu_time", INTEGER, 2**31 - 1),
    "minRamCount": ("memory", INTEGER, 2**31 - 1),
    "maxDiskCount": ("disk", INTEGER, 2**31 - 1),
    "loopingCheck": ("looping_check", TRUTH, True),
    "debug": ("debug", TRUTH, True),
    "useSecrets": ("uses_secrets", TRUTH, True),
}
_ORDER_KEYS = {"computingSite", "maxAttempt", "gshare", "waits", "jobParameters", "files", "allowNoOutput"}
_FILE_TEXTS = {"scope": 30, "dataset": 255, "endpoint": 250, "GUID": 64}
_FILE_KEYS = {"lfn", "type", "fsize", "checksum", *_FILE_TEXTS}
_LOWEST = {"cores": 1, "priority": -1_000_000}
_IN_MB = {"memory", "disk"}


def order_from_wire(data: Mapping[str, Any]) -> JobOrder:
    """Read one submitted job; one that names no queue has "" there, and is sent to one by brokerage.

    Raises:
        ContractError: a field is unknown, missing, out of range or of the wrong kind, or a file is named twice.
    """
    data = read(data, OBJECT, "job")
    for key in data:
        if key not in _COLUMNS and key not in _ORDER_KEYS:
            raise no_such_field(key, [*_COLUMNS, *_ORDER_KEYS], "a job")
    if not says_something(data.get("transformation")):
        raise ContractError("transformation: missing; text is expected", field_name="transformation")
    values = {
        name: _column(data[key], key, name, kind, most)
        for key, (name, kind, most) in _COLUMNS.items()
        if says_something(data.get(key))
    }
    files = [_file(entry, f"files[{at}]") for at, entry in enumerate(_list(data, "files"))]
    _refuse_doubles(files)
    logs = [file for file in files if file.role is Role.LOG]
    outputs = tuple(file for file in files if file.role is Role.OUTPUT)
    spec = JobSpec(
        id=0,
        attempt=0,
        arguments=_arguments(data.get("jobParameters")),
        inputs=tuple(file for file in files if file.role is Role.INPUT),
        outputs=outputs,
        log=logs[0] if logs else None,
        allow_no_output=_may_be_missing(data, outputs),
        **values,
    )
    attempts = read(data["maxAttempt"], INTEGER, "maxAttempt") if says_something(data.get("maxAttempt")) else 3
    if not 1 <= attempts <= 100:
        raise ContractError(f"maxAttempt: {attempts} is not between 1 and 100", field_name="maxAttempt")
    return JobOrder(
        spec=spec,
        queue=_text(data["computingSite"], "computingSite", 128) if says_something(data.get("computingSite")) else "",
        max_attempts=attempts,
        share=_text(data["gshare"], "gshare", 32) if says_something(data.get("gshare")) else "",
        waits=read(data["waits"], TRUTH, "waits") if says_something(data.get("waits")) else False,
    )


def _column(raw: Any, key: str, name: str, kind: Kind, most: int) -> Any:
    if kind is TEXT:
        return _text(raw, key, most)
    value = read(raw, kind, key)
    if kind is INTEGER and not _LOWEST.get(name, 0) <= value <= most:
        text = f"{key}: {value} is not between {_LOWEST.get(name, 0)} and {most}"
        raise ContractError(text, field_name=key)
    return value * PANDA_MB if name in _IN_MB else value


def _text(raw: Any, key: str, most: int) -> str:
    value: str = read(raw, TEXT, key)
    if len(value) > most or not value.isprintable():
        wanted = f"text of at most {most} characters without control characters"
        raise ContractError(f"{key}: {shown(value)} is not {wanted}", field_name=key)
    return value


def _arguments(raw: Any) -> tuple[str, ...]:
    """Take a list of arguments as it is, and PanDA's one text as a shell would split it."""
    if not says_something(raw):
        return ()
    parts = raw if isinstance(raw, (list, tuple)) else (raw,)
    for part in parts:
        if isinstance(part, str) and "\0" in part:
            raise ContractError(f"jobParameters: {shown(part)} holds a NUL character", field_name="jobParameters")
    texts = tuple(read(part, TEXT, "jobParameters") for part in parts)
    if parts is raw:
        return texts
    try:
        return tuple(shlex.split(texts[0]))
    except ValueError as wrong:
        text = f"jobParameters: cannot be split into arguments: {wrong}"
        raise ContractError(text, field_name="jobParameters") from wrong


def _list(data: Mapping[str, Any], key: str) -> Sequence[Any]:
    entries = data.get(key)
    if entries is None:
        return ()
    if not isinstance(entries, (list, tuple)):
        raise ContractError(f"{key}: {shown(entries)} is not a list", field_name=key)
    return entries


def _may_be_missing(data: Mapping[str, Any], outputs: Sequence[FileSpec]) -> tuple[str, ...]:
    names = tuple(read(name, TEXT, "allowNoOutput") for name in _list(data, "allowNoOutput"))
    for name in names:
        if name not in {file.lfn for file in outputs}:
            raise ContractError(f"allowNoOutput: {shown(name)} is not an output", field_name="allowNoOutput")
    return names


def _file(entry: Any, where: str) -> FileSpec:
    found = read(entry, OBJECT, where)
    for key in found:
        if key not in _FILE_KEYS:
            raise no_such_field(key, _FILE_KEYS, where)
    said = {key: found[key] for key in found if says_something(found[key])}
    try:
        role = Role(said.get("type"))
    except ValueError as wrong:
        text = f"{where}.type: {shown(said.get('type'))} is not input, output or log"
        raise ContractError(text, field_name=f"{where}.type") from wrong
    size = read(said["fsize"], INTEGER, f"{where}.fsize") if "fsize" in said else None
    if size is not None and size < 0:
        raise ContractError(f"{where}.fsize: {size} is less than 0", field_name=f"{where}.fsize")
    lfn = checked_lfn(read(said.get("lfn", ""), TEXT, f"{where}.lfn"), f"{where}.lfn")
    if role is Role.LOG:
        checked_lfn(log_of_attempt(lfn, 100), f"{where}.lfn")  # the last attempt's log has a longer name
    texts = {key: _listed_text(said.get(key, ""), f"{where}.{key}", most) for key, most in _FILE_TEXTS.items()}
    return FileSpec(
        lfn=lfn,
        role=role,
        scope=checked_folder(texts["scope"], f"{where}.scope"),
        dataset=checked_folder(texts["dataset"], f"{where}.dataset"),
        size=size,
        checksum=checksum_from_panda(read(said.get("checksum", ""), TEXT, f"{where}.checksum")),
        endpoint=texts["endpoint"],
        guid=texts["GUID"],
    )


def _listed_text(raw: Any, key: str, most: int) -> str:
    """Read text that travels in a comma list."""
    value = _text(raw, key, most)
    if "," in value:
        raise ContractError(f"{key}: {shown(value)} holds a comma", field_name=key)
    return value


def _refuse_doubles(files: Sequence[FileSpec]) -> None:
    seen: dict[str, Role] = {}
    for file in files:
        if file.lfn in seen:
            roles = f"as {seen[file.lfn].value} and as {file.role.value}"
            raise ContractError(f"files: {file.lfn} is named twice, {roles}", field_name="files")
        seen[file.lfn] = file.role
    logs = [lfn for lfn, role in seen.items() if role is Role.LOG]
    if len(logs) > 1:
        raise ContractError(f"files: two logs, {logs[0]} and {logs[1]}; one at most", field_name="files")


def order_to_wire(order: JobOrder) -> dict[str, Any]:
    """Write one job for submission; fields that hold their default are left out."""
    spec, plain = order.spec, JobSpec(id=0, attempt=0, transformation="")
    data: dict[str, Any] = {**({"computingSite": order.queue} if order.queue else {}), "maxAttempt": order.max_attempts}
    for key, (name, *_) in _COLUMNS.items():
        value = getattr(spec, name)
        if value != getattr(plain, name):
            data[key] = -(-value // PANDA_MB) if name in _IN_MB else value
    if spec.arguments:
        data["jobParameters"] = list(spec.arguments)
    if spec.allow_no_output:
        data["allowNoOutput"] = list(spec.allow_no_output)
    if order.share:
        data["gshare"] = order.share
    if order.waits:
        data["waits"] = True
    if spec.files:
        data["files"] = [_file_to_wire(file) for file in spec.files]
    return data


def _file_to_wire(file: FileSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {"lfn": file.lfn, "type": file.role.value}
    if file.size is not None:
        entry["fsize"] = file.size
    if file.checksum:
        entry["checksum"] = checksum_to_panda(file.checksum)
    for key, value in (
        ("scope", file.scope),
        ("dataset", file.dataset),
        ("endpoint", file.endpoint),
        ("GUID", file.guid),
    ):
        if value:
            entry[key] = value
    return entry
