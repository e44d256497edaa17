"""One batch system as an admin describes it: its name, the folder of its files here, and its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilot.contract.codec import ContractError
from server.batch.base import BatchMisconfigured, BatchSystem
from server.lib.options import Options, read_options


@dataclass(frozen=True)
class Place:
    """Where a system is. Two of one kind differ in their names, folders and options.

    Of one that is not asked from ``here``, only its words are looked at: its programs and libraries are elsewhere.
    """

    name: str
    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    here: bool = True

    def wrong(self, what: str, words: str) -> BatchMisconfigured:
        """Answer the error that says what of it cannot be so."""
        return BatchMisconfigured(f"batch system {self.name}: {what}: {words}")

    def read_options(self, shape: type[Options]) -> Options:
        """Read its options into a dataclass whose fields all have defaults.

        Raises:
            BatchMisconfigured: there is no such option, or a value is of the wrong kind.
        """
        return _read(self.name, self.options, shape, "options")


def read_job_options(name: str, system: type[BatchSystem], said: Mapping[str, Any]) -> Any:
    """Read what a queue asks of a system into the system's `job_options`; raises likewise."""
    return _read(name, said, system.job_options, "job options")


def _read(name: str, said: Mapping[str, Any], shape: type[Options], where: str) -> Options:
    try:
        return read_options(said, shape, where)
    except ContractError as wrong:
        raise BatchMisconfigured(f"batch system {name}: {wrong}") from wrong
