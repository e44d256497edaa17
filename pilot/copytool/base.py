"""What a copy tool is. A tool moves bytes; the engine around it chooses, names, retries and verifies."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from enum import Enum
from typing import ClassVar, Optional

from pilot.contract.frozen import Frozen
from pilot.contract.named import NamedTuple


class FailureKind(str, Enum):
    """Why a copy did not happen; the engine turns (kind, direction) into an error code."""

    AUTHENTICATION = "authentication"
    NO_SUCH_FILE = "no such file"
    NO_SPACE = "no space"
    CHECKSUM = "checksum"
    SIZE = "size"
    TIMEOUT = "time-out"
    UNREACHABLE = "unreachable"
    PERMISSION = "permission"
    EXISTS = "exists"


class CopyFailed(Exception):
    """A copy did not happen. ``words`` are the tool's last ones; ``kind`` is ``None`` when they tell nothing."""

    def __init__(self, kind: Optional[FailureKind], words: str) -> None:
        super().__init__(words)
        self.kind, self.words = kind, words


class CopyCancelled(Exception):
    """A copy was given up because somebody asked for that."""


class Cancel:
    """A word that one thread gives and the threads that copy look for, or wait on. It cannot be taken back."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ask(self) -> None:
        """Ask whoever holds this token to give up."""
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is asked, or for so many seconds. True once it has been asked."""
        return self._event.wait(seconds)


class Deadline:
    """A moment on the monotonic clock by which something has to be done."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def left(self) -> float:
        """Answer the seconds left, 0.0 when there are none."""
        return max(0.0, self.at - time.monotonic())


class Transfer(Frozen):
    """One file to move: ``source`` and ``target`` are URLs (``file:///path`` for local ones).

    ``size`` in bytes and ``checksum`` (``adler32:...``) are what was registered, ``None`` when nothing was. Folders
    are made below ``root`` only, the URL of the target's storage: one that is not there is not mounted.
    """

    lfn: str
    source: str
    target: str
    size: Optional[int] = None
    checksum: Optional[str] = None
    root: str = ""


class FileFacts(NamedTuple):
    """What a storage says of a file; the size in bytes."""

    size: int
    checksum: Optional[str] = None


class CopyTool(ABC):
    """Moves one file at a time. Tools hold no state between calls and are called from several threads."""

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]
    #: The tool that reads where a queue names this one: PanDA's ``mv`` links its inputs. "" for the tool itself.
    reads_with: ClassVar[str] = ""
    #: The programs that it runs, found on the PATH; none for a tool that is Python alone.
    programs: ClassVar[tuple[str, ...]] = ()
    #: Whether what it makes takes space of its own; a link does not.
    takes_space: ClassVar[bool] = True

    @abstractmethod
    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        """Make ``target`` hold what ``source`` holds, and say what was moved; the checksum when it came for free.

        Raises:
            CopyFailed: it did not happen, or not within the deadline.
            CopyCancelled: it was given up.
        """

    @abstractmethod
    def stat(self, url: str, deadline: Deadline) -> Optional[FileFacts]:
        """Say what lies at ``url``; ``None`` when nothing does."""

    @abstractmethod
    def checksum(self, url: str, algorithm: str, deadline: Deadline) -> str:
        """Compute, or ask the storage for, a checksum of ``url`` as ``algorithm:hex``."""

    @abstractmethod
    def rename(self, source: str, target: str, deadline: Deadline) -> None:
        """Give a file another name on the same storage; an existing target is refused."""

    @abstractmethod
    def remove(self, url: str, deadline: Deadline) -> None:
        """Remove a file; one that is not there is no failure."""
