"""Whether a row of reference can be as somebody has written it: its words, and the places that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pilot.contract.codec import shown
from server.pandaconfig.queries import queue_names
from server.production.defining import slip_of_storage
from server.production.definition import LONGEST_HOME, read_value
from server.production.limits import read_own
from server.production.reference.kinds import BUILT_IN
from server.production.states import TaskType

_WORD = re.compile(r"[a-z][a-z0-9_]{0,29}", re.ASCII)


def slips_of_site(said: Mapping[str, Any]) -> dict[str, str]:
    """Say what is wrong with a site, by field; a queue that is not online now may be named all the same."""
    slips = _read(said, {"name": "site", "home": "home", "files_home": "files_home"})
    queues = queue_names()
    for field, name in (("queue", said.get("queue") or said.get("name")), ("merging_queue", said.get("merging_queue"))):
        if name and name not in queues and "name" not in slips:
            near = get_close_matches(str(name), queues, 1)
            hint = f"did you mean {near[0]!r}?" if near else "add it on the admin's page Queues first"
            slips[field] = f"there is no queue {shown(name)}; {hint}"
    for field in ("files_endpoint", "tape"):
        if said.get(field) and (slip := slip_of_storage(str(said[field]), tape=field == "tape")):
            slips[field] = slip
    return slips | _limits(said, "site")


def slips_of_kind(said: Mapping[str, Any]) -> dict[str, str]:
    """Say what is wrong with a type of task, by field."""
    slips, word, chain = (
        _read(said, {"priority": "priority", "program": "program"}),
        said.get("word"),
        said.get("chain"),
    )
    if not isinstance(word, str) or not _WORD.fullmatch(word):
        slips["word"] = f"{shown(word)} cannot be used; give small letters, digits and _, at most 30, a letter first"
    elif word in BUILT_IN and chain != word:
        slips["chain"] = f"{word!r} comes with the product and follows its own chain; give another type its own word"
    elif chain == TaskType.USER_ANALYSIS and word != chain:
        slips["chain"] = "users submit their tasks themselves, and these are of one type; choose another chain"
    slips |= _limits(said, "type")
    named = {"processing_priority", "filtering_priority"} & set(said.get("limits") or ())
    if named and "limits" not in slips:
        slips["limits"] = f"{min(named)!r}: give it as the field priority"
    return slips


def slips_of_template(said: Mapping[str, Any]) -> dict[str, str]:
    """Say what is wrong with a template, by field."""
    return _read(said, {"name": "template", "file": "template"})


def slips_of_release(said: Mapping[str, Any]) -> dict[str, str]:
    """Say what is wrong with a software release, by field."""
    slips = _read(said, {"name": "soft", "home": "home", "path": "path", "phast": "phast"})
    place = f"{said.get('home') or ''}{said.get('path') or ''}"
    if not slips and len(place) > LONGEST_HOME:
        slips["path"] = (
            f"home and path together, {shown(place)}, have more than {LONGEST_HOME} letters; shorten the path"
        )
    return slips


def _read(said: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, str]:
    """Read columns as the fields of a definition that they become."""
    slips = {}
    for column, field in fields.items():
        if said.get(column) in (None, ""):
            continue
        try:
            read_value(field, said[column])
        except ValueError as wrong:
            slips[column] = str(wrong)
    return slips


def _limits(said: Mapping[str, Any], scope: str) -> dict[str, str]:
    try:
        read_own({} if said.get("limits") is None else said["limits"], scope)
    except ValueError as wrong:
        return {"limits": str(wrong)}
    return {}
