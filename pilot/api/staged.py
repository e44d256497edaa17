"""What staging files has come to, and how far it is: values of `pilot.api.data`."""

from __future__ import annotations

from enum import Enum
from typing import Any, Optional

from pilot.contract.frozen import Frozen
from pilot.contract.job import FileSpec


class State(str, Enum):
    """What became of one file."""

    DONE = "done"
    FAILED = "failed"
    #: It was not copied, or not to its end, because that was asked for.
    CANCELLED = "cancelled"


class FileResult(Frozen):
    """What became of one file that was to be staged.

    Attributes:
        file: The file as it was asked for.
        state: How it ended.
        code: The pilot's error code (`pilot.contract.codes.ErrorCode`); 0 when it is done.
        words: What went wrong, for people; "" when it is done.
        size: Bytes that were moved; 0 when it is not done.
        seconds: From the begin of its first try to its end, waits between tries included.
        tool: The copy tool of the last try; "" when there was none.
        source: The address that the last try read.
        target: The address that it wrote. Neither holds secrets.
        endpoint: The storage that the file came from, or lies on.
        checksum: What was verified, as ``adler32:...`` or ``md5:...``; "" when nothing was.
        guid: The file's GUID; one is made up for an output that was given without.
        attempts: How many copies were tried.
    """

    file: FileSpec
    state: State
    code: int = 0
    words: str = ""
    size: int = 0
    seconds: float = 0.0
    tool: str = ""
    source: str = ""
    target: str = ""
    endpoint: str = ""
    checksum: str = ""
    guid: str = ""
    attempts: int = 0

    @property
    def well(self) -> bool:
        """Whether the file is where it should be, whole."""
        return self.state is State.DONE

    def as_dict(self) -> dict[str, Any]:
        """Answer what JSON can hold; times are rounded to milliseconds."""
        said = {name: value for name, value in vars(self).items() if name != "file"}
        named = {"lfn": self.file.lfn, "scope": self.file.scope, "dataset": self.file.dataset}
        return {**named, **said, "state": self.state.value, "code": int(self.code), "seconds": round(self.seconds, 3)}


class Results(tuple[FileResult, ...]):
    """One result for each file, in the order in which the files were given."""

    __slots__ = ()

    @property
    def well(self) -> bool:
        """Whether every file is where it should be."""
        return all(result.well for result in self)

    @property
    def failed(self) -> tuple[FileResult, ...]:
        """Those that are not done, whether they failed or were given up."""
        return tuple(result for result in self if not result.well)


class Progress(Frozen):
    """How far staging is, at one moment.

    Attributes:
        files_total: How many files there are.
        files_done: How many of them are where they should be.
        files_failed: How many have failed, or were given up.
        bytes_total: The sizes of all files; ``None`` when a size is not known yet.
        bytes_done: Bytes of files that are done, and of inputs that are on their way.
        current: The names of the files that are being copied.
        seconds: Since the start.
    """

    files_total: int
    files_done: int = 0
    files_failed: int = 0
    bytes_total: Optional[int] = None
    bytes_done: int = 0
    current: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def over(self) -> bool:
        """Whether every file has come to its end."""
        return self.files_done + self.files_failed == self.files_total
