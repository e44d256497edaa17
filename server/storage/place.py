"""Where a storage is and what was said of it: one entry of ``ddmendpoints.json``, read for the server."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilot.contract.codec import (
    NUMBER,
    OBJECT,
    TEXT,
    TRUTH,
    ContractError,
    no_such_field,
    read,
    says_something,
)
from pilot.contract.queue import Protocol, StorageEndpoint
from server.lib.options import Options, read_options
from server.storage.base import StorageMisconfigured

#: The key of an entry that is for the server alone. Pilots pass it over.
KEY = "compass_storage"
_KEYS = ("plugin", "root", "options", "mover", "give_up_after")
#: Whose protocols say where the root is, best first: what the server does is removing, copying, and looking.
ACTIVITIES = (
    "third_party_copy",
    "tpc",
    "delete",
    "write_wan",
    "read_wan",
    "write_lan",
    "read_lan",
    "pw",
    "pr",
    "w",
    "r",
)


@dataclass(frozen=True)
class Place:
    """A storage's name, its plugin's name, the URL below which its files lie, and the plugin's options."""

    name: str
    plugin: str
    root: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scheme(self) -> str:
        return self.root.partition("://")[0]

    def wrong(self, what: str, words: str) -> StorageMisconfigured:
        """Answer the error that says what of it cannot be so."""
        return StorageMisconfigured(f"storage {self.name}: {what}: {words}")

    def read_options(self, shape: type[Options]) -> Options:
        """Read the options into a dataclass whose fields all have defaults.

        Raises:
            StorageMisconfigured: there is no such option, or a value is of the wrong kind.
        """
        try:
            return read_options(self.options, shape, f"{KEY}.options")
        except ContractError as wrong:
            raise StorageMisconfigured(f"storage {self.name}: {wrong}") from wrong


def read_place(name: str, data: Mapping[str, Any], plugin_of: Mapping[str, str]) -> Place:
    """Read an entry of ``ddmendpoints.json``.

    Without a plugin of its own it is ``tape`` where the entry says so (``is_tape``, or a ``type`` that ends with
    ``TAPE``), or else the one of its scheme.

    Args:
        name: The endpoint's name.
        data: The entry.
        plugin_of: The name of the plugin for each scheme.

    Raises:
        StorageMisconfigured: it says too little, or what is of the wrong kind.
    """
    try:
        said = read(data.get(KEY) or {}, OBJECT, KEY)
        for key in said:
            if key not in _KEYS:
                raise no_such_field(key, _KEYS, KEY)
        root = _text(said, "root") or _root(name, data, plugin_of)
        options = read(said.get("options") or {}, OBJECT, f"{KEY}.options")
        plugin = _text(said, "plugin") or ("tape" if _has_tape(data) else plugin_of.get(root.partition("://")[0], ""))
    except ContractError as wrong:
        raise StorageMisconfigured(f"storage {name}: {wrong}") from wrong
    if "://" not in root:
        raise StorageMisconfigured(
            f"storage {name}: {KEY}.root: {root!r} is no address such as root://host:1094//folder"
        )
    if not plugin:
        known = ", ".join(sorted(plugin_of))
        raise StorageMisconfigured(
            f"storage {name}: {root} is reached by none of {known}; name a plugin in {KEY}.plugin"
        )
    return Place(name, plugin, root.rstrip("/") if not root.endswith("://") else root, options)


def read_give_up_after(name: str, data: Mapping[str, Any]) -> float | None:
    """Answer after how many seconds a request to a storage is given up, when its entry says so.

    Raises:
        StorageMisconfigured: it is no number above 0.
    """
    try:
        said = read(data.get(KEY) or {}, OBJECT, KEY).get("give_up_after")
        seconds = read(said, NUMBER, f"{KEY}.give_up_after") if says_something(said) else None
    except ContractError as wrong:
        raise StorageMisconfigured(f"storage {name}: {wrong}") from wrong
    if seconds is not None and not 0 < seconds < math.inf:
        raise StorageMisconfigured(f"storage {name}: {KEY}.give_up_after: {said!r}: give seconds above 0")
    return None if seconds is None else float(seconds)


def _text(said: Mapping[str, Any], key: str) -> str:
    return str(read(said[key], TEXT, f"{KEY}.{key}")) if says_something(said.get(key)) else ""


def _has_tape(data: Mapping[str, Any]) -> bool:
    said = data.get("is_tape")
    if says_something(said):
        return bool(read(said, TRUTH, "is_tape"))
    return str(data.get("type") or "").upper().endswith("TAPE")


def _root(name: str, data: Mapping[str, Any], plugin_of: Mapping[str, str]) -> str:
    """Answer the address of the first protocol that there is a plugin for, or else of the first one at all."""
    protocols = StorageEndpoint.from_wire(name, data).protocols
    order = sorted(protocols, key=lambda activity: (_rank(activity), activity))
    found = [protocol for activity in order for protocol in protocols[activity]]
    if not found:
        raise ContractError(f"arprotocols: empty; name the storage's address in {KEY}.root", field_name="arprotocols")
    return _address(next((protocol for protocol in found if protocol.scheme in plugin_of), found[0]))


def _rank(activity: str) -> int:
    return ACTIVITIES.index(activity) if activity in ACTIVITIES else len(ACTIVITIES)


def _address(protocol: Protocol) -> str:
    """Join the two halves; a path of the xroot protocol begins with a slash of its own after the host's."""
    slash = (
        "/" if protocol.scheme in ("root", "roots", "xroot", "xroots") and not protocol.endpoint.endswith("/") else ""
    )
    return f"{protocol.endpoint}{slash}{protocol.path}"
