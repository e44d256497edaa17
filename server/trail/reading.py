"""What a request and its answer say of what a person did: pure, and without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from server.lib.logs import HIDDEN, masked
from server.lib.texts import storable
from server.trail.states import Action

#: Names of what is told to nobody, in queries, in forms and in addresses.
_SECRET = re.compile(
    r"token|passw|passphrase|secret|csrf|credential|authori|signature|api_?key|session|jwt|assertion"
    r"|^(?:sig|key|pass|pwd|x-amz-.*|x-goog-.*|awsaccesskeyid|id_hint)$",
    re.IGNORECASE,
)
#: What takes an export, where it is in a query; the admin's own words among them.
_EXPORTS = frozenset({"csv", "export", "download"})
_READS = re.compile(r"(?:get|is|has|list|find|query|show|explain|check|preview|dry_run|read|count)(?:[_A-Z]|$)")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: What says in forms and calls to which row something is done, and why.
_KEYS = ("name", "task", "run", "resend", "nickname", "queue", "job_id", "job_ids", "jobs", "_selected_action")
_REASONS = ("why", "reason", "words", "because", "note", "comment")
#: Pages that ask by themselves, while somebody writes.
_BY_THEMSELVES = frozenset({"jsi18n", "autocomplete"})


@dataclass(frozen=True)
class Thing:
    """What something is done to."""

    table: str
    key: str = ""
    verb: str = ""  # add, change, delete, as the admin's addresses say


def cut(text: str, most: int) -> str:
    """Answer a text as a column holds it."""
    text = storable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def scrubbed(query: str, *, most: int = 1000) -> str:
    """Answer a query without its secrets, and bounded; it can be asked again."""
    pairs = parse_qsl(query[: 8 * most], keep_blank_values=True)
    names = {name for name, _ in pairs}
    by_issuer = {"code", "state"} <= names  # as issuers of web tokens send people back
    clean = [
        (name, HIDDEN if is_secret(name) or (by_issuer and name in {"code", "state"}) else masked(value))
        for name, value in pairs
    ]
    return cut(urlencode(clean, safe="/:,@() "), most)


def scrubbed_path(path: str, values: Mapping[str, Any], *, most: int = 300) -> str:
    """Answer an address without the secrets that stand in it; ``values`` are its variable parts by name."""
    for name, value in values.items():
        if is_secret(name) and str(value):
            path = path.replace(str(value), HIDDEN)
    return cut(masked(path), most)


def is_safe(method: str) -> bool:
    """Say whether a request only asks."""
    return method in _SAFE


def asks_by_itself(name: str) -> bool:
    """Say whether a page of that name is asked for by other pages, and by nobody."""
    return name in _BY_THEMSELVES


def only_reads(path: str) -> bool:
    """Say whether a method of the interface only answers, however it is called."""
    return _READS.match(path.rstrip("/").rpartition("/")[2]) is not None


def thing_of(route: str, name: str, values: Mapping[str, Any]) -> Thing:
    """Say what an address is of: a table of the admin and its row, or a page and its variable parts.

    Args:
        route: The address as it is declared, as ``admin/app/model/<path:object_id>/change/``.
        name: The page's name; "" where it has none.
        values: The variable parts of the address.
    """
    parts = [part for part in route.strip("/^$").split("/") if part]
    row = ",".join(str(value) for key, value in values.items() if not is_secret(key))
    if parts[:1] == ["admin"] and len(parts) >= 3 and not parts[1].startswith("<"):
        verb = parts[-1] if parts[-1] in {"add", "change", "delete"} else ""
        return Thing(f"{parts[1]}.{parts[2]}", str(values.get("object_id", row)), verb)
    return Thing(name or "/".join(part for part in parts if not part.startswith("<")), row)


def action_of(method: str, *, query: Mapping[str, Any], verb: str, status: int, is_file: bool) -> Action:
    """Say in a word what a request did.

    Args:
        method: Of HTTP.
        query: What stands behind the question mark.
        verb: What the admin's address says.
        status: Of the answer.
        is_file: The answer is a file to be kept, as its headers say.
    """
    if status in {401, 403}:
        return Action.REFUSED
    if is_safe(method):
        if is_file or _EXPORTS & set(query):
            return Action.EXPORT
        return Action.FILTER if query else Action.VIEW
    by_method = {"DELETE": Action.DELETE, "PUT": Action.CHANGE, "PATCH": Action.CHANGE}
    if verb:
        return Action(verb)
    return by_method.get(method, Action.ORDER)


def key_in(said: Mapping[str, Any]) -> str:
    """Answer which rows a form or a call names."""
    found = [f"{name}={_plain(said[name])}" for name in _KEYS if said.get(name) not in (None, "", [])]
    return " ".join(found)


def reason_in(said: Mapping[str, Any]) -> str:
    """Answer why somebody does something, as a form or a call says."""
    words = next((said[name] for name in _REASONS if isinstance(said.get(name), str) and said[name].strip()), "")
    return masked(" ".join(words.split()))


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        shown = ",".join(str(one) for one in value[:20])
        return masked(shown if len(value) <= 20 else f"{shown},… ({len(value)})")
    return masked(str(value))
