"""Lists of the detector's files and of runs, as production managers and the catalogue of runs write them. Pure rules.

The form of a line, ``run, file, events``, is that of the lists that the experiment keeps beside its software.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pilot.contract import naming
from pilot.contract.codec import ContractError, shown

#: Widths of the database's numbers.
LARGEST = 2**31 - 1
LARGEST_SIZE = 2**63 - 1
#: A range of runs that is longer is a slip of the pen, and so are more runs than that.
LONGEST_RANGE = 100_000
_FORM = "'raw/2016/cdr11001-278473.raw', or 'run, file, events, size, checksum'"
_CHECKSUM = re.compile(r"adler32:[0-9a-f]{8}|md5:[0-9a-f]{32}")


class RawLine(NamedTuple):
    """A file of the detector. Size is bytes; what is not known is ``None``, or empty."""

    run: int
    chunk: int
    lfn: str
    dataset: str
    events: int | None = None
    size: int | None = None
    checksum: str = ""


def read_raw_lines(text: str, *, home: str = "") -> Iterator[RawLine]:
    """Read lines that each name a raw file, or ``run, file, events[, size[, checksum]]``; ``-1`` events are unknown.

    Blank lines and what follows a ``#`` are left out. One line is read at a time.

    Args:
        text: The lines.
        home: What stands in the lines before the storage's own folders, and is taken away.

    Raises:
        ValueError: a line is something else; the text names it.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if bare := line.partition("#")[0].strip():
            try:
                yield _read_line(bare, home)
            except ValueError as wrong:
                raise ValueError(f"line {number}, {shown(bare)}: {wrong}") from None


def _read_line(bare: str, home: str) -> RawLine:
    words = [word.strip() for word in bare.split(",")]
    run = words.pop(0) if len(words) > 1 and _is_number(words[0]) else ""
    if not 1 <= len(words) <= 4:
        raise ValueError(f"give {_FORM}")
    path, events, size, checksum = (*words, *[""] * (4 - len(words)))
    folder, _, lfn = _inside(path, home).rpartition("/")
    folder = folder.rstrip("/")
    name = naming.read_raw(lfn)
    if name is None:
        raise ValueError("this is not the name of a raw file, cdr<chunk>-<run>.raw")
    its_run, chunk = name
    if run and int(run) != its_run:
        raise ValueError(f"it says run {run}, and its file is one of run {its_run}")
    if not (1 <= its_run <= LARGEST and chunk <= LARGEST):
        raise ValueError(f"runs and chunks are at most {LARGEST}")
    if checksum and not _CHECKSUM.fullmatch(checksum):
        raise ValueError(
            f"{shown(checksum)} is no checksum; give adler32: and 8, or md5: and 32 small hexadecimal digits"
        )
    return RawLine(
        its_run, chunk, lfn, folder, _number(events, LARGEST, "events"), _number(size, LARGEST_SIZE, "bytes"),
        checksum,
    )  # fmt: skip


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 20


def _inside(path: str, home: str) -> str:
    """Answer where a file lies below the storage's root."""
    if home:
        if not path.startswith(home):
            raise ValueError(f"it does not begin with {home!r}, as files_home says")
        path = path[len(home) :]
    if "://" in path or path.startswith("/"):
        raise ValueError("this leads to a place outside the storage; give in files_home what stands before its folders")
    if len(path) > 400:
        raise ValueError("its name is longer than 400 letters; files_home may say what all of them begin with")
    if "/" not in path:
        raise ValueError("it has no folder; give the folder below the storage's root, too, such as raw/2016/")
    if slip := _slip_of_folder(path.rpartition("/")[0]):
        raise ValueError(slip)
    return path


@lru_cache(maxsize=64)
def _slip_of_folder(folder: str) -> str:
    """Say why files cannot lie there; a list has many files of one folder, one after the other."""
    try:
        naming.checked_folder(folder, "file")
    except ContractError as wrong:
        return str(wrong)
    return ""


def _number(text: str, most: int, unit: str) -> int | None:
    if text in ("", "-1"):
        return None
    if not _is_number(text) or int(text) > most:
        raise ValueError(f"{shown(text)} is no number of {unit}; give a whole number, or -1 for unknown")
    return int(text)


def read_run_numbers(text: str) -> tuple[int, ...]:
    """Read run numbers and ranges such as ``278473-278480``, parted by commas, blanks or lines; in order.

    Raises:
        ValueError: something else stands there, a run is named twice, or there are too many.
    """
    found: dict[int, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for word in re.split(r"[,\s]+", line.partition("#")[0].strip()):
            for run in _runs_of(word, number) if word else ():
                if run in found:
                    raise ValueError(f"line {number}: run {run} is there twice; name it once")
                found[run] = None
            if len(found) > LONGEST_RANGE:
                raise ValueError(f"line {number}: these are more than {LONGEST_RANGE} runs; make several tasks of them")
    return tuple(sorted(found))


def _runs_of(word: str, number: int) -> range:
    ends = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", word, re.ASCII)
    if ends is None:
        raise ValueError(f"line {number}: {shown(word)} is no run; write a number, or a range such as 278473-278480")
    first, last = int(ends[1]), int(ends[2] or ends[1])
    if not 1 <= first <= last <= LARGEST or last - first >= LONGEST_RANGE:
        words = f"runs are 1 to {LARGEST}, and a range is in order and below {LONGEST_RANGE} long"
        raise ValueError(f"line {number}: {shown(word)}: {words}")
    return range(first, last + 1)
