"""Inputs that are not copied: the payload reads them where they lie. Which, by what address, and whether they open."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec
from pilot.contract.messages import StoredFile
from pilot.contract.queue import QueueData
from pilot.copytool.attempts import Try
from pilot.copytool.base import CopyFailed, FailureKind
from pilot.copytool.routes import ANALYSIS_LABELS, Route
from pilot.errors import JobFailed

#: By which payloads read from a storage of the queue, and from one far away; PanDA's lists.
NEAR_SCHEMES = ("root", "roots", "file", "https", "davs", "dcap", "dcache")
FAR_SCHEMES = ("root", "roots", "https")
#: What is no ROOT file by its name, as PanDA tells them: archives, libraries, raw data.
_COPIED = (".tar.gz", ".lib.tgz", ".raw")
_MODE = "--accessmode="
#: Characters that belong to a file's name or path.
_WORD = r"[\w./+~%-]"


def wanted(spec: JobSpec, file: FileSpec) -> bool:
    """Say whether a job wants an input to be read where it lies, if its queue allows that.

    The job's parameters have the last word (``--accessmode=direct`` or ``copy``, ``--useLocalIO``); else users' jobs
    want it, and others that say so (``transferType``). Never is a file read so that is to be copied
    (``prodDBlockToken``), or is none that ROOT can read in parts.
    """
    if file.copied or any(part in file.lfn.lower() for part in _COPIED):
        return False
    modes = [argument[len(_MODE) :] for argument in spec.arguments if argument.startswith(_MODE)]
    if "--useLocalIO" in spec.arguments or "copy" in modes:
        return False
    return "direct" in modes or spec.direct or spec.label in ANALYSIS_LABELS


def ways(spec: JobSpec, file: FileSpec, queue: QueueData, routes: Sequence[Route]) -> list[Route]:
    """Answer the ways by which a payload may read an input where it lies; none when it is to be copied."""
    if not wanted(spec, file):
        return []
    near = NEAR_SCHEMES if queue.direct_access_lan else ()
    far = FAR_SCHEMES if queue.direct_access_wan else ()
    return [route for route in routes if route.scheme in (far if route.far else near)]


def opened(file: FileSpec, one: Try) -> StoredFile:
    """Look whether an input is there to be read, as the copy tool that is for it sees it.

    Raises:
        CopyFailed: it is not, or has another size than the registered one.
    """
    route = one.route
    there = route.tool.stat(route.url, one.deadline)
    if there is None:
        raise CopyFailed(FailureKind.NO_SUCH_FILE, f"{route.url} is not there")
    if file.size not in (None, there.size):
        raise CopyFailed(FailureKind.SIZE, f"{there.size} bytes lie at {route.url}, {file.size} are registered")
    return StoredFile(file.lfn, there.size, file.checksum, file.guid, route.url, route.endpoint, direct=True)


def not_opened(failure: CopyFailed, file: FileSpec) -> JobFailed:
    """Answer the failure of a job whose input cannot be read where it lies."""
    late = failure.kind is FailureKind.TIMEOUT
    code = ErrorCode.REMOTE_OPEN_TIMED_OUT if late else ErrorCode.REMOTE_FILE_NOT_OPENED
    return JobFailed(code, f"{file.lfn}: {failure.words}", lfn=file.lfn)


def with_addresses(arguments: Sequence[str], addresses: Mapping[str, str]) -> tuple[str, ...]:
    """Write the address of each input that is read where it lies in the place of its name, as PanDA's pilots do.

    A name counts wherever it stands alone: as an argument, after ``=`` or ``,``, with ``./`` before it.
    """
    if not addresses:
        return tuple(arguments)
    names = "|".join(re.escape(name) for name in sorted(addresses, key=len, reverse=True))
    pattern = re.compile(rf"(?<!{_WORD})(?:\./)?({names})(?!{_WORD})")
    return tuple(pattern.sub(lambda found: addresses[found[1]], argument) for argument in arguments)
