"""The copy tools that there are: the pilot's own, and those of its plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pilot.copytool.known import Known
from pilot.plugins import call

if TYPE_CHECKING:
    import pluggy

    from pilot.copytool.base import CopyTool


def copytools(plugins: pluggy.PluginManager) -> Mapping[str, type[CopyTool]]:
    """Answer the copy tools that there are, by name; of two plugins that offer one, the one registered later wins."""
    offered: Sequence[Sequence[type[CopyTool]]] = call(plugins, "register_copytools")
    return Known({kind.name: kind for kinds in reversed(offered) for kind in kinds})
