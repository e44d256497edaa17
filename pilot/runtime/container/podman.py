"""What podman keeps of containers beyond their end, and its removal.

Killed together with its podman, a container stays in podman's books as one that runs; with the keeper killed it may
really do so. Ours carry labels with their temporary folder and with the process that has started them, by which they
are found; others are never touched, nor are those of a process that lives, or of which nobody here can tell.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

log = logging.getLogger(__name__)

#: The label that our containers carry; its value is the command's temporary folder, which is that of no other.
LABEL = "compass-pilot"
#: The label with the process that has started it.
OWNER = "compass-pilot-owner"
#: Options that say where podman keeps its books, and by what it ends containers.
_OF_STORAGE = ("--root", "--runroot", "--storage-driver", "--storage-opt", "--runtime", "--cgroup-manager")
_TRIES = 3
#: Seconds for one call of podman.
_PATIENCE = 30.0


@dataclass(frozen=True)
class Owner:
    """A process: its machine since it was started, the namespace of its number, the number, and when it began."""

    boot: str
    namespace: str
    pid: int
    began: str

    def __str__(self) -> str:
        return f"{self.boot}/{self.namespace}/{self.pid}/{self.began}"

    @classmethod
    def read(cls, text: str) -> Optional[Owner]:
        """Read what `str` has written; ``None`` for anything else."""
        words = text.split("/")
        return cls(words[0], words[1], int(words[2]), words[3]) if len(words) == 4 and words[2].isdigit() else None

    @classmethod
    def this(cls) -> Owner:
        """Answer the present process."""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return cls(boot, str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]"), os.getpid(), began(os.getpid()))


def began(pid: int) -> str:
    """Say when a process began, in the kernel's ticks; "" when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


@dataclass(frozen=True)
class Kept:
    """A container as podman remembers it: its number, and who has started it."""

    id: str
    owner: Optional[Owner]


@dataclass(frozen=True)
class Podman:
    """A podman: its program, and the environment and the options that name its storage."""

    program: str
    environment: Mapping[str, str]
    options: tuple[str, ...] = ()

    def remove_orphans(self) -> None:
        """Remove what pilots have left that have died."""
        self._remove(orphans(self._kept(LABEL), Owner.this(), began))

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
        """Call podman until it succeeds; it may fail because another one removes what it is just looking at."""
        argv, environment = [self.program, *self.options, *words], dict(self.environment)
        for _ in range(_TRIES):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                done = subprocess.run(argv, env=environment, capture_output=True, timeout=_PATIENCE, check=False)
                if done.returncode == 0:
                    return done.stdout
                log.debug("%s failed: %s", " ".join(argv), done.stderr)
        return b""


def of_storage(options: Iterable[str]) -> tuple[str, ...]:
    """Answer those of a container's options that hold for every call of podman."""
    return tuple(option for option in options if option.partition("=")[0] in _OF_STORAGE)


def orphans(kept: Iterable[Kept], here: Owner, began: Callable[[int], str]) -> list[str]:
    """Answer those whose owner was a process of this machine and namespace, and is no more."""
    same = (here.boot, here.namespace)
    return [
        one.id
        for one in kept
        if one.owner and (one.owner.boot, one.owner.namespace) == same and began(one.owner.pid) != one.owner.began
    ]


def _read(entry: Mapping[str, object]) -> Kept:
    labels = entry["Labels"]
    owner = labels.get(OWNER, "") if isinstance(labels, dict) else ""
    return Kept(str(entry["Id"]), Owner.read(str(owner)))
