"""Jobs as PanDA's clients write them: a list of columns in PanDA's order, with a list of files at its end.

A column that orders something which is not done here is refused by its name; those that PanDA's server fills in itself,
or that steer what only PanDA has, are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pilot.contract.codec import ContractError, Kind, says_something, shown
from server.dispatcher.columns import FILE_COLUMNS, JOB_COLUMNS

Named = Mapping[str, Any]

#: Columns that mean the same where jobs are submitted here.
_SAME = (
    *("transformation", "jobName", "jediTaskID", "prodSourceLabel", "processingType", "prodUserName", "workingGroup"),
    *("AtlasRelease", "homepackage", "cmtConfig", "container_name", "maxWalltime", "maxCpuCount", "minRamCount"),
    *("maxDiskCount", "computingSite", "gshare", "jobParameters"),
)

#: Numbers of which nothing, 0 and less say that the server is to choose.
_CHOSEN = ("coreCount", "maxAttempt")

#: What each of PanDA's tags in `specialHandling` sets; a tag that is not here is refused.
_TAGS = {
    **dict.fromkeys(("dm", "debugMode"), ("debug", True)),
    "lc": ("loopingCheck", False),
    "us": ("useSecrets", True),
    "express": ("", None),
}


def _read_jobs(raw: Any) -> list[Named]:
    listed = orjson.loads(raw) if isinstance(raw, str) else raw  # its error is a ValueError
    if not isinstance(listed, list) or not all(isinstance(entry, dict | list) for entry in listed):
        raise TypeError
    return [order_fields(entry, f"jobs[{at}]") if isinstance(entry, list) else entry for at, entry in enumerate(listed)]


#: A list of jobs, each an object in our own words or a list in PanDA's order, or the JSON of that.
JOBS = Kind("a list of objects, or its JSON", _read_jobs, lambda value, _: value)


def order_fields(state: Sequence[Any], where: str) -> dict[str, Any]:
    """Answer a job that a client of PanDA's has written as it is submitted here.

    Raises:
        ContractError: it has no list of files, or orders what is not done here.
    """
    if not state or not isinstance(state[-1], list) or not all(isinstance(file, list) for file in state[-1]):
        raise ContractError(f"{where}: the last of its columns is no list of files", field_name=where)
    job = _named(JOB_COLUMNS, state[:-1])
    if job.get("eventService", 0) not in (0, "0"):
        text = f"{where}: eventService: {shown(job['eventService'])}: jobs of the event service are not taken here"
        raise ContractError(text, field_name="eventService")
    fields = {key: job[key] for key in _SAME if key in job and job[key] != 0}
    fields |= {key: job[key] for key in _CHOSEN if _more_than_0(job.get(key))}
    priority = job.get("currentPriority") or job.get("assignedPriority")
    if priority:
        fields["currentPriority"] = priority
    fields["files"] = [_file(_named(FILE_COLUMNS, file), f"{where}: files[{at}]") for at, file in enumerate(state[-1])]
    return fields | _specials(str(job.get("specialHandling", "")), where)


def _named(columns: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Answer what is said, by name; what stands after the last column is the client's own, and older ones have less."""
    return {name: value for name, value in zip(columns, values, strict=False) if says_something(value)}


def _more_than_0(value: Any) -> bool:
    try:
        return float(value) > 0
    except (TypeError, ValueError):
        return value is not None  # refused by its name where it is read


def _specials(tags: str, where: str) -> dict[str, Any]:
    found = {}
    for tag in filter(None, tags.split(",")):
        if tag.startswith("ddm:"):
            continue
        if tag not in _TAGS:
            text = f"{where}: specialHandling: {shown(tag)} is not done here; there are {', '.join(_TAGS)}"
            raise ContractError(text, field_name="specialHandling")
        name, value = _TAGS[tag]
        if name:
            found[name] = value
    return found


def _file(file: Named, where: str) -> dict[str, Any]:
    lfn = str(file.get("lfn", ""))
    if "$" in lfn:
        text = f"{where}: lfn: {shown(lfn)}: names are not filled in here; give each file its own"
        raise ContractError(text, field_name=f"{where}.lfn")
    role = file.get("type")
    fields = {key: file[key] for key in ("lfn", "type", "fsize", "scope", "GUID") if key in file}
    dataset = file.get("dataset") if role == "input" else file.get("destinationDBlock") or file.get("dataset")
    said = {"dataset": dataset, "checksum": file.get("checksum") or file.get("md5sum")}
    if role != "input":
        said["endpoint"] = _endpoint(file)
    return fields | {key: value for key, value in said.items() if value}


def _endpoint(file: Named) -> str:
    """Answer the storage that an output is for: PanDA writes ``dst:ENDPOINT`` into its token, or names it."""
    token = str(file.get("destinationDBlockToken", ""))
    if token.startswith("dst:"):
        return token.removeprefix("dst:").partition(",")[0]
    named = str(file.get("destinationSE", ""))
    return "" if named == "local" else named
