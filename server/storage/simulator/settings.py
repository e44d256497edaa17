"""What a simulated robot is like, and where its things lie."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RobotSettings:
    """Times are seconds, ``rate`` is bytes per second of one drive; shares are from 0 to 1.

    ``disk`` is the root of the XRootD server in front; ``unreadable`` is the share of reads that fail, ``jammed`` that
    of mounts, after which a drive is ``repair`` seconds down. ``migrate_after`` is how long a new file is left alone
    before it goes to tape, ``keep`` how long it then stays on disk; ``pin`` is for recalls that name no lifetime.
    """

    disk: str
    drives: int = 2
    cartridges: int = 10
    mount: float = 60.0
    rate: float = 300e6
    unreadable: float = 0.0
    jammed: float = 0.0
    repair: float = 600.0
    migrate_after: float = 60.0
    keep: float = 3600.0
    pin: float = 86400.0
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what no robot can be.

        Raises:
            ValueError: naming the setting and its value.
        """
        for name in ("drives", "cartridges"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is less than 1")
        for name in ("unreadable", "jammed"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: {getattr(self, name)} is no share from 0 to 1")
        for name in ("mount", "repair", "migrate_after", "keep", "pin"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: {getattr(self, name)} is no time in seconds")
        if not 0 < self.rate < math.inf:
            raise ValueError(f"rate: {self.rate} is no number of bytes per second above 0")


@dataclass(frozen=True)
class Layout:
    """The robot's folder, which must be on the same file system as the disk."""

    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "robot.json"

    @property
    def state(self) -> Path:
        return self.folder / "robot.db"

    @property
    def tapes(self) -> Path:
        """What is on tape, each file under its own path."""
        return self.folder / "tapes"

    @property
    def passing(self) -> Path:
        """What is being copied, either way; what is found there when the robot starts is of no use."""
        return self.folder / "passing"

    @property
    def bell(self) -> Path:
        """A pipe: whoever has work for the robot writes a line into it."""
        return self.folder / "bell"

    @property
    def door(self) -> Path:
        """A socket: what XRootD passes on is said here, and answered."""
        return self.folder / "door"

    @property
    def lock(self) -> Path:
        """Held by the robot that runs."""
        return self.folder / "lock"

    @property
    def prepare(self) -> Path:
        """The program that XRootD runs for each request on tapes."""
        return self.folder / "prepare"

    @property
    def remote(self) -> Path:
        """The program that XRootD asks for files that are not on its disk."""
        return self.folder / "remote"

    def read_settings(self) -> RobotSettings:
        """Read what `write_settings` wrote.

        Raises:
            ValueError: it wrote nothing there, or something else was written there since.
        """
        try:
            return RobotSettings(**json.loads(self.settings.read_text()))
        except FileNotFoundError:
            raise ValueError(f"{self.folder}: no robot's folder; the command `make` makes it one") from None
        except (TypeError, ValueError) as wrong:
            raise ValueError(f"{self.settings}: {wrong}") from wrong

    def write_settings(self, settings: RobotSettings) -> None:
        self.settings.write_text(json.dumps(dataclasses.asdict(settings), indent=2) + "\n")
