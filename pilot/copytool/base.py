"""What a copy tool is. A tool moves bytes; the engine around it chooses, names, retries and verifies."""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Optional, Union

from pilot.contract.addresses import cleaned
from pilot.contract.frozen import Frozen
from pilot.contract.named import NamedTuple

if TYPE_CHECKING:
    from pilot.settings.everything import Settings


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
    """A copy did not happen. ``words`` are the tool's last ones; ``kind`` is ``None`` when they tell nothing.

    Addresses in its words lose what may be a secret: they go into logs, reports and traces.
    """

    def __init__(self, kind: Optional[FailureKind], words: str) -> None:
        self.kind, self.words = kind, cleaned(words)
        super().__init__(self.words)


class CopyCancelled(Exception):
    """A copy was given up because somebody asked for that."""


class Cancel:
    """A word that one thread gives and the threads that copy look for, or wait on. It cannot be taken back."""

    def __init__(self) -> None:
        self._event, self._lock = threading.Event(), threading.Lock()
        self._acts: list[Callable[[], object]] = []

    def ask(self) -> None:
        """Ask whoever holds this token to give up."""
        with self._lock:
            self._event.set()
            acts = list(self._acts)
        for act in acts:
            act()

    @contextlib.contextmanager
    def doing(self, act: Callable[[], object]) -> Iterator[None]:
        """Have ``act`` called, in the thread that asks, should that happen meanwhile; at once if it has happened."""
        with self._lock:
            asked = self._event.is_set()
            if not asked:
                self._acts.append(act)
        if asked:
            act()
        try:
            yield
        finally:
            if not asked:
                with self._lock:
                    self._acts.remove(act)

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is asked, or for so many seconds. True once it has been asked."""
        return self._event.wait(seconds)


class Deadline:
    """A moment on the monotonic clock by which something has to be done.

    ``cancel``: whatever waits for something until then gives up at once when that is asked.
    """

    def __init__(self, seconds: float, cancel: Optional[Cancel] = None) -> None:
        self.at = time.monotonic() + seconds
        self.cancel = Cancel() if cancel is None else cancel  # one that was not asked is false

    def left(self) -> float:
        """Answer the seconds left, 0.0 when there are none."""
        return max(0.0, self.at - time.monotonic())


class Transfer(Frozen):
    """One file to move: ``source`` and ``target`` are URLs (``file:///path`` for local ones).

    ``size`` in bytes and ``checksum`` (``adler32:...``) are what was registered, ``None`` when nothing was. Folders
    are made below ``root`` only, the URL of the target's storage: one that is not there is not mounted. The rest is
    for tools that know files by more than their URL: Rucio's ``scope`` and ``dataset``, and the storage's name (RSE).
    """

    lfn: str
    source: str
    target: str
    size: Optional[int] = None
    checksum: Optional[str] = None
    root: str = ""
    scope: str = ""
    dataset: str = ""
    guid: str = ""
    endpoint: str = ""


class FileFacts(NamedTuple):
    """What a storage says of a file; the size in bytes.

    ``url`` and ``endpoint`` tell where it lies, or came from, when the tool has chosen that itself; "" otherwise.
    ``seen``: after storing it the tool has asked the storage for the size, which is this; nobody needs to ask again.
    ``sure``: what lies there is what was read, so that the storage need not be asked for its checksum.
    """

    size: int
    checksum: Optional[str] = None
    url: str = ""
    endpoint: str = ""
    seen: bool = False
    sure: bool = False


#: Stands among a tool's schemes when it does not mind how a storage is reached.
ANY_SCHEME = "*"


class Inside(NamedTuple):
    """How programs are started that run in a container, and after a script.

    ``enter`` are the words that begin it, ``variables`` what is set there (a path or a name, never a secret),
    ``python`` the one of its image, and ``script`` what is sourced in it before the program; "" for nothing.
    """

    enter: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()
    python: str = ""
    script: str = ""


#: What comes before a program: a script that is sourced ("" for none), or all that leads into a container.
Setup = Union[str, Inside]
#: Where a container shows this `pilot` to children that are Python.
CHILDREN = "/compass-pilot"


class CopyTool(ABC):
    """Moves one file at a time. Tools hold no state between calls and are called from several threads.

    ``settings`` are the pilot's, where each tool that needs some has a section. ``says`` is what the queue has on the
    tool (its entry in ``copytools``); ``setup`` there names a script that is sourced before the tool's programs run,
    and is an `Inside` where they run in a container: a tool hands it on to `program.run` and `apart.shared` as it is.
    """

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]
    #: The tool that reads where a queue names this one: PanDA's ``mv`` links its inputs. "" for the tool itself.
    reads_with: ClassVar[str] = ""
    #: The programs that it runs, found on the PATH; none for a tool that is Python alone.
    programs: ClassVar[tuple[str, ...]] = ()
    #: Whether what it makes takes space of its own; a link does not.
    takes_space: ClassVar[bool] = True
    #: Whether a file that it stores has its name only when it is whole, so that no other name is needed meanwhile.
    whole: ClassVar[bool] = False
    #: Whether it finds inputs by scope and name, wherever they lie: it is then also asked for files that no storage of
    #: the queue has, with ``<name of the tool>:<scope>:<lfn>`` for a source, and tells where they came from.
    catalogue: ClassVar[bool] = False

    def __init__(self, settings: Optional[Settings] = None, says: Mapping[str, Any] = MappingProxyType({})) -> None:
        self._given, self._says = settings, says

    @property
    def settings(self) -> Settings:
        """The pilot's settings; all as declared when it was made without any."""
        if self._given is None:
            from pilot.settings.everything import Settings

            self._given = Settings()
        return self._given

    @property
    def setup(self) -> Setup:
        """What comes before its programs: the script to be sourced, as the queue says, "" for none; or a container."""
        setup = self._says.get("setup") or ""
        return setup if isinstance(setup, Inside) else str(setup)

    @classmethod
    def needs(cls, settings: Settings) -> Sequence[str]:
        """Answer the programs, by name or path, without which it can do nothing where the settings are these."""
        return cls.programs

    @classmethod
    def reaches(cls, scheme: str) -> bool:
        """Say whether it can work with addresses of this scheme."""
        return scheme in cls.schemes or ANY_SCHEME in cls.schemes

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
