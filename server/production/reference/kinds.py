"""Types of task as values: those that come with the product, and those that are rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.production.chains import CHAINS
from server.production.states import RUNNABLE, TaskType


@dataclass(frozen=True)
class Kind:
    """A type of task by the word that people give it; its chain is one of those that are code.

    ``limits`` hold for its tasks instead of the system's; ``program`` is what its jobs run, empty: by its chain.
    """

    word: str
    label: str
    chain: TaskType
    enabled: bool = True
    program: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_defined_by_managers(self) -> bool:
        return self.chain in RUNNABLE

    @property
    def has_merges(self) -> bool:
        return bool(CHAINS[self.chain].merges)


def priority_limit(chain: str) -> str:
    """Name the limit that is the priority of a chain's jobs."""
    return "filtering_priority" if chain == TaskType.DDD_FILTERING else "processing_priority"


#: They are there whatever rows say; a row of the same word stands before it.
BUILT_IN: Mapping[str, Kind] = {kind.value: Kind(kind.value, str(kind.label), kind) for kind in TaskType}
