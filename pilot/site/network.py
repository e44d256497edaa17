"""The node's network as the kernel knows it; no name is looked up and nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from pilot.site.tree import Tree

_LOOPBACK = "lo"
_ROUTE_UP = 0x1
_NOWHERE = "0" * 32


@dataclass(frozen=True)
class Network:
    """``up`` names the interfaces that are up, without the loopback; a default route leads out of the node."""

    host: str
    up: tuple[str, ...]
    default_route: bool
    default_route_v6: bool


def read(tree: Tree, *, host: Callable[[], str] = lambda: os.uname().nodename) -> Network:
    """Read /sys/class/net and the kernel's routes."""
    names = [name for name in tree.names("sys/class/net") if name != _LOOPBACK]
    return Network(
        host=host(),
        up=tuple(name for name in names if _is_up(tree, name)),
        default_route=any(_leads_out(row) for row in _rows(tree, "proc/net/route")),
        default_route_v6=any(_leads_out_v6(row) for row in _rows(tree, "proc/net/ipv6_route")),
    )


def _is_up(tree: Tree, name: str) -> bool:
    # Tunnels and some virtual ones say "unknown" as long as they work.
    return tree.text(f"sys/class/net/{name}/operstate") in ("up", "unknown")


def _rows(tree: Tree, name: str) -> list[list[str]]:
    return [line.split() for line in tree.text(name).splitlines()]


def _leads_out(row: Sequence[str]) -> bool:
    return len(row) > 7 and row[1] == row[7] == "0" * 8 and bool(int(row[3], 16) & _ROUTE_UP)


def _leads_out_v6(row: Sequence[str]) -> bool:
    return len(row) > 9 and row[0] == _NOWHERE and row[1] == "00" and row[9] != _LOOPBACK
