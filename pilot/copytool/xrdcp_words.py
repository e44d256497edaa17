"""How XRootD's files are named, and what its client says of them and of what went wrong. Nothing is run here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pilot.contract.named import NamedTuple
from pilot.copytool import checksum
from pilot.copytool.base import CopyFailed, FailureKind, FileFacts
from pilot.copytool.last_words import kind_of, last_of
from pilot.copytool.program import CANNOT_RUN, Ran

#: Seconds: the longest time-out that the client gets, for it takes none without an end.
LONGEST = 7 * 86400.0
#: What servers say with a number. Source: XRootD protocol 5, section "Server response codes" (XErrorCode).
_NUMBERS: Mapping[str, FailureKind] = {
    "3009": FailureKind.NO_SPACE,
    "3010": FailureKind.PERMISSION,
    "3011": FailureKind.NO_SUCH_FILE,
    "3014": FailureKind.UNREACHABLE,
    "3015": FailureKind.NO_SUCH_FILE,  # not a file
    "3016": FailureKind.NO_SUCH_FILE,  # a folder
    "3018": FailureKind.EXISTS,
    "3019": FailureKind.CHECKSUM,
    "3021": FailureKind.NO_SPACE,  # over quota
    "3024": FailureKind.UNREACHABLE,  # overloaded
    "3025": FailureKind.PERMISSION,  # read-only
    "3028": FailureKind.AUTHENTICATION,  # wants TLS
    "3029": FailureKind.NO_SUCH_FILE,  # no replicas
    "3030": FailureKind.AUTHENTICATION,
    "3033": FailureKind.CHECKSUM,  # of pages on their way, when a server has died and come back
    "3034": FailureKind.TIMEOUT,
    "3035": FailureKind.TIMEOUT,
}
#: The clients' exit status for whatever befalls a connection.
_CONNECTION = 51
#: What they say of one that was there, and is not any more, in the middle of their work.
_GONE = "Initialization error"
#: Hex digits of a checksum; the clients leave out zeros at its beginning.
_DIGITS = {checksum.ADLER32: 8, checksum.MD5: 32}


class Place(NamedTuple):
    """Where a file is: its address, and the same as server and path."""

    url: str
    server: str
    path: str


def named(url: str) -> str:
    """Answer an address that XRootD takes as it is."""
    if "?" in url:
        raise CopyFailed(None, f"{url}: what follows a question mark is no part of a file's name for XRootD; rename it")
    return url


def place_of(url: str) -> Place:
    """Read an address."""
    scheme, _, rest = named(url).partition("://")
    host, _, path = rest.partition("/")
    return Place(url, f"{scheme}://{host}", "/" + path.lstrip("/"))


def found(said: str, url: str) -> FileFacts:
    """Read what ``xrdfs stat`` tells of a file."""
    size = re.search(r"^Size:\s+(\d+)$", said, re.MULTILINE)
    if size is None:
        raise CopyFailed(None, f"xrdfs tells no size of {url}: {last_of(said) or 'it says nothing'}")
    if re.search(r"^Flags:.*\bIsDir\b", said, re.MULTILINE):
        raise no_file(url)
    return FileFacts(int(size[1]))


def no_file(url: str) -> CopyFailed:
    """Tell that what lies at an address is a folder."""
    return CopyFailed(FailureKind.EXISTS, f"{url} is there, but is not a file")


def summed(said: str, algorithm: str, url: str) -> str:
    """Read what ``xrdfs query checksum`` tells: algorithm and value."""
    kind, _, value = said.strip().partition(" ")
    if kind != algorithm or not value:
        raise CopyFailed(None, f"the storage tells no {algorithm} of {url}: {last_of(said) or 'it says nothing'}")
    return sum_of(algorithm, value)


def copied(said: str, algorithm: str) -> FileFacts:
    """Read what xrdcp prints of a checksum: algorithm, value, file and bytes."""
    found = re.search(rf"^{algorithm}: ([0-9a-fA-F]+) .* (\d+)$", said, re.MULTILINE)
    if found is None:
        raise CopyFailed(None, f"xrdcp tells no {algorithm} of what it copied: {last_of(said) or 'it said nothing'}")
    return FileFacts(int(found[2]), sum_of(algorithm, found[1]))


def free_bytes(said: str) -> int:
    """Read what ``xrdfs query space`` tells of the largest file that there is room for; 0 when it tells nothing."""
    free = re.search(r"\boss\.maxf=(\d+)", said)
    return int(free[1]) if free else 0


def cut_short(of: str, there: int, size: int, free: int) -> CopyFailed:
    """Tell that not all bytes were written, and whether for want of room."""
    kind = FailureKind.NO_SPACE if free < size - there else FailureKind.SIZE
    return CopyFailed(kind, f"{of}: {there} of {size} bytes were written, there is room for {free} more")


def failure(ran: Ran, url: str) -> CopyFailed:
    """Read what went wrong with a file of a server."""
    said = re.sub(r"\0|^Run: |\[(ERROR|FATAL)\] ", "", ran.errors or ran.output, flags=re.MULTILINE)
    said = said.partition("\nUsage:")[0]  # of many lines, after an option that it does not know
    words = f"{url.partition('?')[0]}: {last_of(said) or f'it ended with status {ran.status} and said nothing'}"
    if ran.status in CANNOT_RUN:
        return CopyFailed(None, words)
    number = re.search(r"error: \[(3\d{3})\]", said)
    cut_off = FailureKind.UNREACHABLE if ran.status == _CONNECTION or _GONE in said else None
    return CopyFailed((_NUMBERS.get(number[1]) if number else None) or kind_of(said) or cut_off, words)


def sum_of(algorithm: str, value: str) -> str:
    """Write a checksum with all its digits."""
    return f"{algorithm}:{value.strip().lower().zfill(_DIGITS.get(algorithm, 0))}"
