"""What a row may not say: each refusal names its column, the value and what helps. Pure: what is known is handed in.

What a column allows by itself (its length, digits, words) the model checks; here is what columns say of each other, of
other tables, and of what there is to be named.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

Row = Mapping[str, Any]
#: Column, and the words.
Wrong = tuple[str, str]

#: JSON that is nested deeper is not kept: databases and readers have bounds of their own, each another.
DEEPEST = 50

#: The pilot's own copy tools.
COPYTOOLS = frozenset(
    ("local", "cp", "link", "symlink", "mv", "xrdcp", "lsm", "scp", "gfal", "gfalcopy", "gridftp", "s3", "rucio")
)


@dataclass(frozen=True)
class Known:
    """What rows may name: clouds, sites (with the queues' names), and copy tools beside those of the pilot."""

    clouds: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    copytools: frozenset[str] = COPYTOOLS


#: Pairs of which the first may not be more than the second, where both say something.
_RANGES = {
    "schedconfig": (("minrss", "maxrss"), ("minmemory", "maxmemory"), ("mintime", "maxtime")),
    "cloudconfig": (("transtimehi", "transtimelo"),),
    "users": (("firstjob", "latestjob"), ("njobs1", "njobs7"), ("njobs7", "njobs30")),
}
#: Columns that hold JSON, or words where they do not begin as JSON does.
_JSON = frozenset({"catchall", "objectstores", "celist", "fairsharepolicy", "objectstore"})
#: Columns with an absolute path.
_PATHS = ("appdir", "tmpdir", "wntmpdir", "datadir", "recoverdir", "python_path")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")
#: A certificate's subject in either of its spellings.
_SUBJECT = re.compile(r"(/[A-Za-z0-9.]+=[^/]+.*)|([A-Za-z0-9.]+=.+)", re.DOTALL)
_SUBJECTS = {"siteaccess": ("dn",), "users": ("dn",), "schedconfig": ("dn",), "cloudconfig": ("dn",)}


def wrong_with(table: str, row: Row, known: Known, *, changed: frozenset[str], now: datetime) -> list[Wrong]:
    """Answer what is wrong with a row, by column.

    Args:
        table: Its table's name.
        row: All of its columns, times as texts.
        known: What it may name.
        changed: The columns that are new: other tables are asked for these alone, so that a row of an older database
            can be mended one column at a time.
        now: The time, aware.
    """
    found = [*_ranges(table, row), *_json(row), *_times(row, changed, now), *_subjects(table, row, changed)]
    if table == "schedconfig":
        found += [*_queue(row, known, changed)]
    for column, check in _NAMES.get(table, {}).items():
        if column in changed:
            found += check(column, row, known)
    return found


def unstorable(value: Any, depth: int = 0) -> str:
    """Say what in a value no database can keep, or none that pilots read again; "" when all of it is good."""
    if isinstance(value, str):
        odd = next((sign for sign in value if sign == "\0" or "\ud800" <= sign <= "\udfff"), "")
        return f"{reprlib.repr(value)} has the sign {odd!r}, which cannot be kept; leave it out" if odd else ""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is no number that can be kept; leave it out"
    if not isinstance(value, Mapping | list | tuple):
        return ""
    if depth >= DEEPEST:
        return f"it is nested deeper than {DEEPEST}; make it flatter"
    parts = [*value.keys(), *value.values()] if isinstance(value, Mapping) else value
    return next(filter(None, (unstorable(part, depth + 1) for part in parts)), "")


def _ranges(table: str, row: Row) -> Iterator[Wrong]:
    for low, high in _RANGES.get(table, ()):
        if row.get(low) and row.get(high) and row[low] > row[high]:
            yield low, f"{row[low]} is more than {high}, which is {row[high]}; lower it, or raise {high}"


def _json(row: Row) -> Iterator[Wrong]:
    for column in sorted(_JSON & set(row)):
        text = str(row[column]).strip()
        if text[:1] in {"{", "["}:
            try:
                json.loads(text)
            except (ValueError, RecursionError) as wrong:
                yield column, f"it begins as JSON does and is none: {wrong}; mend it, or write words without brackets"


def _times(row: Row, changed: frozenset[str], now: datetime) -> Iterator[Wrong]:
    for column in ("created", "firstjob", "latestjob", "tspace"):
        said = row.get(column)
        if column in changed and said and datetime.fromisoformat(said).astimezone(UTC) > now:
            yield column, f"{said} has not come yet; give a time that has passed (UTC)"


def _subjects(table: str, row: Row, changed: frozenset[str]) -> Iterator[Wrong]:
    for column in _SUBJECTS.get(table, ()):
        said = str(row.get(column, ""))
        if column in changed and said and not _SUBJECT.fullmatch(said):
            yield column, f"{said!r} is no subject of a certificate; write it as /DC=ch/DC=cern/CN=Name"


def _queue(row: Row, known: Known, changed: frozenset[str]) -> Iterator[Wrong]:
    for column in _PATHS:
        if column in changed and row.get(column) and not str(row[column]).startswith(("/", "$")):
            yield column, f"{row[column]!r} is no absolute path; begin it with / (or with a variable, as $TMPDIR)"
    if "environ" in changed:
        odd = next((word for word in str(row.get("environ", "")).split() if not _VARIABLE.fullmatch(word)), "")
        if odd:
            yield "environ", f"{odd!r} is not NAME=value; separate several by blanks"
    if row.get("accesscontrol") == "grouplist" and not row.get("allowedgroups"):
        yield "allowedgroups", "accesscontrol is 'grouplist' and no group is let in; name some, or clear accesscontrol"
    if "data" in changed and isinstance(row.get("data"), Mapping):
        yield from _copytools_of(row["data"], known)


def _copytools_of(data: Mapping[str, Any], known: Known) -> Iterator[Wrong]:
    said: list[tuple[str, str]] = [("copytools", str(name)) for name in _mapping(data.get("copytools"))]
    for activity, names in _mapping(data.get("acopytools")).items():
        said += [(f"acopytools.{activity}", str(name)) for name in (names if isinstance(names, list) else ())]
    for where, name in said:
        if name not in known.copytools:
            yield "data", f"{where}: {_unknown(name, 'copy tool', known.copytools)}"


def _mapping(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {}


def _unknown(name: str, what: str, known: frozenset[str], remedy: str = "") -> str:
    near = _near(name, known)
    meant = f"did you mean {near[0]}?" if near else f"known are {_some(known)}" if known else f"there is no {what} yet"
    return f"{name!r} is no {what}; {meant}{f' {remedy}' if remedy else ''}"


@lru_cache(maxsize=1000)  # a file may name the same unknown site in thousands of rows
def _near(name: str, known: frozenset[str]) -> list[str]:
    return get_close_matches(name, known, n=1)


def _some(known: frozenset[str], most: int = 15) -> str:
    names = sorted(known)
    return ", ".join(names[:most]) + (f" and {len(names) - most} others" if len(names) > most else "")


def _words(said: Any) -> list[str]:
    return [word for word in re.split(r"[\s,|]+", str(said)) if word]


def _clouds(column: str, row: Row, known: Known) -> Iterator[Wrong]:
    for name in _words(row.get(column, "")):
        if name not in known.clouds:
            yield column, _unknown(name, "cloud", known.clouds, "Add it under Clouds first.")


def _sites(column: str, row: Row, known: Known) -> Iterator[Wrong]:
    for name in _words(row.get(column, "")):
        if name not in known.sites:
            yield column, _unknown(name, "site or queue", known.sites, "Add a queue of that site first.")


def _tools(column: str, row: Row, known: Known) -> Iterator[Wrong]:
    for name in _words(row.get(column, "")):
        if name.partition("^")[0] not in known.copytools:
            yield column, _unknown(name, "copy tool", known.copytools)


#: Columns that name rows of other tables.
_NAMES: Mapping[str, Mapping[str, Callable[[str, Row, Known], Iterator[Wrong]]]] = {
    "schedconfig": {
        "cloud": _clouds,
        "multicloud": _clouds,
        "multicloud_append": _clouds,
        "copytool": _tools,
        "copytoolin": _tools,
    },
    "cloudconfig": {"tier1": _sites},
    "siteaccess": {"pandasite": _sites},
    "users": {"sites": _sites, "sitepref": _sites, "queuepref": _sites},
}
