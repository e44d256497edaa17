"""How a queue's columns and its JSON make one description; the columns win where they say something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Columns of schedconfig that are part of a queue's description, beside its name.
COLUMNS = (
    "siteid",
    "gstat",
    "cloud",
    "region",
    "status",
    "corecount",
    "maxrss",
    "maxtime",
    "maxwdir",
    "maxinputsize",
    "timefloor",
    "cmtconfig",
    "appdir",
    "environ",
    "catchall",
    "container_type",
    "container_options",
    "resource_type",
    "pilotversion",
)

#: Columns that say nothing to pilots.
NOT_FOR_PILOTS = ("comment",)


def merge(name: str, columns: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """Write one queue's description with every key that stock pilots look for."""
    plain = {"type": "unified", "state": "ACTIVE", "siteid": name, "atlas_site": columns.get("gstat") or name}
    said = {key: columns[key] for key in COLUMNS if columns.get(key)}
    unsaid = {key: columns[key] for key in COLUMNS if key in columns and not columns[key]}
    return {**plain, **unsaid, "siteid": name, **beside, **said, "nickname": name, "panda_resource": name}


def split(data: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Take a description apart: the name, what has a column, and the rest."""
    if "comment_" in data:  # PanDA's name, which Django refuses
        data = {**data, "comment": data["comment_"]}
    columns = {key: data[key] for key in (*COLUMNS, *NOT_FOR_PILOTS) if data.get(key) not in (None, "")}
    own = {*COLUMNS, *NOT_FOR_PILOTS, "comment_", "nickname", "panda_resource"}
    beside = {key: value for key, value in data.items() if key not in own}
    return str(data.get("nickname") or data.get("panda_resource") or ""), columns, beside
