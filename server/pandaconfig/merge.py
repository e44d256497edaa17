"""How a queue's columns and its JSON make one description; the columns win where they say something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.pandaconfig.columns import NumberColumn, TextColumn, WholeColumn
from server.pandaconfig.models.schedconfig import Schedconfig, Truth

#: Columns that are part of a queue's description also where they say nothing, since stock pilots look for them.
ALWAYS = (
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

#: Columns that say nothing to pilots: words for administrators, people, and what the table keeps of itself.
NOT_FOR_PILOTS = ("comment", "email", "dn", "lastmod", "tspace")

_FIELDS = {field.name: field for field in Schedconfig._meta.concrete_fields if field.name != "nickname"}
#: Every column but the name.
COLUMNS = tuple(_FIELDS)
#: What each column has where nobody said anything.
DEFAULTS: dict[str, Any] = {
    name: field.get_default() for name, field in _FIELDS.items() if name not in {"lastmod", "tspace"}
}
_TRUTHS = frozenset(name for name, field in _FIELDS.items() if field.choices == Truth.choices)
_TOLD = tuple(name for name in COLUMNS if name not in NOT_FOR_PILOTS)

#: What brokerage and pilots decide by, beside what is always told: the other columns are PanDA's, kept and handed on.
DECISIVE = frozenset({
    *(name for name in ALWAYS if name not in {"region", "resource_type", "pilotversion"}),
    "releases", "countrygroup", "allowedgroups", "pledgedcpu", "transferringlimit", "minrss", "mintime",
    "direct_access_lan", "direct_access_wan",
})  # fmt: skip


def merge(name: str, columns: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """Write one queue's description with every key that stock pilots look for.

    A column says something when it is not at its default; the status always does.
    """
    plain = {"type": "unified", "state": "ACTIVE", "siteid": name, "atlas_site": columns.get("gstat") or name}
    unsaid = {key: columns[key] for key in ALWAYS if key in columns and not says(key, columns[key])}
    said = {key: _told(key, columns[key]) for key in _TOLD if key in columns and says(key, columns[key])}
    return {**plain, **unsaid, "siteid": name, **beside, **said, "nickname": name, "panda_resource": name}


def says(column: str, value: Any) -> bool:
    """Say whether a column's value is more than its default."""
    return bool(value) and (column == "status" or value != DEFAULTS.get(column))


def _told(column: str, value: Any) -> Any:
    return value == Truth.TRUE.value if column in _TRUTHS else value


def split(data: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Take a description apart: the name, what has a column, and the rest."""
    if "comment_" in data:  # PanDA's name, which Django refuses
        data = {**data, "comment": data["comment_"]}
    own = {*NOT_FOR_PILOTS, "comment_", "nickname", "panda_resource"}
    columns: dict[str, Any] = {}
    beside: dict[str, Any] = {}
    for key, value in data.items():
        field = _FIELDS.get(key)
        if field is None:
            if key not in own:
                beside[key] = value
        elif isinstance(value, list | dict | tuple) and key not in ALWAYS:
            beside[key] = value  # CRIC has lists where PanDA's table has a text
        elif value not in (None, "") and key != "lastmod":
            columns[key] = _fitting(field, value)
    return str(data.get("nickname") or data.get("panda_resource") or ""), columns, beside


def _fitting(field: Any, value: Any) -> Any:
    """Answer a value as its column has it, as far as one can be meant; what cannot stays, and is refused later."""
    if isinstance(field, TextColumn) and isinstance(value, bool):
        return Truth.TRUE.value if value else Truth.FALSE.value
    if field.choices == Truth.choices and isinstance(value, str):
        return value.strip().capitalize()
    if isinstance(field, TextColumn) and isinstance(value, int | float):
        return str(value)
    if isinstance(field, WholeColumn) and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(field, WholeColumn | NumberColumn) and isinstance(value, str):
        try:
            return int(value) if isinstance(field, WholeColumn) else float(value)
        except ValueError:
            return value
    return value
