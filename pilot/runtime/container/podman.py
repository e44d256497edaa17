"""What podman keeps of containers beyond their end, and its removal.

Killed together with its podman, a container stays in podman's books as one that runs; with the keeper killed it may
really do so. Ours carry a label with their temporary folder, by which they are found; others are never touched.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

#: The label that our containers carry; its value is the command's temporary folder, which is that of no other.
LABEL = "compass-pilot"
#: Options that say where podman keeps its books, and by what it ends containers.
_OF_STORAGE = ("--root", "--runroot", "--storage-driver", "--storage-opt", "--runtime", "--cgroup-manager")
#: Seconds for one call of podman.
_PATIENCE = 30.0
#: Seconds in which a container that was made gets its first process.
_STARTING = 60.0


@dataclass(frozen=True)
class Kept:
    """A container as podman remembers it.

    ``pid`` is its first process (0: it has none), ``created`` is seconds since 1970.
    """

    id: str
    folder: str
    pid: int
    created: float


@dataclass(frozen=True)
class Podman:
    """A podman: its program, and the environment and the options that name its storage."""

    program: str
    environment: Mapping[str, str]
    options: tuple[str, ...] = ()

    def remove_dead(self, now: float) -> None:
        """Remove what pilots have left whose containers have no process any more."""
        self._remove(dead(self._kept(LABEL), now, _lives))

    def remove_of(self, folder: Path) -> None:
        """Remove the container with a temporary folder, and end it if it still runs."""
        self._remove([one.id for one in self._kept(f"{LABEL}={folder}")])

    def _kept(self, label: str) -> list[Kept]:
        said = self._say("ps", "--all", "--no-trunc", f"--filter=label={label}", "--format=json")
        try:
            return [_read(entry) for entry in json.loads(said)]
        except (ValueError, KeyError, TypeError):
            return []  # it said nothing, or speaks otherwise than versions 3 to 5: nothing of that is removed

    def _remove(self, ids: list[str]) -> None:
        if ids:
            self._say("rm", "--force", "--time=0", *ids)

    def _say(self, *words: str) -> bytes:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            argv = [self.program, *self.options, *words]
            environment = dict(self.environment)
            return subprocess.run(argv, env=environment, capture_output=True, timeout=_PATIENCE, check=False).stdout
        return b""


def of_storage(options: Iterable[str]) -> tuple[str, ...]:
    """Answer those of a container's options that hold for every call of podman."""
    return tuple(option for option in options if option.partition("=")[0] in _OF_STORAGE)


def dead(kept: Iterable[Kept], now: float, lives: Callable[[int], bool]) -> list[str]:
    """Answer those that have no process, and are not just about to have their first."""
    return [one.id for one in kept if not (lives(one.pid) if one.pid else now - one.created < _STARTING)]


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _read(entry: Mapping[str, object]) -> Kept:
    labels = entry["Labels"]
    folder = labels[LABEL] if isinstance(labels, dict) else ""
    return Kept(str(entry["Id"]), str(folder), int(str(entry["Pid"])), float(str(entry["Created"])))
