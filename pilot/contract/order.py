"""A job as it is submitted over HTTP: one JSON object with PanDA's column names, files as a list of objects."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from pilot.contract.codec import INTEGER, NOTHING, OBJECT, TEXT, TRUTH, ContractError, Kind, read
from pilot.contract.job import PANDA_MB, FileSpec, JobOrder, JobSpec, Role
from pilot.contract.job_wire import checked_lfn, checksum_from_panda, checksum_to_panda

_FILE_KEYS = {"lfn", "type", "scope", "dataset", "fsize", "checksum", "endpoint", "GUID"}

#: PanDA's column -> (our field, kind); sizes come in PanDA's MB.
_COLUMNS: dict[str, tuple[str, Kind]] = {
    "transformation": ("transformation", TEXT),
    "jobName": ("name", TEXT),
    "jediTaskID": ("task_id", INTEGER),
    "prodSourceLabel": ("label", TEXT),
    "processingType": ("processing_type", TEXT),
    "prodUserName": ("user", TEXT),
    "workingGroup": ("working_group", TEXT),
    "AtlasRelease": ("release", TEXT),
    "homepackage": ("home_package", TEXT),
    "cmtConfig": ("platform", TEXT),
    "container_name": ("container", TEXT),
    "coreCount": ("cores", INTEGER),
    "currentPriority": ("priority", INTEGER),
    "maxWalltime": ("max_walltime", INTEGER),
    "maxCpuCount": ("max_cpu_time", INTEGER),
    "minRamCount": ("memory", INTEGER),
    "maxDiskCount": ("disk", INTEGER),
}
_ORDER_KEYS = {"computingSite", "maxAttempt", "gshare", "waits", "jobParameters", "files"}
_LOWEST = {"cores": 1}
_SIGNED = {"priority"}
_IN_MB = {"memory", "disk"}


def _said(value: Any) -> bool:
    return not any(value is empty or value == empty for empty in NOTHING)


def order_from_wire(data: Mapping[str, Any]) -> JobOrder:
    """Read one submitted job.

    Raises:
        ContractError: a field is unknown, missing, out of range or of the wrong kind, or a file is named twice.
    """
    for key in data:
        if key not in _COLUMNS and key not in _ORDER_KEYS:
            raise ContractError(f"{key}: no such field in a job", field_name=key)
    for key in ("computingSite", "transformation"):
        if not _said(data.get(key)):
            raise ContractError(f"{key}: missing; text is expected", field_name=key)
    values = {
        name: _column(data[key], key, name, kind) for key, (name, kind) in _COLUMNS.items() if _said(data.get(key))
    }
    files = [_file(entry, at) for at, entry in enumerate(_file_entries(data))]
    _refuse_doubles(files)
    logs = [file for file in files if file.role is Role.LOG]
    if len(logs) > 1:
        raise ContractError(f"files: two logs, {logs[0].lfn} and {logs[1].lfn}; one at most", field_name="files")
    spec = JobSpec(
        id=0,
        attempt=0,
        arguments=_arguments(data.get("jobParameters")),
        inputs=tuple(file for file in files if file.role is Role.INPUT),
        outputs=tuple(file for file in files if file.role is Role.OUTPUT),
        log=logs[0] if logs else None,
        **values,
    )
    attempts = read(data.get("maxAttempt", 3), INTEGER, "maxAttempt")
    if not 1 <= attempts <= 100:
        raise ContractError(f"maxAttempt: {attempts} is not between 1 and 100", field_name="maxAttempt")
    return JobOrder(
        spec=spec,
        queue=read(data["computingSite"], TEXT, "computingSite"),
        max_attempts=attempts,
        share=str(data.get("gshare") or ""),
        waits=read(data.get("waits", False), TRUTH, "waits"),
    )


def _column(raw: Any, key: str, name: str, kind: Kind) -> Any:
    value = read(raw, kind, key)
    if kind is not INTEGER:
        return value
    lowest = _LOWEST.get(name, 0)
    if name not in _SIGNED and value < lowest:
        raise ContractError(f"{key}: {value} is less than {lowest}", field_name=key)
    return value * PANDA_MB if name in _IN_MB else value


def _arguments(raw: Any) -> tuple[str, ...]:
    """Take a list of arguments as it is, and PanDA's one text as a shell would split it."""
    if raw is None:
        return ()
    if isinstance(raw, (list, tuple)):
        return tuple(read(part, TEXT, "jobParameters") for part in raw)
    try:
        return tuple(shlex.split(read(raw, TEXT, "jobParameters")))
    except ValueError as wrong:
        text = f"jobParameters: cannot be split into arguments: {wrong}"
        raise ContractError(text, field_name="jobParameters") from wrong


def _file_entries(data: Mapping[str, Any]) -> list[Any]:
    entries = data.get("files", [])
    if not isinstance(entries, (list, tuple)):
        raise ContractError("files: a list of objects is expected", field_name="files")
    return list(entries)


def _file(entry: Any, at: int) -> FileSpec:
    where = f"files[{at}]"
    found = read(entry, OBJECT, where)
    if unknown := sorted(set(found) - _FILE_KEYS):
        raise ContractError(f"{where}.{unknown[0]}: no such field of a file", field_name=f"{where}.{unknown[0]}")
    try:
        role = Role(found.get("type"))
    except ValueError as wrong:
        text = f"{where}.type: {found.get('type')!r} is not input, output or log"
        raise ContractError(text, field_name=f"{where}.type") from wrong
    size = read(found["fsize"], INTEGER, f"{where}.fsize") if _said(found.get("fsize")) else None
    if size is not None and size < 0:
        raise ContractError(f"{where}.fsize: {size} is less than 0", field_name=f"{where}.fsize")
    return FileSpec(
        lfn=checked_lfn(str(found.get("lfn") or ""), f"{where}.lfn"),
        role=role,
        scope=_plain(found, "scope", where),
        dataset=_plain(found, "dataset", where),
        size=size,
        checksum=checksum_from_panda(str(found.get("checksum") or "")),
        endpoint=_plain(found, "endpoint", where),
        guid=_plain(found, "GUID", where),
    )


def _plain(found: Mapping[str, Any], key: str, where: str) -> str:
    """Read text that travels in a comma list."""
    value = str(found.get(key) or "")
    if "," in value or not value.isprintable():
        raise ContractError(
            f"{where}.{key}: {value!r} holds a comma or a control character", field_name=f"{where}.{key}"
        )
    return value


def _refuse_doubles(files: list[FileSpec]) -> None:
    seen: set[tuple[bool, str]] = set()
    for file in files:
        key = (file.role is Role.INPUT, file.lfn)
        if key in seen:
            raise ContractError(f"files: {file.lfn} is named twice", field_name="files")
        seen.add(key)


def order_to_wire(order: JobOrder) -> dict[str, Any]:
    """Write one job for submission; fields that hold their default are left out."""
    spec, plain = order.spec, JobSpec(id=0, attempt=0, transformation="")
    data: dict[str, Any] = {"computingSite": order.queue, "maxAttempt": order.max_attempts}
    for key, (name, _) in _COLUMNS.items():
        value = getattr(spec, name)
        if value != getattr(plain, name):
            data[key] = -(-value // PANDA_MB) if name in _IN_MB else value
    if spec.arguments:
        data["jobParameters"] = list(spec.arguments)
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
