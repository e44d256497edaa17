"""What a storage is to the server. It speaks of many files at once, and never moves their bytes itself.

A method raises `StorageUnavailable` when the service as a whole did not answer, so that nothing at all is known; what
is known of single files, good or bad, is in the answer, one for each file that was asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Self

from pilot.contract.codec import ContractError
from pilot.contract.job_wire import checksum_from_panda
from server.lib.apart import Misconfigured, Unavailable

if TYPE_CHECKING:
    from server.storage.place import Place


class StorageUnavailable(Unavailable):
    """The service did not answer, or not within its time; ask again later."""


class StorageMisconfigured(Misconfigured):
    """A storage cannot be opened as it is described; the words name the storage, the field and the remedy."""


class Locality(str, Enum):
    """Where a file's bytes are: dCache's and CTA's four cases."""

    DISK = "disk"
    TAPE = "tape"
    DISK_AND_TAPE = "disk and tape"
    LOST = "lost"  # the storage has its name, and nowhere its bytes

    @property
    def on_disk(self) -> bool:
        """Whether it can be read at once."""
        return self in (Locality.DISK, Locality.DISK_AND_TAPE)

    @property
    def on_tape(self) -> bool:
        """Whether it is truly on tape, and not only on its way."""
        return self in (Locality.TAPE, Locality.DISK_AND_TAPE)


class FaultKind(str, Enum):
    """Why a storage did not do for one file what was asked."""

    ABSENT = "absent"
    FORBIDDEN = "forbidden"
    BUSY = "busy"  # now; another time it may
    FAILED = "failed"  # it has tried, and says why


@dataclass(frozen=True)
class Fault:
    """What a storage says of a file for which it could not do something; ``words`` are its own."""

    kind: FaultKind
    words: str


@dataclass(frozen=True)
class Found:
    """What lies there: ``size`` in bytes, ``checksum`` as ``adler32:xxxxxxxx`` when it was asked for and is known."""

    size: int
    locality: Locality = Locality.DISK
    checksum: str | None = None


class Recall(str, Enum):
    """How far a file is that a tape system was asked to bring to disk."""

    QUEUED = "queued"
    ACTIVE = "active"
    ON_DISK = "on disk"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the storage does not know the request any more


@dataclass(frozen=True)
class Recalled:
    """One file of a request: how far it is; ``words`` when it failed; ``pinned_until`` in seconds since 1970."""

    state: Recall
    words: str = ""
    pinned_until: float | None = None


@dataclass(frozen=True)
class Ticket:
    """A request that a tape system took: its number there, and the files that it refused, with the reason."""

    id: str
    refused: Mapping[str, Fault]


@dataclass(frozen=True)
class Space:
    """Bytes of a storage, in all and free."""

    total: int
    free: int


class Storage(ABC):
    """One storage. Files are named by their path below its root; all methods may be called from several threads.

    Plugins are classes of these, offered by the hook `register_storages`; each has a ``name`` of its own.
    """

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def open(cls, place: Place) -> Self:
        """Make one of what is said of it; nothing is asked of the service yet.

        Raises:
            StorageMisconfigured: its root or one of its options cannot be so.
        """

    @abstractmethod
    def url(self, path: str) -> str:
        """Answer the address of a file, as movers and other programs take it."""

    @abstractmethod
    def look(self, paths: Sequence[str], *, checksums: bool = False) -> Mapping[str, Found | Fault]:
        """Say what lies at each path; with ``checksums``, read or ask for those too, which may take long."""

    @abstractmethod
    def remove(self, paths: Sequence[str]) -> Mapping[str, Fault | None]:
        """Remove files; ``None`` for what is gone now. One that was not there is gone."""

    @abstractmethod
    def list_below(self, folder: str) -> Iterable[tuple[str, Found]]:
        """List the files below a folder, however deep, as they are found; checksums are not asked for."""

    @abstractmethod
    def space(self) -> Space | None:
        """Say how full it is; ``None`` when it does not tell."""


class Tape(Storage):
    """A storage with tapes behind its disk. What is written to its disk goes to tape by itself: `look` tells when."""

    @abstractmethod
    def recall(self, paths: Sequence[str], *, lifetime: float, request: str) -> Ticket:
        """Ask for files to be brought to disk, and kept there for ``lifetime`` seconds after they came.

        A file that the storage does not have is refused, and never looks accepted. ``request`` is the caller's own
        number: it is called again with the same number and files when the caller died before it could note the
        ticket. A storage that remembers numbers answers the first ticket; another one takes the files again, which
        must not read a tape twice.
        """

    @abstractmethod
    def recalled(self, ticket: str, paths: Sequence[str]) -> Mapping[str, Recalled]:
        """Say how far the files of a request are."""

    @abstractmethod
    def release(self, ticket: str, paths: Sequence[str]) -> None:
        """Say that files need not be kept on disk for a request any more; those not brought yet are not brought."""


@dataclass(frozen=True)
class Copy:
    """One file to be copied from storage to storage by whoever stands between: URLs, and what is to arrive.

    The checksum is kept as ``adler32:xxxxxxxx``, however it is written (``ad:``, in capitals, without an algorithm);
    what cannot be read is left, and fails the copy.
    """

    source: str
    target: str
    size: int | None = None
    checksum: str | None = None

    def __post_init__(self) -> None:
        with suppress(ContractError):
            object.__setattr__(self, "checksum", checksum_from_panda(self.checksum or ""))


class CopyState(str, Enum):
    """How far a third-party copy is."""

    QUEUED = "queued"
    ACTIVE = "active"
    DONE = "done"  # and verified: size and checksum at the target are those of the source
    FAILED = "failed"
    UNKNOWN = "unknown"  # the mover does not know the request any more


@dataclass(frozen=True)
class Copied:
    """One copy of a request: how far it is, how many bytes have arrived, and the mover's words when it failed."""

    state: CopyState
    moved: int = 0
    words: str = ""
    checksum: str | None = None


class Mover(ABC):
    """Has storages copy files among themselves. A request with a number that it has seen already is not begun again."""

    @abstractmethod
    def submit(self, copies: Sequence[Copy], *, request: str) -> str:
        """Begin copies under the caller's own number for them; answer the mover's."""

    @abstractmethod
    def status(self, request: str) -> Mapping[str, Copied]:
        """Say how far each copy of a request is, by its target; nothing of a request that is not known any more."""

    @abstractmethod
    def cancel(self, request: str) -> None:
        """Give up what has not been copied yet."""
